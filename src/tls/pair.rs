//! A certificate chain with its key, checked before it is used.

use super::pem::{self, MAX_CHAIN};
use crate::model::{Hostname, shown};
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// The most names of a certificate that are looked at.
const MAX_NAMES: usize = 1000;
/// The most names that a message shows.
const MAX_SEEN: usize = 3;

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
    /// The text is of another encoding.
    #[error("it is text in UTF-16, as PowerShell writes it; write it in UTF-8 or ASCII")]
    Utf16,
    /// The first certificate cannot be read.
    #[error("its certificate cannot be read")]
    Certificate,
    /// There is no key.
    #[error("it holds no private key in PEM form")]
    NoKey,
    /// There is a key, with a pass phrase.
    #[error(
        "its private key is encrypted; store it without a pass phrase, as openssl pkey -in KEY -out PLAIN writes it"
    )]
    EncryptedKey,
    /// The key cannot be used.
    #[error(
        "its private key is of a kind that is not supported; RSA of 2048 bits or more, ECDSA on P-256, P-384 or P-521, and Ed25519 are"
    )]
    KeyKind,
    /// The key is another certificate's.
    #[error("its private key is not that of its certificate; store the key that the certificate was issued for")]
    Mismatch,
    /// It names no host.
    #[error(
        "its certificate names no host as a subject alternative name, but {0}; have it issued for DNS names like a.example.com or *.example.com"
    )]
    NoNames(String),
}

impl Pair {
    /// Checks a chain and its key, both as PEM. Of several certificates the one that the key is for is the server's, in
    /// whatever order they are, and of several keys the one that fits.
    pub fn from_pem(origin: String, chain: &[u8], key: &[u8]) -> Result<Self, BadPair> {
        let mut certificates = pem::certificates(chain)?;
        let keys = pem::keys(key);
        let usable: Vec<Arc<dyn SigningKey>> = keys.iter().flatten().filter_map(load).collect();
        let fits: Vec<_> = usable.iter().filter_map(|key| Some((place(&certificates, key)?, key))).collect();
        // An authority's key may be among them too.
        let is_servers = |(at, _): &&(usize, _)| {
            certificates.get(*at).and_then(|der| read_leaf(der)).is_some_and(|leaf| !leaf.names.is_empty())
        };
        let fitting = fits.iter().find(is_servers).or(fits.first()).copied();
        let at = fitting.map_or(0, |(at, _)| at);
        let server = certificates.get(at).ok_or(BadPair::NoCertificate)?;
        let Leaf { names, other_names, not_before, not_after } = read_leaf(server).ok_or(BadPair::Certificate)?;
        let served: Vec<CertificateName> =
            names.iter().take(MAX_NAMES).filter_map(|name| CertificateName::parse(name)).collect();
        if served.is_empty() {
            return Err(BadPair::NoNames(seen(&names, &other_names)));
        }
        keys?;
        let key = match fitting {
            Some((_, key)) => Arc::clone(key),
            None if usable.is_empty() => return Err(BadPair::KeyKind),
            None => return Err(BadPair::Mismatch),
        };
        certificates.swap(0, at);
        let key = Arc::new(CertifiedKey::new(in_order(certificates), key));
        Ok(Self { key, names: served, not_before, not_after, origin })
    }
}

fn load(key: &PrivateKeyDer<'static>) -> Option<Arc<dyn SigningKey>> {
    super::provider().key_provider.load_private_key(key.clone_key()).ok()
}

/// Which certificate a key is for.
fn place(certificates: &[CertificateDer<'static>], key: &Arc<dyn SigningKey>) -> Option<usize> {
    let is_for = |certificate: &CertificateDer<'static>| {
        CertifiedKey::new(vec![certificate.clone()], Arc::clone(key)).keys_match().is_ok()
    };
    certificates.iter().position(is_for)
}

/// After the server's certificate, which is the first, each one's issuer (RFC 8446, section 4.4.2); what has no place comes last,
/// in its order.
fn in_order(certificates: Vec<CertificateDer<'static>>) -> Vec<CertificateDer<'static>> {
    let parties = |der: &CertificateDer<'_>| {
        let (_, read) = X509Certificate::from_der(der).ok()?;
        Some((read.subject().as_raw().to_vec(), read.issuer().as_raw().to_vec()))
    };
    let mut left: Vec<_> = certificates.into_iter().map(|der| (parties(&der), der)).collect();
    let mut ordered: Vec<CertificateDer<'static>> = Vec::new();
    let mut next = 0;
    while next < left.len() {
        let (of_this, der) = left.remove(next);
        ordered.push(der);
        let issuer = of_this.map(|(_, issuer)| issuer);
        let is_issuer =
            |known: &Option<(Vec<u8>, Vec<u8>)>| known.as_ref().map(|(subject, _)| subject) == issuer.as_ref();
        next = match issuer {
            Some(_) => left.iter().position(|(known, _)| is_issuer(known)).unwrap_or(left.len()),
            None => left.len(),
        };
    }
    ordered.extend(left.into_iter().map(|(_, der)| der));
    ordered
}

/// A few names that no client can ask for.
fn seen(names: &[String], other_names: &[String]) -> String {
    let names = names.iter().map(|name| shown(name)).chain(other_names.iter().cloned());
    let shown: Vec<String> = names.take(MAX_SEEN).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

/// What is read of a server's certificate.
pub(super) struct Leaf {
    pub(super) names: Vec<String>,
    /// Addresses, and common names, which clients do not look at any more (RFC 9525, section 2).
    pub(super) other_names: Vec<String>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

/// The names and the time of a certificate, if it can be read.
pub(super) fn read_leaf(der: &[u8]) -> Option<Leaf> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let time = |seconds: i64| Timestamp::from_second(seconds).ok();
    let validity = certificate.validity();
    let (not_before, not_after) = (time(validity.not_before.timestamp())?, time(validity.not_after.timestamp())?);
    let (mut names, mut other_names) = (Vec::new(), Vec::new());
    let alternative = certificate.subject_alternative_name().ok().flatten();
    for name in alternative.iter().flat_map(|alternative| &alternative.value.general_names) {
        match name {
            GeneralName::DNSName(name) => names.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => other_names.push(format!("the address {}", address(bytes))),
            _ => {}
        }
    }
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    other_names.extend(common.map(|name| format!("the common name {}", shown(name))));
    Some(Leaf { names, other_names, not_before, not_after })
}

fn address(bytes: &[u8]) -> String {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let address = four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    address.map_or_else(|_| "that is none".to_owned(), |address| address.to_string())
}

#[cfg(test)]
pub(crate) mod tests;
