//! Certificates by server name, and the development authority that makes them on one machine.

mod authority;
mod certificates;
mod pair;
mod pem;

pub use authority::Authority;
pub use certificates::{Assigned, CertificateDescription, Certificates};
pub use pair::{BadPair, CertificateName, Pair};

#[cfg(test)]
pub(crate) use pair::tests::{pem as pair_for_tests, pem_of_years as pair_of_years_for_tests};

use rustls::crypto::CryptoProvider;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a certificate could not be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the authority cannot be read or written.
    #[error("the development authority's file {} cannot be {action}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of the authority holds something else.
    #[error(
        "the development authority's file {} does not hold what it should ({reason}); move it and its neighbour away and a new authority is made",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// A certificate could not be made.
    #[error("no certificate could be made for {names}: {reason}")]
    Issue {
        /// The names it should have had.
        names: String,
        /// What the library said.
        reason: String,
    },
}

/// The cryptography that all of Doorstep uses.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: std::sync::OnceLock<Arc<CryptoProvider>> = std::sync::OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())).clone()
}

/// A server's side of TLS 1.2 and 1.3, with certificates picked by server name, and `alpn` in order of preference.
pub fn server_config(
    certificates: Arc<Certificates>,
    alpn: &[&[u8]],
) -> Result<Arc<rustls::ServerConfig>, rustls::Error> {
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}
