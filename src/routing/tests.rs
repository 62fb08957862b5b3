//! Tests of the route table: its rules one by one, and against the obvious thing.

mod claims;
mod matching;
mod oracle;

use super::*;
use crate::model::EnvironmentKey;
use http::{HeaderMap, Method};

fn source(name: &str) -> SourceKey {
    SourceKey { kind: SourceKind::Service, namespace: "default".into(), name: name.into() }
}

fn backend(name: &str) -> BackendSpec {
    let cluster = ClusterName { namespace: "default".into(), service: name.into(), port: PortName::Number(80) };
    BackendSpec::Service { cluster, slice_port: "http".into(), protocol: Protocol::Http1, weight: 1 }
}

fn rule(name: &str, matcher: Matcher) -> RuleSpec {
    RuleSpec { matcher, backends: vec![backend(name)], ..RuleSpec::default() }
}

/// A source by its hosts; `?.parent` is a wildcard of one label.
fn named(name: &str, created: i64, hosts: &[&str], matchers: Vec<Matcher>) -> Contribution {
    let claim = |host: &&str| match host.strip_prefix("?.") {
        Some(parent) => HostClaim::OneLabel(parent.parse().unwrap()),
        None if *host == "*" => HostClaim::Any,
        None => HostClaim::parse(host).unwrap(),
    };
    let claims = hosts.iter().map(claim).collect();
    let rules = matchers.into_iter().map(|matcher| rule(name, matcher)).collect();
    Contribution::of_one_group(source(name), created, Claims::Named(claims), rules)
}

fn personal(name: &str) -> Contribution {
    let key = EnvironmentKey::from_object_name(name).unwrap();
    let rules = vec![rule(name, Matcher::any())];
    Contribution::of_one_group(source(name), 0, Claims::Personal(key), rules)
}

fn class(name: &str, pattern: &str, created: i64) -> ClassHosts {
    ClassHosts { name: name.parse().unwrap(), pattern: pattern.parse().unwrap(), created }
}

fn routes() -> Routes {
    let mut routes = Routes::new("example.com".parse().unwrap());
    routes.set_classes([
        class("integration", "front{user}.int.{domain}", 1),
        class("production", "front{user}.prod.{domain}", 1),
        class("production-2", "front{user}-2.prod.{domain}", 1),
    ]);
    routes
}

fn found(snapshot: &Snapshot, host: &str, path: &str) -> Option<String> {
    let (method, headers) = (Method::GET, HeaderMap::new());
    match snapshot.find(&RequestView::new(host, path, &method, &headers)) {
        Match::Rule(rule) => Some(rule.name.source.name.to_string()),
        Match::NoRule | Match::Personal(..) | Match::NoHost => None,
    }
}

fn path(path: &str) -> Matcher {
    Matcher { path: PathMatch::prefix(path), ..Matcher::any() }
}
