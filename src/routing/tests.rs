//! Tests of the route table: its rules one by one, and against the obvious thing.

use super::*;
use crate::model::{EnvironmentKey, Hostname};
use http::{HeaderMap, HeaderName, Method};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

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
fn wildcards_take_every_depth_and_the_longest_wins() {
    let mut routes = routes();
    routes.apply(named("wide", 0, &["*.test"], vec![Matcher::any()]));
    routes.apply(named("narrow", 0, &["*.a.test"], vec![Matcher::any()]));
    routes.apply(named("exact", 0, &["x.a.test"], vec![path("/only")]));
    let table = routes.snapshot();
    assert_eq!(found(&table, "b.test", "/").as_deref(), Some("wide"));
    assert_eq!(found(&table, "y.z.a.test", "/").as_deref(), Some("narrow"));
    assert_eq!(found(&table, "x.a.test", "/only").as_deref(), Some("exact"));
    assert_eq!(found(&table, "x.a.test", "/"), None, "the most specific host decides alone");
    assert_eq!(found(&table, "test", "/"), None);
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

#[test]
fn a_regular_expression_takes_whole_paths_with_each_alternative() {
    let mut routes = routes();
    let regex = Matcher { path: PathMatch::Regex(whole("/a|/b").unwrap()), ..Matcher::any() };
    routes.apply(named("regex", 0, &["a.test"], vec![regex]));
    let table = routes.snapshot();
    assert!(found(&table, "a.test", "/b").is_some());
    assert!(found(&table, "a.test", "/bx").is_none() && found(&table, "a.test", "/x/b").is_none());
    assert!(whole("a)(b").is_err(), "well-formed only inside of the group");
}

#[test]
fn explain_gives_each_loser_its_reason() {
    let mut routes = routes();
    let post = Matcher { method: Some(Method::POST), ..path("/cart") };
    routes.apply(named("shop", 0, &["a.test"], vec![Matcher::any(), path("/cart"), post]));
    routes.apply(named("wide", 0, &["*.test"], vec![Matcher::any()]));
    let (method, headers) = (Method::GET, HeaderMap::new());
    let request = RequestView::new("a.test", "/cart/1", &method, &headers);
    let told = routes.snapshot().explain(&request);
    assert_eq!(told.winner.unwrap().matches, "path under /cart");
    let reasons: Vec<&str> = told.losers.iter().map(|loser| loser.reason.as_str()).collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(reasons[0].contains("method") && reasons[1].contains("more specific") && reasons[2].contains("wider"));
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
fn a_priority_goes_before_specificity_and_before_age() {
    let mut routes = routes();
    let spec = |name: &str, matcher, priority| RuleSpec { priority, ..rule(name, matcher) };
    let mut wide = named("wide", 9, &["a.test"], Vec::new());
    wide.groups[0].rules.push(spec("wide", Matcher::any(), 7));
    let mut narrow = named("narrow", 1, &["a.test"], Vec::new());
    narrow.groups[0].rules.extend([spec("narrow", path("/x"), 0), spec("narrow", Matcher::any(), 6)]);
    routes.apply(wide);
    routes.apply(narrow);
    let table = routes.snapshot();
    assert_eq!(found(&table, "a.test", "/x").as_deref(), Some("wide"));
    let (method, headers) = (Method::GET, HeaderMap::new());
    let told = table.explain(&RequestView::new("a.test", "/x", &method, &headers));
    assert!(told.losers[0].reason.contains("higher priority: 7 over 0"), "{:?}", told.losers);
    let problem = &table.problems_of(&source("narrow"))[0];
    assert!(problem.message.contains("has a higher priority"), "{problem}");
}

#[test]
fn conditions_nest_and_say_what_was_not_so() {
    let host = |regex: &str| Condition::Host(ValueMatch::Regex(whole(regex).unwrap()));
    let not = |condition| Condition::Not(Box::new(condition));
    let conditions = [
        Condition::Scheme(Scheme::Https),
        host("[^.]+\\.test"),
        Condition::Any([Condition::Path(PathMatch::Begins("/a".into())), Condition::Method(Method::POST)].into()),
        not(Condition::Client(["10.0.0.0/8".parse().unwrap()].into())),
    ];
    let matcher = Matcher { conditions: conditions.into(), ..Matcher::any() };
    let headers = HeaderMap::new();
    let said = |host, path, method: Method, scheme, client: Option<&str>| {
        let view = RequestView::new(host, path, &method, &headers);
        let view = RequestView { scheme, client: client.map(|client| client.parse().unwrap()), ..view };
        matcher.mismatch(&view).map(|mismatch| mismatch.to_string()).unwrap_or_default()
    };
    assert_eq!(said("x.test", "/ab", Method::GET, Scheme::Https, None), "");
    assert_eq!(said("x.test", "/", Method::POST, Scheme::Https, Some("192.0.2.1")), "");
    assert_eq!(said("x.test", "/a", Method::GET, Scheme::Http, None), "it is not so: scheme https");
    assert_eq!(said("y.x.test", "/a", Method::GET, Scheme::Https, None), "it is not so: host matches [^.]+\\.test");
    assert_eq!(
        said("x.test", "/", Method::GET, Scheme::Https, None),
        "it is not so: (path begins with /a or method POST)"
    );
    assert_eq!(
        said("x.test", "/a", Method::GET, Scheme::Https, Some("10.1.1.1")),
        "it is not so: not client in 10.0.0.0/8"
    );
}

#[test]
fn explain_says_what_filters_make_of_a_request() {
    let mut routes = routes();
    let strip = Filter::Path(PathChange::StripPrefix(["/api".into()].into()));
    let refuse = Filter::Refuse { status: http::StatusCode::FORBIDDEN, reason: "closed".into() };
    let mut contribution = named("a", 0, &["a.test"], Vec::new());
    contribution.groups[0].rules = vec![
        RuleSpec { filters: vec![strip], ..rule("a", path("/api")) },
        RuleSpec { matcher: path("/closed"), filters: vec![refuse], ..RuleSpec::default() },
    ];
    routes.apply(contribution);
    let table = routes.snapshot();
    let (method, headers) = (Method::GET, HeaderMap::new());
    let told =
        |path| table.explain(&RequestView { query: Some("q"), ..RequestView::new("a.test", path, &method, &headers) });
    let (host, path) = ("a.test".to_owned(), "/x?q".to_owned());
    assert_eq!(told("/api/x").outcome, Some(ExplainedAnswer::Forwarded { host, path }));
    assert_eq!(told("/closed").outcome, Some(ExplainedAnswer::Refused { status: 403, reason: "closed".into() }));
    assert_eq!(told("/api/x").filters, ["path loses the prefix /api"]);
}

/// A small world in which rules meet often.
fn matcher() -> impl Strategy<Value = Matcher> {
    let value = prop_oneof![Just("1"), Just("2")];
    let exact = |value: &str| ValueMatch::Exact(value.into());
    let path = prop_oneof![
        prop_oneof![Just("/"), Just("/a"), Just("/a/b"), Just("/ab")].prop_map(PathMatch::prefix),
        prop_oneof![Just("/a"), Just("/a/b")].prop_map(|path| PathMatch::Exact(path.into())),
        prop_oneof![Just("/a.*"), Just("/.b|/a")].prop_map(|regex| PathMatch::Regex(whole(regex).unwrap())),
    ];
    let header = prop::option::of(value.clone());
    let query = prop::option::of(value);
    let method = prop::option::of(prop_oneof![Just(Method::GET), Just(Method::POST)]);
    (path, method, header, query).prop_map(move |(path, method, header, query)| Matcher {
        path,
        method,
        headers: header.map(|v| (HeaderName::from_static("x-a"), exact(v))).into_iter().collect(),
        query: query.map(|v| ("q".into(), exact(v))).into_iter().collect(),
        ..Matcher::any()
    })
}

fn contribution() -> impl Strategy<Value = Contribution> {
    let hosts = prop::collection::btree_set(
        prop_oneof![
            Just("a.test"),
            Just("x.a.test"),
            Just("*.test"),
            Just("*.a.test"),
            Just("?.test"),
            Just("?.a.test"),
            Just("*")
        ],
        1..3,
    );
    (0..4_usize, 0..3_i64, hosts, prop::collection::vec(matcher(), 1..4)).prop_map(
        |(name, created, hosts, matchers)| {
            named(&format!("s{name}"), created, &hosts.into_iter().collect::<Vec<_>>(), matchers)
        },
    )
}

#[derive(Debug, Clone)]
enum Change {
    Apply(Contribution),
    Remove(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![3 => contribution().prop_map(Change::Apply), 1 => (0..4_usize).prop_map(Change::Remove)]
}

/// The obvious thing: look at every rule of every source, keep those that take the request, and compare them by the words of
/// the Gateway API.
fn oracle(contributions: &[Contribution], request: &RequestView<'_>) -> Option<(SourceKey, usize)> {
    let takes = |claim: &HostClaim| match claim {
        HostClaim::Exact(host) => (host.as_str() == request.host).then_some(usize::MAX),
        HostClaim::Wildcard(parent) => {
            request.host.ends_with(&format!(".{parent}")).then_some(2 * parent.as_str().len())
        }
        HostClaim::OneLabel(parent) => {
            let front = request.host.strip_suffix(&format!(".{parent}"))?;
            (!front.contains('.')).then_some(2 * parent.as_str().len() + 1)
        }
        HostClaim::Any => Some(0),
    };
    let claims = |c: &Contribution| match &c.groups[0].claims {
        Claims::Named(claims) => claims.clone(),
        Claims::Personal(_) | Claims::Challenge { .. } => Vec::new(),
    };
    let widest = contributions.iter().flat_map(claims).filter_map(|claim| takes(&claim)).max()?;
    type Candidate = ((u8, usize, bool, usize, usize), i64, SourceKey, usize);
    let mut best: Option<Candidate> = None;
    for one in contributions.iter().filter(|c| claims(c).iter().any(|claim| takes(claim) == Some(widest))) {
        for (index, spec) in
            one.groups[0].rules.iter().enumerate().filter(|(_, spec)| spec.matcher.mismatch(request).is_none())
        {
            let m = &spec.matcher;
            let (kind, length) = match &m.path {
                PathMatch::Exact(path) => (2, path.len()),
                PathMatch::Regex(regex) => (1, regex.as_str().len()),
                PathMatch::Prefix(path) | PathMatch::Begins(path) => (0, path.len()),
            };
            let rank = (kind, length, m.method.is_some(), m.headers.len(), m.query.len());
            let candidate = (rank, one.created, one.source.clone(), index);
            let better = best.as_ref().is_none_or(|b| {
                candidate.0 > b.0 || (candidate.0 == b.0 && (candidate.1, &candidate.2, candidate.3) < (b.1, &b.2, b.3))
            });
            if better {
                best = Some(candidate);
            }
        }
    }
    best.map(|(_, _, source, index)| (source, index))
}

fn every_request(mut visit: impl FnMut(&RequestView<'_>)) {
    for host in ["a.test", "x.a.test", "y.x.a.test", "b.test", "other"] {
        for path in ["/", "/a", "/a/b", "/ab", "/xb", "/a/b/c"] {
            for method in [Method::GET, Method::POST] {
                for query in [None, Some("q=1"), Some("p=1&q=2")] {
                    for header in [None, Some("1")] {
                        let mut headers = HeaderMap::new();
                        if let Some(value) = header {
                            headers.insert("x-a", value.parse().unwrap());
                        }
                        visit(&RequestView { query, ..RequestView::new(host, path, &method, &headers) });
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whatever came and went, the table decides as a look at everything would, and `explain` says the same.
    #[test]
    fn the_table_agrees_with_the_oracle(changes in prop::collection::vec(change(), 1..12)) {
        let mut routes = routes();
        let mut present: Vec<Contribution> = Vec::new();
        for change in changes {
            match change {
                Change::Apply(contribution) => {
                    present.retain(|known| known.source != contribution.source);
                    present.push(contribution.clone());
                    routes.apply(contribution);
                }
                Change::Remove(name) => {
                    let gone = source(&format!("s{name}"));
                    present.retain(|known| known.source != gone);
                    routes.remove(&gone);
                }
            }
        }
        let table = routes.snapshot();
        let mut from_scratch = self::routes();
        present.iter().for_each(|contribution| from_scratch.apply(contribution.clone()));
        let scratch = from_scratch.snapshot();
        prop_assert_eq!(table.problems().collect::<Vec<_>>(), scratch.problems().collect::<Vec<_>>());
        every_request(|request| {
            let name = |rule: &Arc<Rule>| (rule.name.source.clone(), rule.name.index);
            let found = match table.find(request) {
                Match::Rule(rule) => Some(name(rule)),
                Match::NoRule | Match::Personal(..) | Match::NoHost => None,
            };
            assert_eq!(found, oracle(&present, request), "{request:?}");
            let explained = table.explain(request).winner.map(|winner| winner.name);
            let expected = found.map(|(source, index)| RuleName { source, index }.to_string());
            assert_eq!(explained, expected);
        });
    }

    /// Hosts of two users never meet, whatever their ids are.
    #[test]
    fn no_two_users_have_one_host(a in "[a-z0-9]{1,32}", b in "[a-z0-9]{1,32}") {
        let domain: Hostname = "example.com".parse().unwrap();
        let patterns = ["front{user}.prod.{domain}", "front{user}-2.prod.{domain}"].map(|p| p.parse::<crate::model::HostPattern>().unwrap());
        let mut seen = std::collections::BTreeMap::new();
        for user in BTreeSet::from([a, b]) {
            for pattern in &patterns {
                let host = pattern.host(&user.parse().unwrap(), &domain).unwrap();
                prop_assert!(seen.insert(host, user.clone()).is_none());
            }
        }
    }
}
