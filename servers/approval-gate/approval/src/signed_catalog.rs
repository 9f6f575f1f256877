//! A catalog folder that counts only with its owner's signature: over its manifest, which names the digest of each entry.

use std::{fs, io, path::Path};

use runbooks::{Catalog, CatalogError};

use crate::{
    public_key::{PublicKey, PublicKeyError},
    sshsig::{Signature, SignatureError},
};

/// What the manifest is signed for, with `ssh-keygen -Y sign -n catalog@countersign`.
pub const CATALOG_NAMESPACE: &str = "catalog@countersign";
/// The armoured signature's file in the catalog's folder.
pub const CATALOG_SIGNATURE_FILE: &str = "manifest.sig";

/// Why a catalog is not used.
#[derive(Debug, thiserror::Error)]
pub enum SignedCatalogError {
    #[error("{}", runbooks_chain(.0))]
    Catalog(#[from] CatalogError),
    #[error("a catalog's signer is named, and no folder that he could have signed")]
    NoFolder,
    #[error("the signer's key is {0}")]
    Key(#[from] PublicKeyError),
    #[error(
        "could not read `{path}`: {source}; sign the output of `runbook-catalog manifest DIR` with `ssh-keygen -Y sign -n {CATALOG_NAMESPACE}`"
    )]
    Unsigned { path: String, source: io::Error },
    #[error("`{path}` is {source}: the folder's manifest is not what was signed, or not by whom it must be")]
    Signature { path: String, source: SignatureError },
}

fn runbooks_chain(error: &CatalogError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Opens the shipped catalog with a folder laid over it. With `signed_by`, an OpenSSH public key line, the folder counts
/// only if that key signed the manifest of exactly what is in it.
///
/// # Errors
/// When the folder is unusable, or its signature is missing or not good.
pub fn open_catalog(dir: Option<&Path>, signed_by: Option<&str>) -> Result<Catalog, SignedCatalogError> {
    let Some(signer) = signed_by else {
        return Ok(Catalog::open(dir)?);
    };
    let dir = dir.ok_or(SignedCatalogError::NoFolder)?;
    let key = PublicKey::parse(signer)?;
    // Read once: what is verified is what is used.
    let folder = Catalog::load(dir)?;
    let file = dir.join(CATALOG_SIGNATURE_FILE);
    let path = file.display().to_string();
    let armored = fs::read_to_string(&file).map_err(|source| SignedCatalogError::Unsigned {
        path: path.clone(),
        source,
    })?;
    let failed = |source| SignedCatalogError::Signature {
        path: path.clone(),
        source,
    };
    let signature = Signature::from_armored(&armored).map_err(failed)?;
    signature
        .verify(&key, CATALOG_NAMESPACE, folder.manifest().as_bytes())
        .map_err(failed)?;
    Ok(Catalog::shipped()?.overlaid(folder))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::GateKey;

    fn signed(dir: &Path, key: &GateKey, namespace: &str) {
        let manifest = Catalog::load(dir).unwrap().manifest();
        let signature = key.sign(namespace, manifest.as_bytes()).unwrap();
        fs::write(dir.join(CATALOG_SIGNATURE_FILE), signature.to_armored()).unwrap();
    }

    fn line(key: &GateKey) -> String {
        key.public_key().to_string()
    }

    #[test]
    fn a_folder_counts_only_as_it_was_signed_and_by_whom() {
        let dir = tempfile::tempdir().unwrap();
        let entry = dir.path().join("our-own");
        fs::create_dir(&entry).unwrap();
        let shipped = Catalog::shipped().unwrap();
        let book = shipped.get("ddl-lock-queue").unwrap().document();
        let text = serde_json::to_string(book).unwrap();
        fs::write(
            entry.join("runbook.json"),
            text.replace("\"ddl-lock-queue\"", "\"our-own\""),
        )
        .unwrap();
        let (owner, other) = (GateKey::generate().unwrap(), GateKey::generate().unwrap());
        let open = |signer: &GateKey| open_catalog(Some(dir.path()), Some(&line(signer)));

        assert!(matches!(open(&owner), Err(SignedCatalogError::Unsigned { .. })));
        assert!(matches!(
            open_catalog(None, Some(&line(&owner))),
            Err(SignedCatalogError::NoFolder)
        ));
        signed(dir.path(), &owner, CATALOG_NAMESPACE);
        assert!(open(&owner).unwrap().get("our-own").is_some());
        assert!(matches!(open(&other), Err(SignedCatalogError::Signature { .. })));

        fs::write(
            entry.join("runbook.json"),
            text.replace("\"ddl-lock-queue\"", "\"our-own\"")
                .replace("\"timeout_s\":10", "\"timeout_s\":11"),
        )
        .unwrap();
        assert!(matches!(open(&owner), Err(SignedCatalogError::Signature { .. })));
        signed(dir.path(), &owner, crate::APPROVERS_NAMESPACE);
        assert!(matches!(open(&owner), Err(SignedCatalogError::Signature { .. })));
        signed(dir.path(), &owner, CATALOG_NAMESPACE);
        assert!(open(&owner).is_ok());
    }
}
