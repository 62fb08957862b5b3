//! Tests of which certificate a server name gets from Secrets and Ingresses.

use super::*;
use crate::discovery::ingress;
use crate::tls::{pair_for_tests as pem, pair_of_years_for_tests as pem_of_years};
use k8s_openapi::ByteString;
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::json;

fn key(name: &str) -> SecretKey {
    name.parse().unwrap()
}

fn secret(name: &str, names: &[&str], label: bool) -> Secret {
    secret_of(name, pem(names), label)
}

fn secret_of(name: &str, (chain, private): (String, String), label: bool) -> Secret {
    let key = key(name);
    let label = if label { json!({"doorstep.dev/certificate": "true"}) } else { json!({}) };
    let metadata = json!({"namespace": &*key.namespace, "name": &*key.name, "labels": label});
    let mut secret: Secret =
        serde_json::from_value(json!({"metadata": metadata, "type": "kubernetes.io/tls"})).unwrap();
    let data = [("tls.crt", chain), ("tls.key", private)];
    secret.data = Some(data.into_iter().map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes()))).collect());
    secret
}

/// An Ingress of the namespace `default` with these hosts, whose `spec.tls` names a Secret for `tls` of them.
fn ingress(name: &str, day: u8, hosts: &[&str], secret: &str, tls: &[&str]) -> Ingress {
    let backend = json!({"service": {"name": "a", "port": {"number": 80}}});
    let path = json!({"path": "/", "pathType": "Prefix", "backend": backend});
    let rules: Vec<_> = hosts.iter().map(|host| json!({"host": host, "http": {"paths": [path]}})).collect();
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": format!("2026-01-{day:02}T00:00:00Z")},
        "spec": {"rules": rules, "tls": [{"secretName": secret, "hosts": tls}]},
    }))
    .unwrap()
}

struct World {
    routes: Routes,
    index: CertificateIndex,
    store: Arc<Certificates>,
}

impl World {
    fn new(default: Option<&str>) -> Self {
        let mut routes = Routes::new("example.com".parse().unwrap());
        let pattern = "front{user}.int.{domain}".parse().unwrap();
        routes.set_classes([crate::routing::ClassHosts { name: "integration".parse().unwrap(), pattern, created: 1 }]);
        let store = Arc::new(Certificates::default());
        let namespace = Some("certificates".to_owned());
        let config = CertificateConfig { store: store.clone(), namespace, default: default.map(key) };
        Self { routes, index: CertificateIndex::new(config), store }
    }

    fn apply(&mut self, ingress: &Ingress) {
        let translated = ingress::translate(ingress, self.index.trusted());
        let (source, created) = (translated.contribution.source.clone(), translated.contribution.created);
        self.routes.apply(translated.contribution);
        self.index.refer(&source, created, translated.tls);
    }

    /// The Secret whose certificate a server name gets.
    fn picked(&mut self, host: &str) -> Option<String> {
        self.index.settle(&mut self.routes);
        self.store.describe(host).map(|found| found.origin.trim_start_matches("Secret ").to_owned())
    }

    fn problems(&mut self) -> Vec<String> {
        self.index.settle(&mut self.routes);
        let problems = self.routes.snapshot();
        let of_certificates = |problem: &&Problem| problem.reason.as_str().starts_with("Certificate");
        problems.problems().filter(of_certificates).map(ToString::to_string).collect()
    }
}

#[test]
fn an_ingress_gets_its_secrets_certificate_for_the_hosts_that_both_have() {
    let mut world = World::new(None);
    world.index.put(&secret("default/shop", &["shop.test", "*.shop.test", "other.test"], false));
    world.apply(&ingress("shop", 1, &["shop.test", "x.shop.test", "*.shop.test", "bare.test"], "shop", &[]));
    for (host, expected) in [
        ("shop.test", Some("default/shop")),
        ("SHOP.test.", Some("default/shop")),
        ("x.shop.test", Some("default/shop")),
        ("y.shop.test", Some("default/shop")),
        ("y.x.shop.test", None),
        ("other.test", None),
        ("bare.test", None),
    ] {
        assert_eq!(world.picked(host).as_deref(), expected, "{host}");
    }
    let told = world.problems();
    assert!(
        told.len() == 1 && told[0].contains("is for shop.test, *.shop.test, other.test, not for bare.test"),
        "{told:?}"
    );
}

#[test]
fn a_certificate_makes_nobody_the_owner_of_a_host() {
    let mut world = World::new(None);
    world.index.put(&secret("default/evil", &["victim.test", "frontanna.int.example.com", "*.int.example.com"], true));
    world.apply(&ingress("evil", 1, &["evil.test", "frontanna.int.example.com"], "evil", &["victim.test"]));
    for host in ["victim.test", "frontanna.int.example.com", "evil.test"] {
        assert_eq!(world.picked(host), None, "{host}");
    }
    world.index.put(&secret("certificates/zone", &["*.int.example.com"], true));
    world.index.put(&secret("certificates/unlabelled", &["*.dev.example.com"], false));
    assert_eq!(world.picked("frontanna.int.example.com").as_deref(), Some("certificates/zone"));
    assert_eq!(world.picked("frontanna.dev.example.com"), None, "only a label makes it serve");
}

#[test]
fn of_two_ingresses_with_one_host_the_older_ones_certificate_is_served() {
    let mut world = World::new(None);
    world.index.put(&secret("default/one", &["a.test"], false));
    world.index.put(&secret("default/two", &["a.test"], false));
    world.apply(&ingress("new", 9, &["a.test"], "two", &["a.test"]));
    assert_eq!(world.picked("a.test").as_deref(), Some("default/two"));
    world.apply(&ingress("old", 1, &["a.test"], "one", &["a.test"]));
    assert_eq!(world.picked("a.test").as_deref(), Some("default/one"));
}

#[test]
fn the_last_good_certificate_is_served_on_while_somebody_names_it() {
    let mut world = World::new(Some("certificates/fallback"));
    assert!(world.problems()[0].contains("there is no Secret certificates/fallback of type kubernetes.io/tls"));
    world.index.put(&secret("certificates/fallback", &["fallback.test"], false));
    assert_eq!(world.picked("nobody.test").as_deref(), Some("certificates/fallback"));
    world.apply(&ingress("shop", 1, &["shop.test"], "shop", &[]));
    let told = world.problems();
    assert!(told.len() == 1 && told[0].contains("there is no Secret default/shop"), "{told:?}");
    let good = secret("default/shop", &["shop.test"], false);
    world.index.put(&good);
    assert_eq!(world.picked("shop.test").as_deref(), Some("default/shop"));
    assert_eq!(world.problems(), Vec::<String>::new());

    let mut bad = good.clone();
    bad.data.as_mut().unwrap().insert("tls.crt".to_owned(), ByteString(b"garbage \xff\x00".to_vec()));
    world.index.put(&bad);
    assert_eq!(world.picked("shop.test").as_deref(), Some("default/shop"));
    let told = world.problems();
    assert_eq!(told.len(), 2, "on the Ingress and on the Secret: {told:?}");
    assert!(told.iter().all(|told| told.contains("served on") && told.contains("no certificate in PEM")), "{told:?}");

    world.index.remove(&key("default/shop"));
    assert_eq!(world.picked("shop.test").as_deref(), Some("default/shop"));
    assert!(world.problems().iter().all(|told| told.contains("it is gone")));
    world.routes.remove(&SourceKey { kind: SourceKind::Ingress, namespace: "default".into(), name: "shop".into() });
    let source = SourceKey { kind: SourceKind::Ingress, namespace: "default".into(), name: "shop".into() };
    world.index.refer(&source, 0, Vec::new());
    assert_eq!(world.picked("shop.test").as_deref(), Some("certificates/fallback"));
    assert!(!world.index.secrets.contains_key(&key("default/shop")), "nobody names it any more");
    assert_eq!(world.problems(), Vec::<String>::new());
}

#[test]
fn what_a_list_does_not_name_is_gone() {
    let mut world = World::new(None);
    world.index.put(&secret("certificates/old", &["old.test"], true));
    world.index.put(&secret("default/unused", &["unused.test"], false));
    world.index.begin();
    world.index.list(&secret("certificates/new", &["new.test"], true));
    world.index.end();
    assert_eq!(world.picked("new.test").as_deref(), Some("certificates/new"));
    assert_eq!(world.picked("old.test").as_deref(), Some("certificates/old"), "kept, and told");
    assert!(world.problems()[0].contains("it is gone"));
    assert!(!world.index.secrets.contains_key(&key("default/unused")));
}

#[test]
fn garbage_that_nobody_names_is_nobodys_problem() {
    let mut world = World::new(None);
    let mut bad = secret("default/x", &["x.test"], false);
    bad.data = None;
    world.index.put(&bad);
    assert_eq!(world.problems(), Vec::<String>::new());
    assert!("no-slash".parse::<SecretKey>().is_err() && "a/b/c".parse::<SecretKey>().is_err());
}

#[test]
fn a_certificate_that_has_not_begun_is_told_and_does_not_displace_one_that_has() {
    let mut world = World::new(None);
    world.index.put(&secret_of("certificates/future", pem_of_years(&["*.a.test"], (2090, 2099)), true));
    assert_eq!(world.picked("x.a.test").as_deref(), Some("certificates/future"), "better than none");
    assert!(world.problems()[0].contains("begins only at 2090-01-01T00:00:00Z, and clients refuse it"));
    world.index.put(&secret_of("certificates/now", pem_of_years(&["*.a.test"], (2020, 2080)), true));
    assert_eq!(world.picked("x.a.test").as_deref(), Some("certificates/now"));
}

#[test]
fn a_chain_of_an_uppercase_ingress_and_a_name_with_a_dot_gets_its_certificate() {
    let mut world = World::new(None);
    world.index.put(&secret("default/shop", &["Shop.TEST"], false));
    world.apply(&ingress("shop", 1, &["shop.test"], "shop", &["SHOP.test"]));
    assert_eq!(world.picked("sHop.Test.").as_deref(), Some("default/shop"));
}
