//! Tests of hosts that are claimed in groups, of all hosts, and of ACME challenges beside whoever has a host.

use crate::routing::*;
use http::{HeaderMap, Method};

fn source(name: &str) -> SourceKey {
    SourceKey { kind: SourceKind::Ingress, namespace: "default".into(), name: name.into() }
}

fn rule(matcher: PathMatch) -> RuleSpec {
    let address = "127.0.0.1:1".parse().unwrap();
    let backends = vec![BackendSpec::Address { address, protocol: Protocol::Http1, weight: 1 }];
    RuleSpec { matcher: Matcher { path: matcher, ..Matcher::any() }, backends, ..RuleSpec::default() }
}

fn group(claims: Vec<HostClaim>, tier: Tier, path: &str) -> HostGroup {
    HostGroup { claims: Claims::Named(claims), rules: vec![rule(PathMatch::prefix(path))], tier }
}

fn exact(host: &str) -> HostClaim {
    HostClaim::Exact(host.parse().unwrap())
}

fn one_label(parent: &str) -> HostClaim {
    HostClaim::OneLabel(parent.parse().unwrap())
}

fn applied(routes: &mut Routes, name: &str, created: i64, groups: Vec<HostGroup>) {
    routes.apply(Contribution { source: source(name), created, groups });
}

fn challenge(host: &str, personal: bool, path: PathMatch) -> HostGroup {
    let claims = Claims::Challenge { hosts: vec![host.parse().unwrap()], personal };
    HostGroup { claims, rules: vec![rule(path)], tier: Tier::default() }
}

fn token() -> PathMatch {
    PathMatch::Exact("/.well-known/acme-challenge/token".into())
}

fn routes() -> Routes {
    let mut routes = Routes::new("example.com".parse().unwrap());
    let pattern = "front{user}.int.{domain}".parse().unwrap();
    routes.set_classes([ClassHosts { name: "integration".parse().unwrap(), pattern, created: 1 }]);
    routes
}

/// Who takes it: the rule's name, or why none does.
fn found(snapshot: &Snapshot, host: &str, path: &str) -> String {
    let (method, headers) = (Method::GET, HeaderMap::new());
    let request = RequestView::new(host, path, &method, &headers);
    let found = match snapshot.find(&request) {
        Match::Rule(rule) => rule.name.to_string(),
        Match::NoRule => "no rule".to_owned(),
        Match::Personal(key, _) => format!("{key}'s"),
        Match::NoHost => "nobody".to_owned(),
    };
    let explained = snapshot.explain(&request);
    assert_eq!(explained.winner.map(|winner| winner.name), found.starts_with("Ingress").then(|| found.clone()));
    found
}

#[test]
fn each_group_has_its_own_hosts_and_rules() {
    let mut routes = routes();
    let groups = vec![
        group(vec![exact("a.test")], Tier::Host, "/a"),
        group(vec![exact("b.test"), exact("a.test")], Tier::Default, "/"),
        group(vec![HostClaim::Any], Tier::Default, "/"),
    ];
    applied(&mut routes, "one", 1, groups);
    let table = routes.snapshot();
    assert_eq!(found(&table, "a.test", "/a"), "Ingress default/one");
    assert_eq!(found(&table, "a.test", "/b"), "Ingress default/one rule 1");
    assert_eq!(found(&table, "b.test", "/a"), "Ingress default/one rule 1");
    assert_eq!(found(&table, "c.test", "/a"), "Ingress default/one rule 2");
    assert_eq!(found(&table, "frontanna.int.example.com", "/a"), "anna-integration's");
    assert_eq!(table.problems().count(), 0);
    routes.remove(&source("one"));
    assert_eq!((routes.snapshot().host_count(), found(&routes.snapshot(), "c.test", "/")), (0, "nobody".to_owned()));
}

#[test]
fn what_was_said_for_a_host_goes_before_defaults_however_old_they_are() {
    let mut routes = routes();
    applied(&mut routes, "old", 1, vec![group(vec![exact("a.test")], Tier::Default, "/")]);
    applied(&mut routes, "new", 9, vec![group(vec![exact("a.test")], Tier::Host, "/")]);
    assert_eq!(found(&routes.snapshot(), "a.test", "/x"), "Ingress default/new");
    assert_eq!(routes.snapshot().problems().count(), 0, "they are not the same");
    applied(&mut routes, "newer", 10, vec![group(vec![exact("a.test")], Tier::Default, "/")]);
    assert_eq!(routes.snapshot().problems_of(&source("newer"))[0].reason, ProblemReason::HostConflict);
}

#[test]
fn a_wildcard_of_one_label_takes_no_more_than_that() {
    let mut routes = routes();
    applied(&mut routes, "narrow", 1, vec![group(vec![one_label("a.test")], Tier::Host, "/")]);
    let wide = HostClaim::parse("*.a.test").unwrap();
    applied(&mut routes, "wide", 0, vec![group(vec![wide], Tier::Host, "/")]);
    let table = routes.snapshot();
    assert_eq!(found(&table, "x.a.test", "/"), "Ingress default/narrow");
    assert_eq!(found(&table, "y.x.a.test", "/"), "Ingress default/wide");
    assert_eq!(found(&table, "a.test", "/"), "nobody");
}

#[test]
fn a_challenge_answers_its_path_alone_beside_a_person_and_beside_a_wildcard() {
    let mut routes = routes();
    applied(&mut routes, "solver", 9, vec![challenge("frontanna.int.example.com", true, token())]);
    let path = "/.well-known/acme-challenge/token";
    let table = routes.snapshot();
    assert_eq!(found(&table, "frontanna.int.example.com", path), "Ingress default/solver");
    assert_eq!(found(&table, "frontanna.int.example.com", "/"), "anna-integration's");
    let rules = vec![rule(PathMatch::prefix("/")), rule(token())];
    let key = crate::model::EnvironmentKey::from_object_name("anna-integration").unwrap();
    let own = SourceKey { kind: SourceKind::Service, namespace: "default".into(), name: "anna-integration".into() };
    routes.apply(Contribution::of_one_group(own, 0, Claims::Personal(key), rules));
    let table = routes.snapshot();
    assert_eq!(found(&table, "frontanna.int.example.com", path), "Ingress default/solver");
    assert!(table.host("frontanna.int.example.com").is_some_and(|host| host.decides()));
    assert_eq!(table.problems().count(), 0);

    applied(&mut routes, "wide", 0, vec![group(vec![one_label("a.test")], Tier::Host, "/")]);
    applied(&mut routes, "solver", 9, vec![challenge("x.a.test", false, token())]);
    let table = routes.snapshot();
    assert_eq!(found(&table, "x.a.test", path), "Ingress default/solver");
    assert_eq!(found(&table, "x.a.test", "/"), "Ingress default/wide", "the wildcard goes on meanwhile");
}

#[test]
fn a_challenge_is_no_way_to_another_persons_host() {
    let mut routes = routes();
    applied(&mut routes, "solver", 9, vec![challenge("frontanna.int.example.com", false, token())]);
    let path = "/.well-known/acme-challenge/token";
    assert_eq!(found(&routes.snapshot(), "frontanna.int.example.com", path), "anna-integration's");
    assert_eq!(routes.snapshot().problems_of(&source("solver"))[0].reason, ProblemReason::HostReserved);
    for other in [PathMatch::prefix("/.well-known/acme-challenge"), PathMatch::Exact("/".into())] {
        applied(&mut routes, "solver", 9, vec![challenge("frontanna.int.example.com", true, other)]);
        assert_eq!(found(&routes.snapshot(), "frontanna.int.example.com", "/"), "anna-integration's");
        assert_eq!(found(&routes.snapshot(), "frontanna.int.example.com", path), "anna-integration's");
        assert_eq!(routes.snapshot().problems_of(&source("solver"))[0].reason, ProblemReason::Invalid);
    }
}
