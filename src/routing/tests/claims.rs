//! Whose a host is: claims, conflicts, reserved zones, and what comes and goes.

use super::*;
use http::HeaderName;
use std::collections::BTreeSet;

#[test]
fn names_are_counted_when_a_host_comes_or_goes_and_not_when_its_rules_change() {
    let mut routes = routes();
    let before = routes.snapshot().names();
    assert_eq!(routes.snapshot().names(), before);
    routes.apply(personal("haimaz-integration"));
    let with_one = routes.snapshot().names();
    assert!(with_one > before);
    routes.apply(personal("haimaz-integration"));
    assert_eq!(routes.snapshot().names(), with_one);
    routes.remove(&source("haimaz-integration"));
    assert!(routes.snapshot().names() > with_one);
}

#[test]
fn a_personal_host_comes_from_the_pattern_of_its_class() {
    let mut routes = routes();
    routes.apply(personal("haimaz-integration"));
    routes.apply(personal("haimaz-production-2"));
    let table = routes.snapshot();
    assert_eq!(found(&table, "fronthaimaz.int.example.com", "/x").as_deref(), Some("haimaz-integration"));
    assert_eq!(found(&table, "fronthaimaz-2.prod.example.com", "/").as_deref(), Some("haimaz-production-2"));
    assert_eq!(found(&table, "fronthaimaz.prod.example.com", "/"), None);
    assert_eq!(table.personal("fronthaimaz.prod.example.com").unwrap().to_string(), "haimaz-production");
    // The pattern changes, and the host with it.
    routes.set_classes([class("integration", "{user}.x.{domain}", 1)]);
    let table = routes.snapshot();
    assert_eq!(found(&table, "fronthaimaz.int.example.com", "/"), None);
    assert_eq!(found(&table, "haimaz.x.example.com", "/").as_deref(), Some("haimaz-integration"));
    assert_eq!(table.problems_of(&source("haimaz-production-2"))[0].reason, ProblemReason::ClassUnknown);
}

#[test]
fn nobody_claims_a_host_in_a_reserved_zone() {
    let mut routes = routes();
    let hosts =
        ["fronthaimaz.int.example.com", "x.int.example.com", "*.int.example.com", "*.example.com", "ok.example.com"];
    routes.apply(named("thief", 0, &hosts, vec![Matcher::any()]));
    routes.apply(named("wide", 0, &["?.int.example.com", "?.example.com", "*"], vec![Matcher::any()]));
    routes.apply(personal("haimaz-integration"));
    let table = routes.snapshot();
    assert_eq!(found(&table, "fronthaimaz.int.example.com", "/").as_deref(), Some("haimaz-integration"));
    assert_eq!(found(&table, "ok.example.com", "/").as_deref(), Some("thief"));
    assert_eq!(found(&table, "other.example.com", "/").as_deref(), Some("wide"));
    assert_eq!(found(&table, "elsewhere.test", "/").as_deref(), Some("wide"));
    for reserved in ["frontevil.int.example.com", "x.int.example.com", "int.example.com"] {
        assert_eq!(found(&table, reserved, "/"), None, "{reserved}");
    }
    assert_eq!(table.problems_of(&source("wide")).len(), 1);
    let problems = table.problems_of(&source("thief"));
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(problems.iter().all(|problem| problem.reason == ProblemReason::HostReserved));
}

#[test]
fn the_older_of_two_classes_keeps_its_hosts() {
    let mut routes = routes();
    routes
        .set_classes([class("younger", "front{user}.int.{domain}", 9), class("older", "fronta{user}.int.{domain}", 3)]);
    routes.apply(personal("x-older"));
    routes.apply(personal("x-younger"));
    let table = routes.snapshot();
    assert_eq!(found(&table, "frontax.int.example.com", "/").as_deref(), Some("x-older"));
    let problem = table.problems().find(|problem| problem.reason == ProblemReason::HostPatternTaken).unwrap();
    assert!(problem.message.contains("class older") && &*problem.source.name == "younger", "{problem}");
}

#[test]
fn the_older_source_wins_and_the_younger_takes_over_when_it_goes() {
    let mut routes = routes();
    routes.apply(named("young", 9, &["a.test"], vec![Matcher::any(), path("/own")]));
    routes.apply(named("old", 3, &["a.test"], vec![Matcher::any()]));
    let table = routes.snapshot();
    assert_eq!(found(&table, "a.test", "/").as_deref(), Some("old"));
    assert_eq!(found(&table, "a.test", "/own").as_deref(), Some("young"));
    let problems = table.problems_of(&source("young"));
    assert!(problems.len() == 1 && problems[0].message.contains("default/old"), "{problems:?}");
    routes.remove(&source("old"));
    let table = routes.snapshot();
    assert_eq!(found(&table, "a.test", "/").as_deref(), Some("young"));
    assert_eq!(table.problems().count(), 0);
}

#[test]
fn a_pattern_that_spells_the_domain_out_cannot_take_an_older_classes_hosts() {
    let mut routes = routes();
    routes.set_classes([
        class("integration", "front{user}.int.{domain}", 1),
        class("thief", "{user}haimaz.int.example.com", 2),
    ]);
    let table = routes.snapshot();
    assert_eq!(table.personal("fronthaimaz.int.example.com").unwrap().to_string(), "haimaz-integration");
    let thief = SourceKey { kind: SourceKind::Class, namespace: "".into(), name: "thief".into() };
    assert_eq!(table.problems_of(&thief)[0].reason, ProblemReason::HostPatternTaken);
}

#[test]
fn values_that_differ_only_where_messages_cut_them_do_not_conflict() {
    let wants = |value: String| Matcher {
        headers: [(HeaderName::from_static("x-key"), ValueMatch::Exact(value.into()))].into(),
        ..Matcher::any()
    };
    let (one, other) = (format!("{}1", "x".repeat(99)), format!("{}2", "x".repeat(99)));
    let mut routes = routes();
    routes.apply(named("one", 0, &["a.test"], vec![wants(one)]));
    routes.apply(named("other", 1, &["a.test"], vec![wants(other)]));
    let table = routes.snapshot();
    assert_eq!(table.problems().count(), 0);
    assert_eq!(table.host("a.test").unwrap().rules().len(), 2);
}

#[test]
fn the_same_conditions_in_another_order_conflict() {
    let wants = |names: [&'static str; 2]| {
        let exact = || ValueMatch::Exact("1".into());
        let headers = names.map(|name| (HeaderName::from_static(name), exact()));
        Matcher { headers: headers.into(), ..Matcher::any() }
    };
    let mut routes = routes();
    routes.apply(named("one", 0, &["a.test"], vec![wants(["x-a", "x-b"])]));
    routes.apply(named("other", 1, &["a.test"], vec![wants(["x-b", "x-a"])]));
    let table = routes.snapshot();
    assert_eq!(table.problems_of(&source("other"))[0].reason, ProblemReason::HostConflict);
}

#[test]
fn services_that_came_and_went_are_forgotten() {
    let mut routes = routes();
    for number in 0..5_000 {
        let name = format!("u{number}-integration");
        routes.apply(personal(&name));
        routes.remove(&source(&name));
    }
    assert!(routes.remembered_services() < 1_000, "{} are remembered", routes.remembered_services());
}

#[test]
fn an_endpoint_change_reaches_a_snapshot_that_a_request_holds() {
    let mut routes = routes();
    routes.apply(personal("haimaz-integration"));
    let table = routes.snapshot();
    let key = SliceKey { namespace: "default".into(), name: "haimaz-integration-x".into() };
    let slice = |ips: &[(&str, EndpointState)]| Slice {
        service: "haimaz-integration".into(),
        ports: vec![("http".into(), 8080)],
        addresses: ips
            .iter()
            .map(|(ip, state)| SliceAddress {
                ip: ip.parse().unwrap(),
                pod: None,
                state: *state,
                hints: Hints::default(),
            })
            .collect(),
    };
    let usable = || -> Vec<String> {
        let host = table.host("fronthaimaz.int.example.com").unwrap();
        let set = host.rules()[0].backends[0].cluster.endpoints();
        set.usable().iter().map(|endpoint| endpoint.address.to_string()).collect()
    };
    assert!(usable().is_empty());
    routes.set_slice(&key, Some(slice(&[("10.0.0.1", EndpointState::Draining)])));
    assert_eq!(usable(), ["10.0.0.1:8080"], "draining ones serve while none is ready");
    routes.set_slice(&key, Some(slice(&[("10.0.0.1", EndpointState::Draining), ("10.0.0.2", EndpointState::Ready)])));
    assert_eq!(usable(), ["10.0.0.2:8080"]);
    routes.retain_slices(&BTreeSet::new());
    assert!(usable().is_empty());
}
