//! A certificate chain with its key, checked before it is used.

use crate::model::Hostname;
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::sync::Arc;

/// The most certificates of a chain: all of them are sent in each handshake.
const MAX_CHAIN: usize = 16;
/// The most names of a certificate that are looked at.
const MAX_NAMES: usize = 1000;

/// A name that a certificate was issued for (RFC 9525, section 6.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificateName {
    /// This name.
    Exact(Hostname),
    /// `*.parent`: every name with one label before `parent`.
    Wildcard(Hostname),
}

impl CertificateName {
    /// Reads a host name or `*.parent`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(parent) => parent.parse().ok().map(Self::Wildcard),
            None => text.parse().ok().map(Self::Exact),
        }
    }

    /// Whether it covers `host`.
    pub fn covers(&self, host: &Hostname) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Wildcard(parent) => host.parent() == Some(parent.as_str()),
        }
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => write!(f, "{name}"),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// A certificate that can be served. It shows neither chain nor key.
pub struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    /// The host names that it was issued for.
    pub names: Vec<CertificateName>,
    /// When it begins.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// Where it comes from, like `Secret default/shop`.
    pub origin: String,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("names", &self.names).field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Why a chain and a key are no certificate that can be served. It never tells what the key looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPair {
    /// There is no certificate.
    #[error("it holds no certificate in PEM form")]
    NoCertificate,
    /// There are too many.
    #[error("its chain has more than {MAX_CHAIN} certificates")]
    LongChain,
    /// The first certificate cannot be read.
    #[error("its certificate cannot be read")]
    Certificate,
    /// There is no key.
    #[error("it holds no private key in PEM form")]
    NoKey,
    /// The key cannot be used, or is not the certificate's.
    #[error("its key is not that of its certificate, or of a kind that is not supported (RSA, ECDSA and Ed25519 are)")]
    Key,
    /// It names no host.
    #[error("its certificate names no host as a subject alternative name")]
    NoNames,
}

impl Pair {
    /// Checks a chain, the server's certificate first, and its key, both as PEM.
    pub fn from_pem(origin: String, chain: &[u8], key: &[u8]) -> Result<Self, BadPair> {
        let mut certificates = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(chain) {
            if certificates.len() == MAX_CHAIN {
                return Err(BadPair::LongChain);
            }
            certificates.push(certificate.map_err(|_| BadPair::NoCertificate)?);
        }
        let leaf = certificates.first().ok_or(BadPair::NoCertificate)?;
        let Leaf { names, not_before, not_after } = read_leaf(leaf).ok_or(BadPair::Certificate)?;
        let names: Vec<CertificateName> =
            names.iter().take(MAX_NAMES).filter_map(|name| CertificateName::parse(name)).collect();
        if names.is_empty() {
            return Err(BadPair::NoNames);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| BadPair::NoKey)?;
        let key = CertifiedKey::from_der(certificates, key, &super::provider()).map_err(|_| BadPair::Key)?;
        Ok(Self { key: Arc::new(key), names, not_before, not_after, origin })
    }
}

/// What is read of a server's certificate.
pub(super) struct Leaf {
    pub(super) names: Vec<String>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

/// The names and the time of a certificate, if it can be read.
pub(super) fn read_leaf(der: &[u8]) -> Option<Leaf> {
    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let time = |seconds: i64| Timestamp::from_second(seconds).ok();
    let validity = certificate.validity();
    let (not_before, not_after) = (time(validity.not_before.timestamp())?, time(validity.not_after.timestamp())?);
    let mut names = Vec::new();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        names.extend(alternative.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        }));
    }
    Some(Leaf { names, not_before, not_after })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A self-signed certificate for `names`, and its key, as PEM.
    pub(crate) fn pem(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn read(chain: &str, key: &str) -> Result<Pair, BadPair> {
        Pair::from_pem("test".to_owned(), chain.as_bytes(), key.as_bytes())
    }

    #[test]
    fn a_chain_and_its_key_are_read() {
        let (chain, key) = pem(&["A.Example.com", "*.b.example.com"]);
        let pair = read(&chain, &key).unwrap();
        let names: Vec<String> = pair.names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a.example.com", "*.b.example.com"]);
        assert!(pair.not_before < pair.not_after);
        assert!(!format!("{pair:?}").contains("PRIVATE"));
    }

    #[test]
    fn garbage_is_told_apart() {
        let ((chain, key), (_, other)) = (pem(&["a.test"]), pem(&["a.test"]));
        assert_eq!(read("", &key).unwrap_err(), BadPair::NoCertificate);
        assert_eq!(read("garbage", &key).unwrap_err(), BadPair::NoCertificate);
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(read(cut, &key).unwrap_err(), BadPair::Certificate);
        assert_eq!(read(&chain, "").unwrap_err(), BadPair::NoKey);
        assert_eq!(read(&chain, &other).unwrap_err(), BadPair::Key);
        assert_eq!(read(&chain.repeat(17), &key).unwrap_err(), BadPair::LongChain);
        let (chain, key) = pem(&["10.0.0.1"]);
        assert_eq!(read(&chain, &key).unwrap_err(), BadPair::NoNames);
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let wildcard = CertificateName::parse("*.a.test").unwrap();
        let covers = |host: &str| wildcard.covers(&host.parse().unwrap());
        assert!(covers("x.a.test") && !covers("a.test") && !covers("y.x.a.test"));
    }
}
