//! Which certificate answers which server name.

use super::pair::{CertificateName, Pair, read_leaf};
use crate::model::Hostname;
use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// The certificates in use, by server name. Readers take no lock; there is one writer of each half.
///
/// Those that were assigned go first: by the exact name, then the wildcard of its parent, then the default one. Where
/// none of them fits, one that Doorstep made itself is served in the same order, so that the handshake ends and the
/// client sees whom it reached.
#[derive(Debug, Default)]
pub struct Certificates {
    current: ArcSwap<Current>,
}

#[derive(Debug, Default, Clone)]
struct Current {
    assigned: Arc<ByName>,
    self_made: Arc<ByName>,
}

#[derive(Debug, Default, Clone)]
struct ByName {
    exact: HashMap<Box<str>, Entry>,
    /// By the parent of the wildcard: `*.int.localhost` is kept under `int.localhost`.
    wildcard: HashMap<Box<str>, Entry>,
    default: Option<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    key: Arc<CertifiedKey>,
    /// The name or wildcard for which it is kept.
    name: Box<str>,
    origin: Arc<str>,
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

/// What is assigned to each name.
#[derive(Debug, Default)]
pub struct Assigned(ByName);

impl Assigned {
    /// Gives `name` to `pair`, unless it has one.
    pub fn give(&mut self, name: &CertificateName, pair: &Pair) {
        let entry = Entry::of(name.to_string(), pair);
        match name {
            CertificateName::Exact(host) => self.0.exact.entry(host.as_str().into()).or_insert(entry),
            CertificateName::Wildcard(parent) => self.0.wildcard.entry(parent.as_str().into()).or_insert(entry),
        };
    }

    /// Makes `pair` the one for names that nothing else fits.
    pub fn give_default(&mut self, pair: &Pair) {
        self.0.default = Some(Entry::of("(default)".to_owned(), pair));
    }
}

impl Entry {
    fn of(name: String, pair: &Pair) -> Self {
        Self { key: pair.key.clone(), name: name.into(), origin: pair.origin.as_str().into() }
    }

    fn describe(&self) -> CertificateDescription {
        let leaf = self.key.cert.first().and_then(|der| read_leaf(der));
        let (names, not_after) = leaf.map(|leaf| (leaf.names, leaf.not_after)).unzip();
        let (name, origin) = (self.name.to_string(), self.origin.to_string());
        CertificateDescription { name, origin, names: names.unwrap_or_default(), not_after }
    }
}

impl Certificates {
    /// Serves what is assigned now, in the place of all that was before.
    pub fn assign(&self, assigned: Assigned) {
        let assigned = Arc::new(assigned.0);
        self.current.rcu(|current| Current { assigned: assigned.clone(), self_made: current.self_made.clone() });
    }

    /// Answers `name` (a host name or `*.parent`) with a certificate that was made here, where none is assigned.
    pub fn set_self_made(&self, name: &str, key: &Arc<CertifiedKey>, origin: &str) {
        let entry = Entry { key: key.clone(), name: name.into(), origin: origin.into() };
        self.make(|made| match name.strip_prefix("*.") {
            Some(parent) => made.wildcard.insert(parent.into(), entry.clone()),
            None => made.exact.insert(name.into(), entry.clone()),
        });
    }

    /// Answers with one that was made here where nothing else fits.
    pub fn set_self_made_default(&self, key: &Arc<CertifiedKey>, origin: &str) {
        let entry = Entry { key: key.clone(), name: "(default)".into(), origin: origin.into() };
        self.make(|made| made.default.replace(entry.clone()));
    }

    /// Whether `name` (a host name or `*.parent`) has a certificate of its own, or a default one that was assigned.
    pub fn has(&self, name: &str) -> bool {
        let current = self.current.load();
        let Current { assigned, self_made } = &**current;
        assigned.default.is_some() || assigned.covers(name) || self_made.has(name)
    }

    /// The certificate that a client gets for `host`.
    pub fn describe(&self, host: &str) -> Option<CertificateDescription> {
        self.current.load().find(Some(host)).map(Entry::describe)
    }

    fn make<T>(&self, change: impl Fn(&mut ByName) -> T) {
        self.current.rcu(|current| {
            let mut self_made = ByName::clone(&current.self_made);
            change(&mut self_made);
            Current { assigned: current.assigned.clone(), self_made: Arc::new(self_made) }
        });
    }
}

impl Current {
    fn find(&self, server_name: Option<&str>) -> Option<&Entry> {
        // Parsed, so that every spelling of a name gets the same certificate.
        let host = server_name.and_then(|name| name.parse::<Hostname>().ok());
        self.assigned.or_default(host.as_ref()).or_else(|| self.self_made.or_default(host.as_ref()))
    }
}

impl ByName {
    fn or_default(&self, host: Option<&Hostname>) -> Option<&Entry> {
        host.and_then(|host| self.find(host)).or(self.default.as_ref())
    }

    fn find(&self, host: &Hostname) -> Option<&Entry> {
        let exact = self.exact.get(host.as_str());
        exact.or_else(|| host.parent().and_then(|parent| self.wildcard.get(parent)))
    }

    /// Whether every name that `name` (a host name or `*.parent`) stands for is answered.
    fn covers(&self, name: &str) -> bool {
        self.has(name) || name.parse().is_ok_and(|host| self.find(&host).is_some())
    }

    fn has(&self, name: &str) -> bool {
        match name.strip_prefix("*.") {
            Some(parent) => self.wildcard.contains_key(parent),
            None => self.exact.contains_key(name),
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load().find(hello.server_name()).map(|entry| entry.key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Authority;

    fn pair(origin: &str, names: &[&str]) -> Pair {
        let (chain, key) = crate::tls::pair::tests::pem(names);
        Pair::from_pem(origin.to_owned(), chain.as_bytes(), key.as_bytes()).unwrap()
    }

    fn give(assigned: &mut Assigned, name: &str, pair: &Pair) {
        assigned.give(&CertificateName::parse(name).unwrap(), pair);
    }

    #[test]
    fn a_server_name_picks_its_certificate_however_it_is_spelled() {
        let certificates = Certificates::default();
        let folder = tempfile::tempdir().unwrap();
        let made = Authority::load_or_create(folder.path()).unwrap().issue(&["x"]).unwrap();
        certificates.set_self_made("*.int.localhost", &made, "made");
        certificates.set_self_made("a.int.localhost", &made, "made");
        let mut assigned = Assigned::default();
        give(&mut assigned, "a.test", &pair("exact", &["a.test"]));
        give(&mut assigned, "a.test", &pair("younger", &["a.test"]));
        give(&mut assigned, "*.test", &pair("wildcard", &["*.test"]));
        certificates.assign(assigned);
        let picked = |name: &str| certificates.describe(name).map(|d| format!("{} from {}", d.name, d.origin));
        let table = [
            ("a.test", Some("a.test from exact")),
            ("A.Test.", Some("a.test from exact")),
            ("b.test", Some("*.test from wildcard")),
            ("x.b.test", None),
            ("test", None),
            ("a.int.localhost", Some("a.int.localhost from made")),
            ("B.int.localhost.", Some("*.int.localhost from made")),
            ("x.b.int.localhost", None),
            ("no name", None),
        ];
        for (name, expected) in table {
            assert_eq!(picked(name).as_deref(), expected, "{name}");
        }
        assert_eq!(certificates.describe("b.test").unwrap().names, ["*.test"]);
        assert!(certificates.describe("a.test").unwrap().not_after.unwrap() > jiff::Timestamp::now());

        certificates.set_self_made_default(&made, "made");
        assert_eq!(picked("no name").as_deref(), Some("(default) from made"));
        assert!(certificates.current.load().find(None).is_some(), "a client without a server name gets an answer too");
        let mut assigned = Assigned::default();
        assigned.give_default(&pair("default", &["d.test"]));
        certificates.assign(assigned);
        for name in ["a.test", "b.test", "a.int.localhost", "no name"] {
            assert_eq!(picked(name).as_deref(), Some("(default) from default"), "what is assigned goes first: {name}");
        }
    }

    #[test]
    fn a_certificate_is_made_only_where_none_is_assigned() {
        let certificates = Certificates::default();
        let mut assigned = Assigned::default();
        give(&mut assigned, "*.a.test", &pair("a", &["*.a.test"]));
        certificates.assign(assigned);
        assert!(certificates.has("*.a.test") && certificates.has("x.a.test"));
        assert!(!certificates.has("a.test") && !certificates.has("*.x.a.test"));
    }
}
