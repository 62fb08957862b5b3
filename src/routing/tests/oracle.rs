//! The table against the obvious thing: a look at every rule of every source.

use super::*;
use crate::model::Hostname;
use http::HeaderName;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

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
