//! Tests of backends that name a Service and a port of it.

use crate::routing::*;
use http::{HeaderMap, Method};
use std::collections::BTreeSet;
use std::sync::Arc;

fn key(name: &str) -> ServiceKey {
    ServiceKey { namespace: "default".into(), name: name.into() }
}

fn source(name: &str) -> SourceKey {
    SourceKey { kind: SourceKind::File, namespace: "default".into(), name: name.into() }
}

fn ports(ports: &[(&str, u16, Protocol)]) -> KnownService {
    let port = |(name, number, protocol): &(&str, u16, Protocol)| ServicePort {
        name: (*name).into(),
        number: *number,
        protocol: *protocol,
        unspoken: None,
        wait: None,
    };
    KnownService::Ports(ports.iter().map(port).collect())
}

fn slice(service: &str, port: (&str, u16), ip: &str) -> Slice {
    let address =
        SliceAddress { ip: ip.parse().unwrap(), pod: None, state: EndpointState::Ready, hints: Hints::default() };
    Slice { service: service.into(), ports: vec![(port.0.into(), port.1)], addresses: vec![address] }
}

/// A source with the host `host` that leads to the port `port` of the Service `service`.
fn leading(name: &str, host: &str, service: &str, port: PortName) -> Contribution {
    let backend = BackendSpec::ServicePort { service: key(service), port, protocol: None, weight: 1 };
    let rule = RuleSpec { matcher: Matcher::any(), backends: vec![backend], ..RuleSpec::default() };
    let claims = Claims::Named(vec![HostClaim::parse(host).unwrap()]);
    Contribution::of_one_group(source(name), 0, claims, vec![rule])
}

fn rule(snapshot: &Snapshot, host: &str) -> Arc<Rule> {
    let (method, headers) = (Method::GET, HeaderMap::new());
    match snapshot.find(&RequestView::new(host, "/", &method, &headers)) {
        Match::Rule(rule) => rule.clone(),
        other => panic!("{other:?}"),
    }
}

fn usable(rule: &Rule) -> Vec<String> {
    rule.backends[0].cluster.endpoints().usable().iter().map(|endpoint| endpoint.address.to_string()).collect()
}

fn routes() -> Routes {
    Routes::new("example.com".parse().unwrap())
}

#[test]
fn a_port_is_found_by_number_and_by_name_and_both_share_the_endpoints() {
    let mut routes = routes();
    routes.set_service(&key("a"), Some(ports(&[("http", 80, Protocol::Http1), ("rpc", 81, Protocol::H2c)])));
    let slice_key = SliceKey { namespace: "default".into(), name: "a-1".into() };
    routes.set_slice(&slice_key, Some(slice("a", ("http", 8080), "10.0.0.1")));
    routes.apply(leading("one", "one.test", "a", PortName::Number(80)));
    routes.apply(leading("two", "two.test", "a", PortName::Name("http".into())));
    routes.apply(leading("rpc", "rpc.test", "a", PortName::Name("rpc".into())));
    let table = routes.snapshot();
    let (one, two, rpc) = (rule(&table, "one.test"), rule(&table, "two.test"), rule(&table, "rpc.test"));
    assert_eq!(usable(&one), ["10.0.0.1:8080"]);
    assert!(Arc::ptr_eq(&one.backends[0].cluster, &two.backends[0].cluster));
    assert_eq!((rpc.backends[0].cluster.protocol, usable(&rpc).len()), (Protocol::H2c, 0));
    assert_eq!(table.problems().count(), 0);
}

#[test]
fn what_is_not_there_keeps_its_place_and_says_what_there_is() {
    let mut routes = routes();
    routes.apply(leading("one", "one.test", "a", PortName::Name("web".into())));
    let told = |routes: &mut Routes| {
        let table = routes.snapshot();
        assert!(usable(&rule(&table, "one.test")).is_empty());
        let unresolved = rule(&table, "one.test").backends[0].unresolved.as_deref().map(str::to_owned);
        let problems = table.problems_of(&source("one"));
        assert_eq!((problems.len(), problems[0].reason), (1, ProblemReason::BackendNotFound));
        assert_eq!(unresolved.as_ref(), Some(&problems[0].message));
        problems[0].message.clone()
    };
    assert_eq!(told(&mut routes), "there is no Service default/a; make it, or name another");
    routes.set_service(&key("a"), Some(ports(&[("http", 80, Protocol::Http1), ("", 9000, Protocol::Http1)])));
    assert_eq!(told(&mut routes), "the Service default/a has no port web; it has 80 (http), 9000");
    routes.set_service(&key("a"), Some(ports(&[])));
    assert_eq!(told(&mut routes), "the Service default/a has no port web; it has none");
    routes.set_service(&key("a"), Some(KnownService::ExternalName));
    assert!(told(&mut routes).contains("ExternalName"));
}

#[test]
fn rules_follow_the_service_that_comes_changes_and_goes() {
    let mut routes = routes();
    let slice_key = SliceKey { namespace: "default".into(), name: "a-1".into() };
    routes.apply(leading("one", "one.test", "a", PortName::Number(80)));
    routes.apply(leading("other", "other.test", "b", PortName::Number(80)));
    let other = rule(&routes.snapshot(), "other.test");
    routes.set_slice(&slice_key, Some(slice("a", ("web", 8080), "10.0.0.1")));
    routes.set_service(&key("a"), Some(ports(&[("web", 80, Protocol::Http1)])));
    assert_eq!(usable(&rule(&routes.snapshot(), "one.test")), ["10.0.0.1:8080"]);
    // The port gets another name: the slices that follow have it too.
    routes.set_service(&key("a"), Some(ports(&[("http", 80, Protocol::Http1)])));
    assert!(usable(&rule(&routes.snapshot(), "one.test")).is_empty());
    routes.set_slice(&slice_key, Some(slice("a", ("http", 8081), "10.0.0.1")));
    assert_eq!(usable(&rule(&routes.snapshot(), "one.test")), ["10.0.0.1:8081"]);
    assert_eq!(routes.snapshot().problems_of(&source("one")), []);
    let kept = BTreeSet::from([key("b")]);
    routes.retain_services(&kept);
    assert_eq!(routes.snapshot().problems_of(&source("one")).len(), 1);
    assert!(Arc::ptr_eq(&other, &rule(&routes.snapshot(), "other.test")), "a rule was touched that is not concerned");
    routes.remove(&source("one"));
    assert_eq!(routes.snapshot().problems_of(&source("one")), []);
}

#[test]
fn what_translation_found_stays_told_when_classes_or_services_change() {
    let mut routes = routes();
    routes.apply(leading("one", "one.test", "a", PortName::Number(80)));
    let (host, reason, message) = (None, ProblemReason::Invalid, "a mistake".to_owned());
    routes.add_problems(&source("one"), vec![Problem { source: source("one"), host, reason, message }]);
    let count = |routes: &mut Routes| routes.snapshot().problems_of(&source("one")).len();
    assert_eq!(count(&mut routes), 2);
    let pattern = "front{user}.int.{domain}".parse().unwrap();
    routes.set_classes([ClassHosts { name: "integration".parse().unwrap(), pattern, created: 1 }]);
    assert_eq!(count(&mut routes), 2);
    routes.set_service(&key("a"), Some(ports(&[("http", 80, Protocol::Http1)])));
    assert_eq!(count(&mut routes), 1);
    routes.apply(leading("one", "one.test", "a", PortName::Number(80)));
    assert_eq!(count(&mut routes), 0, "what it says now takes the place of what it said before");
}

#[test]
fn a_port_that_expects_tls_answers_503_unless_the_rule_says_what_it_speaks() {
    let mut routes = routes();
    let port = |protocol| ServicePort {
        name: "https".into(),
        number: 443,
        protocol,
        unspoken: Some("https".into()),
        wait: None,
    };
    routes.set_service(&key("a"), Some(KnownService::Ports([port(Protocol::Http1)].into())));
    routes.apply(leading("x", "x.test", "a", PortName::Number(443)));
    let mut said = leading("y", "y.test", "a", PortName::Number(443));
    if let BackendSpec::ServicePort { protocol, .. } = &mut said.groups[0].rules[0].backends[0] {
        *protocol = Some(Protocol::H2c);
    }
    routes.apply(said);
    let snapshot = routes.snapshot();
    let refused = rule(&snapshot, "x.test").backends[0].unresolved.clone().unwrap();
    assert!(refused.contains("port 443 of the Service default/a speaks https (appProtocol)"), "{refused}");
    let sent = rule(&snapshot, "y.test");
    assert!(sent.backends[0].unresolved.is_none() && sent.backends[0].cluster.protocol == Protocol::H2c);
}
