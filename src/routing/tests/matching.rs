//! Which rule takes a request, and what `explain` says of it.

use super::*;

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
fn explain_tells_of_a_request_that_is_refused_before_any_rule_is_asked() {
    let mut routes = routes();
    routes.apply(named("shop", 0, &["a.test"], vec![Matcher::any()]));
    let table = routes.snapshot();
    let (method, mut headers) = (Method::GET, HeaderMap::new());
    let told = table.explain(&RequestView::new("a.test", "/a/%2E./b", &method, &headers));
    assert!(told.winner.is_none() && told.losers.is_empty() && told.backends.is_empty(), "{told:?}");
    assert!(told.decision.contains("with 400") && told.decision.contains("dot segments"), "{}", told.decision);
    let outcome = told.outcome.as_ref();
    assert!(
        matches!(outcome, Some(ExplainedAnswer::Refused { status: 400, reason }) if reason.contains("dot segments"))
    );
    headers.insert("x_user", http::HeaderValue::from_static("a"));
    let told = table.explain(&RequestView::new("a.test", "/", &method, &headers));
    assert!(told.winner.is_none() && told.decision.contains("x_user has an underscore"), "{}", told.decision);
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
