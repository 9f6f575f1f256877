//! TLS to a target: the certificate must be valid for the name that was asked for. There is no weaker mode.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls_platform_verifier::Verifier;
use tokio_postgres_rustls::MakeRustlsConnect;

/// Returns a connector that trusts what the system trusts, and the certificates of `ca_file`.
pub(crate) fn connector(ca_file: Option<&Path>) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = Vec::new();
    if let Some(path) = ca_file {
        let unusable = |error: rustls::pki_types::pem::Error| format!("`{}`: {error}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).map_err(unusable)? {
            roots.push(certificate.map_err(unusable)?);
        }
        if roots.is_empty() {
            return Err(format!("`{}` holds no certificate", path.display()));
        }
    }
    let verifier = Verifier::new_with_extra_roots(roots, provider.clone()).map_err(|error| error.to_string())?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        // Not a loophole: the verifier is the platform's, and checks chain, time and name.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
