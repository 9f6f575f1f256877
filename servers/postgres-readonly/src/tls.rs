//! TLS towards the database: chain and name are verified, against the system's roots or one given file.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use crate::target::TargetError;

/// Returns a client configuration that trusts only `roots` (PEM) or, without it, what the system trusts.
pub fn verify_full(roots: Option<&Path>) -> Result<ClientConfig, TargetError> {
    let path = roots.map_or_else(
        || "the system's certificate store".to_owned(),
        |path| path.display().to_string(),
    );
    let unusable = |message: String| TargetError::Certificates {
        path: path.clone(),
        message,
    };
    let found = match roots {
        Some(file) => rustls_native_certs::load_certs_from_paths(Some(file), None),
        None => rustls_native_certs::load_native_certs(),
    };
    if let (Some(_), Some(error)) = (roots, found.errors.first()) {
        return Err(unusable(error.to_string()));
    }
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(unusable("it holds no certificate that can be used".to_owned()));
    }
    Ok(
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(error.to_string()))?
            .with_root_certificates(store)
            .with_no_client_auth(),
    )
}
