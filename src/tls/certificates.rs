//! Which certificate answers which server name.

use crate::model::Hostname;
use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// The certificates in use, by server name: an exact name first, then the wildcard of its parent, then the default.
/// Readers take no lock; there is one writer.
#[derive(Debug, Default)]
pub struct Certificates {
    current: ArcSwap<Entries>,
}

#[derive(Debug, Default, Clone)]
struct Entries {
    exact: HashMap<Box<str>, Entry>,
    /// By the parent of the wildcard: `*.int.localhost` is kept under `int.localhost`.
    wildcard: HashMap<Box<str>, Entry>,
    default: Option<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    key: Arc<CertifiedKey>,
    description: CertificateDescription,
}

/// A certificate, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateDescription {
    /// The name or wildcard for which it was picked.
    pub name: String,
    /// Where it comes from, like "the development authority".
    pub origin: String,
    /// The names it was issued for (RFC 5280, section 4.2.1.6).
    pub names: Vec<String>,
    /// When it ends.
    pub not_after: Option<jiff::Timestamp>,
}

impl CertificateDescription {
    fn new(name: &str, origin: &str, key: &CertifiedKey) -> Self {
        let (names, not_after) = key.cert.first().and_then(|der| read_leaf(der)).unzip();
        Self { name: name.to_owned(), origin: origin.to_owned(), names: names.unwrap_or_default(), not_after }
    }
}

/// The names and the end of a certificate, if it can be read.
fn read_leaf(der: &[u8]) -> Option<(Vec<String>, jiff::Timestamp)> {
    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let not_after = jiff::Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()?;
    let mut names = Vec::new();
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        names.extend(alternative.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        }));
    }
    Some((names, not_after))
}

impl Certificates {
    /// Answers `name` (a host name or `*.parent`) with `key` from now on.
    pub fn set(&self, name: &str, key: &Arc<CertifiedKey>, origin: &str) {
        let description = CertificateDescription::new(name, origin, key);
        let entry = Entry { key: key.clone(), description };
        self.change(|entries| match name.strip_prefix("*.") {
            Some(parent) => entries.wildcard.insert(parent.into(), entry.clone()),
            None => entries.exact.insert(name.into(), entry.clone()),
        });
    }

    /// Answers names that nothing else fits with `key` from now on.
    pub fn set_default(&self, key: &Arc<CertifiedKey>, origin: &str) {
        let description = CertificateDescription::new("(default)", origin, key);
        self.change(|entries| entries.default.replace(Entry { key: key.clone(), description: description.clone() }));
    }

    /// Whether `name` (a host name or `*.parent`) was set.
    pub fn has(&self, name: &str) -> bool {
        let entries = self.current.load();
        match name.strip_prefix("*.") {
            Some(parent) => entries.wildcard.contains_key(parent),
            None => entries.exact.contains_key(name),
        }
    }

    /// The certificate that a client gets for `host`.
    pub fn describe(&self, host: &str) -> Option<CertificateDescription> {
        self.current.load().find(host).map(|entry| entry.description.clone())
    }

    fn change<T>(&self, change: impl Fn(&mut Entries) -> T) {
        self.current.rcu(|entries| {
            let mut entries = Entries::clone(entries);
            change(&mut entries);
            entries
        });
    }
}

impl Entries {
    fn find(&self, host: &str) -> Option<&Entry> {
        // Parsed, so that every spelling of a name gets the same certificate.
        let host = host.parse::<Hostname>().ok();
        let named = host.as_ref().and_then(|host| {
            let exact = self.exact.get(host.as_str());
            exact.or_else(|| host.parent().and_then(|parent| self.wildcard.get(parent)))
        });
        named.or(self.default.as_ref())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let entries = self.current.load();
        let entry = match hello.server_name() {
            Some(name) => entries.find(name),
            None => entries.default.as_ref(),
        };
        entry.map(|entry| entry.key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Authority;

    #[test]
    fn an_exact_name_wins_over_a_wildcard_and_that_over_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let key = Authority::load_or_create(folder.path()).unwrap().issue(&["x"]).unwrap();
        let certificates = Certificates::default();
        assert!(certificates.describe("a.int.localhost").is_none());
        certificates.set_default(&key, "test");
        certificates.set("*.int.localhost", &key, "test");
        certificates.set("a.int.localhost", &key, "test");
        let name = |host: &str| certificates.describe(host).unwrap().name;
        assert_eq!(name("A.int.localhost."), "a.int.localhost");
        assert_eq!(name("b.int.localhost"), "*.int.localhost");
        assert_eq!(name("x.b.int.localhost"), "(default)");
        let described = certificates.describe("a.int.localhost").unwrap();
        assert_eq!(described.names, ["x"]);
        assert!(described.not_after.unwrap() > jiff::Timestamp::now());
    }
}
