//! Tests of what an Ingress says, and of how requests to it go, against a look at its rules one by one.

use super::*;
use crate::routing::{KnownService, Match, Protocol, RequestView, Routes, ServicePort, Snapshot};
use http::{HeaderMap, Method};
use proptest::prelude::*;
use serde_json::{Value, json};

fn ingress(name: &str, metadata: impl Into<Option<Value>>, spec: impl Into<Option<Value>>) -> Ingress {
    let (mut metadata, spec) = (metadata.into().unwrap_or_default(), spec.into());
    metadata["name"] = name.into();
    metadata["namespace"] = "default".into();
    serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
}

fn service(name: &str) -> Value {
    json!({"service": {"name": name, "port": {"number": 80}}})
}

fn path(kind: &str, path: &str, name: &str) -> Value {
    json!({"path": path, "pathType": kind, "backend": service(name)})
}

fn rule(host: Option<&str>, paths: &[Value]) -> Value {
    json!({"host": host, "http": {"paths": paths}})
}

fn routes(ingresses: &[Ingress]) -> (Routes, Vec<Problem>) {
    let mut routes = Routes::new("example.com".parse().unwrap());
    let pattern = "front{user}.int.{domain}".parse().unwrap();
    routes.set_classes([crate::routing::ClassHosts { name: "integration".parse().unwrap(), pattern, created: 1 }]);
    for name in ["a", "b", "c", "d", "solver"] {
        let key = ServiceKey { namespace: "default".into(), name: name.into() };
        let port =
            ServicePort { name: "http".into(), number: 80, protocol: Protocol::Http1, unspoken: None, wait: None };
        routes.set_service(&key, Some(KnownService::Ports([port].into())));
    }
    let mut problems = Vec::new();
    for ingress in ingresses {
        let translated = translate(ingress, Some("certificates"));
        routes.apply(translated.contribution);
        problems.extend(translated.problems);
    }
    (routes, problems)
}

/// The Service that gets the request.
fn found(table: &Snapshot, host: &str, path: &str) -> Option<String> {
    let (method, headers) = (Method::GET, HeaderMap::new());
    match table.find(&RequestView::new(host, path, &method, &headers)) {
        Match::Rule(rule) => Some(rule.backends[0].cluster.name.service.to_string()),
        Match::NoRule | Match::Personal(..) | Match::NoHost => None,
    }
}

#[test]
fn paths_are_exact_or_prefixes_of_segments() {
    let paths =
        [path("Prefix", "/foo/", "a"), path("Exact", "/foo/x", "b"), path("ImplementationSpecific", "/bar", "c")];
    let (mut routes, problems) = routes(&[ingress("one", json!({}), json!({"rules": [rule(Some("a.test"), &paths)]}))]);
    assert!(problems.is_empty());
    let table = routes.snapshot();
    for (path, expected) in [
        ("/foo", Some("a")),
        ("/foo/", Some("a")),
        ("/foo/x", Some("b")),
        ("/foo/x/", Some("a")),
        ("/foobar", None),
        ("/bar/baz", Some("c")),
        ("/barbaz", None),
        ("/", None),
    ] {
        assert_eq!(found(&table, "a.test", path).as_deref(), expected, "{path}");
    }
    assert_eq!(found(&table, "b.test", "/foo"), None);
}

#[test]
fn paths_are_compared_by_case_and_by_trailing_slash_and_the_longer_prefix_goes_first() {
    let paths = [
        path("Prefix", "/aaa", "short"),
        path("Prefix", "/aaa/bbb/", "long"),
        path("Exact", "/foo/", "slash"),
        path("Prefix", "/mixed", "prefix"),
        path("Exact", "/mixed", "exact"),
    ];
    let (mut routes, _) = routes(&[ingress("one", json!({}), json!({"rules": [rule(Some("one-label"), &paths)]}))]);
    let table = routes.snapshot();
    for (path, expected) in [
        ("/aaa/ccc", Some("short")),
        ("/aaaccc", None),
        ("/AAA", None),
        ("/aaa/bbb", Some("long")),
        ("/aaa/bbb/", Some("long")),
        ("/aaa/bbb/ccc", Some("long")),
        ("/aaa/bbbb", Some("short")),
        ("/foo/", Some("slash")),
        ("/foo", None),
        ("/foo/x", None),
        ("/mixed", Some("exact")),
        ("/mixed/", Some("prefix")),
    ] {
        assert_eq!(found(&table, "one-label", path).as_deref(), expected, "{path}");
    }
}

#[test]
fn a_wildcard_takes_one_label_and_what_has_no_host_takes_the_rest() {
    let spec = json!({
        "defaultBackend": service("d"),
        "rules": [
            rule(Some("*.a.test"), &[path("Prefix", "/", "a")]),
            rule(Some("b.test"), &[path("Prefix", "/b", "b")]),
            rule(None, &[path("Prefix", "/all", "c")]),
        ],
    });
    let (mut routes, problems) = routes(&[ingress("one", json!({}), spec)]);
    assert!(problems.is_empty());
    let table = routes.snapshot();
    for (host, path, expected) in [
        ("x.a.test", "/", Some("a")),
        ("y.x.a.test", "/", Some("d")),
        ("a.test", "/all", Some("c")),
        ("b.test", "/b", Some("b")),
        ("b.test", "/all", Some("c")),
        ("b.test", "/x", Some("d")),
        ("other.test", "/x", Some("d")),
        ("frontanna.int.example.com", "/all", None),
    ] {
        assert_eq!(found(&table, host, path).as_deref(), expected, "{host}{path}");
    }
}

#[test]
fn several_ingresses_share_a_host_and_the_older_keeps_what_both_want() {
    let at = |time: &str| json!({"creationTimestamp": time});
    let spec = |paths: &[Value]| json!({"rules": [rule(Some("a.test"), paths)]});
    let old = ingress("old", at("2026-01-01T00:00:00Z"), spec(&[path("Prefix", "/", "a")]));
    let new =
        ingress("new", at("2026-01-02T00:00:00Z"), spec(&[path("Prefix", "/", "b"), path("Prefix", "/own", "c")]));
    let (mut routes, _) = routes(&[new, old]);
    let table = routes.snapshot();
    assert_eq!(found(&table, "a.test", "/").as_deref(), Some("a"));
    assert_eq!(found(&table, "a.test", "/own/x").as_deref(), Some("c"));
    let told: Vec<String> = table.problems().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains("answered by Ingress default/old, which is older"), "{told:?}");
}

#[test]
fn a_persons_zone_is_refused_and_the_rest_goes_on() {
    let hosts = ["frontanna.int.example.com", "*.int.example.com", "ok.test"];
    let rules: Vec<Value> = hosts.iter().map(|host| rule(Some(host), &[path("Prefix", "/", "a")])).collect();
    let (mut routes, _) = routes(&[ingress("thief", json!({}), json!({"rules": rules}))]);
    let table = routes.snapshot();
    assert_eq!(found(&table, "ok.test", "/").as_deref(), Some("a"));
    assert_eq!(found(&table, "frontanna.int.example.com", "/"), None);
    assert_eq!(table.problems().filter(|problem| problem.reason == ProblemReason::HostReserved).count(), 2);
}

#[test]
fn what_cannot_be_read_loses_only_itself() {
    let resource = json!({"resource": {"apiGroup": "x", "kind": "Bucket", "name": "b"}});
    let spec = json!({"rules": [
        rule(Some("-bad-"), &[path("Prefix", "/", "a")]),
        rule(Some("a.test"), &[
            path("Regex", "/x", "a"),
            path("Prefix", "no-slash", "a"),
            path("Exact", "", "a"),
            path("Prefix", "/ü", "a"),
            json!({"path": "/resource", "pathType": "Prefix", "backend": resource}),
            json!({"path": "/nothing", "pathType": "Prefix", "backend": {}}),
            json!({"path": "/port", "pathType": "Prefix", "backend": {"service": {"name": "a", "port": {"number": 70000}}}}),
            json!({"path": "/name", "pathType": "Prefix", "backend": {"service": {"name": "a", "port": {"name": "nope"}}}}),
            path("Prefix", "/", "a"),
        ]),
    ]});
    let annotations = json!({"annotations": {
        "doorstep.dev/backend-protocol": "x".repeat(65_536),
        "doorstep.dev/response-timeout": "soon",
    }});
    let (mut routes, problems) = routes(&[ingress("one", annotations, spec)]);
    let table = routes.snapshot();
    assert_eq!(found(&table, "a.test", "/other").as_deref(), Some("a"));
    for path in ["/resource/x", "/nothing", "/port", "/name"] {
        let host = table.host("a.test").unwrap();
        let (method, headers) = (Method::GET, HeaderMap::new());
        let view = RequestView::new("a.test", path, &method, &headers);
        let rule = host.find(&view).unwrap();
        assert!(rule.backends[0].unresolved.is_some(), "{path} fell to a wider rule");
    }
    let told: Vec<String> = problems.iter().chain(table.problems()).map(|problem| problem.message.clone()).collect();
    for part in [
        "spec.rules[0].host: \"-bad-\" is not a host name",
        "spec.rules[1].http.paths[0].pathType: \"Regex\" is not known",
        "spec.rules[1].http.paths[1].path: \"no-slash\" does not begin with a slash",
        "spec.rules[1].http.paths[2].path: \"\" does not begin with a slash",
        "write them percent-encoded",
        "spec.rules[1].http.paths[4]: a resource (\"Bucket\" \"b\") cannot be a backend",
        "spec.rules[1].http.paths[5]: it names no Service",
        "spec.rules[1].http.paths[6]: the Service's port is not between",
        "the Service default/a has no port nope; it has 80 (http)",
        "annotation doorstep.dev/backend-protocol: \"xxx",
        "annotation doorstep.dev/response-timeout: \"soon\" is not a duration",
    ] {
        assert!(told.iter().any(|message| message.contains(part)), "no «{part}» in {told:#?}");
    }
    assert!(told.iter().all(|message| message.len() < 400));
    let many: Vec<Value> = (0..2000).map(|n| path("Prefix", &format!("/{n}"), "a")).collect();
    let many = ingress("many", json!({}), json!({"rules": [rule(Some("b.test"), &many)]}));
    let translated = translate(&many, None);
    assert_eq!((translated.contribution.groups[0].rules.len(), translated.problems.len()), (MAX_PATHS, 1));
}

#[test]
fn annotations_set_protocol_and_deadlines() {
    let annotations =
        json!({"annotations": {"doorstep.dev/backend-protocol": "h2c", "doorstep.dev/idle-timeout": "1h"}});
    let one = ingress("one", annotations, json!({"rules": [rule(Some("a.test"), &[path("Prefix", "/", "a")])]}));
    let (mut routes, _) = routes(&[one]);
    let table = routes.snapshot();
    let rule = &table.host("a.test").unwrap().rules()[0];
    assert_eq!(rule.backends[0].cluster.protocol, Protocol::H2c);
    assert_eq!(rule.timeouts.idle, Some(std::time::Duration::from_secs(3600)));
}

#[test]
fn annotations_of_other_controllers_are_told_since_they_may_have_been_guards() {
    let told = |annotations: Value| {
        let spec = json!({"rules": [rule(Some("a.test"), &[path("Prefix", "/", "a")])]});
        let (mut routes, problems) = routes(&[ingress("one", json!({"annotations": annotations}), spec)]);
        assert!(found(&routes.snapshot(), "a.test", "/").is_some());
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>()
    };
    let own = json!({"kubernetes.io/ingress.class": "doorstep", "cert-manager.io/issuer": "x", "doorstep.dev/idle-timeout": "5s"});
    assert_eq!(told(own), Vec::<String>::new());
    let others = told(json!({
        "nginx.ingress.kubernetes.io/whitelist-source-range": "10.0.0.0/8",
        "traefik.ingress.kubernetes.io/router.middlewares": "default-auth@kubernetescrd",
    }));
    let names =
        r#""nginx.ingress.kubernetes.io/whitelist-source-range", "traefik.ingress.kubernetes.io/router.middlewares""#;
    assert_eq!(others.len(), 1);
    assert!(
        others[0]
            .contains(&format!("metadata.annotations: another controller reads {names}, and here that has no effect")),
        "{others:?}"
    );
}

#[test]
fn a_solver_answers_beside_a_person_only_from_the_trusted_namespace_and_only_its_path() {
    let token = "/.well-known/acme-challenge/abc-DEF_123";
    let solver = |namespace: &str, kind: &str, path_text: &str| {
        let rules = json!({"rules": [rule(Some("frontanna.int.example.com"), &[path(kind, path_text, "solver")])]});
        let mut one = ingress("cm-acme", json!({"labels": {"acme.cert-manager.io/http01-solver": "true"}}), rules);
        one.metadata.namespace = Some(namespace.to_owned());
        one
    };
    let answered = |one: Ingress, path: &str| {
        let (mut routes, _) = routes(&[one]);
        found(&routes.snapshot(), "frontanna.int.example.com", path).is_some()
    };
    for kind in ["Exact", "ImplementationSpecific"] {
        assert!(answered(solver("certificates", kind, token), token), "{kind}");
        assert!(!answered(solver("certificates", kind, token), "/"));
        assert!(!answered(solver("certificates", kind, token), &format!("{token}/x")));
        assert!(!answered(solver("default", kind, token), token), "another namespace took a person's challenge");
    }
    for other in
        ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/a/b", "/.well-known/acme-challenge/a%2fb", "/"]
    {
        assert!(!answered(solver("certificates", "Exact", other), other), "{other}");
        assert!(!answered(solver("certificates", "Prefix", token), token), "a prefix is no challenge");
    }
}

const HOSTS: [&str; 4] = ["a.test", "*.a.test", "x.a.test", ""];
const PATHS: [&str; 5] = ["/", "/a", "/a/", "/a/b", "/ab"];

/// The rules of one Ingress as (host, exact, path), each leading to a Service of its own number.
fn small() -> impl Strategy<Value = (Vec<(usize, bool, usize)>, bool)> {
    (prop::collection::vec((0..HOSTS.len(), any::<bool>(), 0..PATHS.len()), 0..8), any::<bool>())
}

/// By the words of the API's documentation: the most specific host, then exact before prefix, the longest, the first; then
/// the rules without a host; then the default backend.
fn oracle(rules: &[(usize, bool, usize)], default: bool, host: &str, path: &str) -> Option<String> {
    let segments = |path: &str| -> Vec<String> {
        path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
    };
    let host_rank = |pattern: &str| match pattern.strip_prefix("*.") {
        Some(parent) => (host.split_once('.')?.1 == parent).then_some(1),
        None if pattern.is_empty() => Some(0),
        None => (pattern == host).then_some(2),
    };
    let path_rank = |exact: bool, pattern: &str| match exact {
        true => (pattern == path).then_some((1, usize::MAX)),
        false => segments(path).starts_with(&segments(pattern)).then(|| (0, pattern.trim_end_matches('/').len())),
    };
    // A host that is named has its own rules and, after them, those without a host; a wider wildcard is not asked.
    let named = rules.iter().filter_map(|(pattern, _, _)| host_rank(HOSTS[*pattern])).filter(|rank| *rank > 0).max();
    let mut best = None;
    for (index, (pattern, exact, pattern_path)) in rules.iter().enumerate() {
        let Some(rank) = host_rank(HOSTS[*pattern]).filter(|rank| *rank == 0 || Some(*rank) == named) else { continue };
        let Some(path_rank) = path_rank(*exact, PATHS[*pattern_path]) else { continue };
        if best.is_none_or(|(known, _)| (rank, path_rank) > known) {
            best = Some(((rank, path_rank), index));
        }
    }
    best.map(|(_, index)| format!("s{index}")).or(default.then(|| "default".to_owned()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Requests go where the documentation of Ingress says.
    #[test]
    fn requests_go_where_a_look_at_the_rules_says((rules, default) in small()) {
        let listed: Vec<Value> = rules.iter().enumerate().map(|(index, (host, exact, text))| {
            let host = Some(HOSTS[*host]).filter(|host| !host.is_empty());
            rule(host, &[path(if *exact { "Exact" } else { "Prefix" }, PATHS[*text], &format!("s{index}"))])
        }).collect();
        let mut spec = json!({"rules": listed});
        if default {
            spec["defaultBackend"] = service("default");
        }
        let (mut routes, _) = routes(&[ingress("one", json!({}), spec)]);
        let table = routes.snapshot();
        for host in ["a.test", "x.a.test", "y.a.test", "z.x.a.test", "b.test"] {
            for path in ["/", "/a", "/a/", "/a/b", "/a/b/c", "/ab", "/abc"] {
                prop_assert_eq!(found(&table, host, path), oracle(&rules, default, host, path), "{}{}", host, path);
            }
        }
    }

    /// Whatever an object says, it is read without a panic, and what is told of it is bounded.
    #[test]
    fn any_texts_are_read(host in ".{0,20}", text in ".{0,20}", kind in ".{0,8}", annotation in ".{0,20}") {
        let metadata = json!({"annotations": {"doorstep.dev/idle-timeout": annotation}, "labels": {"acme.cert-manager.io/http01-solver": "true"}});
        let spec = json!({"rules": [rule(Some(&host), &[path(&kind, &text, "a")])], "tls": [{"hosts": [host], "secretName": text}]});
        let translated = translate(&ingress("one", metadata, spec), None);
        prop_assert!(translated.problems.len() <= MAX_PROBLEMS + 1);
    }
}
