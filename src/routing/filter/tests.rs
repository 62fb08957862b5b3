//! Tests of filters: what a request becomes, and what a client is told.

use super::*;
use crate::routing::anywhere;

/// What becomes of `GET url` from `client`, and of its fields.
fn passed(filters: &[Filter], url: &str, client: Option<&str>, headers: &mut HeaderMap) -> Result<String, Answer> {
    passed_by(filters, &Method::GET, url, client, headers)
}

fn passed_by(
    filters: &[Filter],
    method: &Method,
    url: &str,
    client: Option<&str>,
    headers: &mut HeaderMap,
) -> Result<String, Answer> {
    let uri: http::Uri = url.parse().unwrap();
    let host = uri.authority().unwrap().as_str();
    let copy = headers.clone();
    let view = RequestView {
        scheme: Scheme::of_tls(uri.scheme_str() == Some("https")),
        client: client.map(|client| client.parse().unwrap()),
        query: uri.query(),
        ..RequestView::new(uri.host().unwrap(), uri.path(), method, &copy)
    };
    let mut passage = Passage::new(&view, host);
    passage.through(filters, headers)?;
    let query = passage.query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("{}{}{query}", passage.host, passage.path))
}

fn path(change: PathChange, url: &str) -> Result<(String, HeaderMap), Answer> {
    let mut headers = HeaderMap::new();
    headers.insert(X_FORWARDED_PREFIX.clone(), HeaderValue::from_static("/forged"));
    let became = passed(&[Filter::Path(change)], url, None, &mut headers)?;
    Ok((became, headers))
}

fn location(redirect: Redirect, method: &Method, url: &str) -> Option<(u16, String)> {
    match passed_by(&[Filter::Redirect(redirect)], method, url, None, &mut HeaderMap::new()) {
        Ok(_) => None,
        Err(Answer::Redirect { status, location }) => Some((status.as_u16(), location.to_str().unwrap().to_owned())),
        Err(other) => panic!("{other:?}"),
    }
}

fn parts(scheme: Option<Scheme>, host: Option<&str>, port: Option<u16>, path: Option<&str>) -> Redirect {
    let (host, path) = (host.map(Box::from), path.map(Box::from));
    Redirect { target: Target::Parts { scheme, host, port, path }, status: RedirectStatus::Permanent }
}

#[test]
fn a_prefix_is_stripped_once_and_told_in_the_place_of_a_forged_one() {
    let strip = || PathChange::StripPrefix(["/api".into(), "/api/v1".into()].into());
    for (url, became, prefix) in [
        ("http://a.test/api/v1/x?q=1", "a.test/v1/x?q=1", "/api"),
        ("http://a.test/api", "a.test/", "/api"),
        ("http://a.test/apix", "a.test/x", "/api"),
        ("http://a.test/other", "a.test/other", "/forged"),
    ] {
        let (got, headers) = path(strip(), url).unwrap();
        assert_eq!((got.as_str(), headers[&X_FORWARDED_PREFIX].to_str().unwrap()), (became, prefix), "{url}");
    }
}

#[test]
fn what_is_left_of_a_path_leads_nowhere_else() {
    let strip = || PathChange::StripPrefix(["/api".into()].into());
    for url in ["/api../admin", "/api%2e%2E/admin", "/api/../x", "/api//evil.test/x", "/api/./x", "/api/..\\x"] {
        let told = path(strip(), &format!("http://a.test{url}")).unwrap_err();
        assert!(matches!(told, Answer::Refuse { status: StatusCode::BAD_REQUEST, .. }), "{url}: {told:?}");
    }
}

#[test]
fn paths_are_replaced_and_prefixed() {
    let regex = |regex: &str, replacement: &str| PathChange::ReplaceRegex {
        regex: anywhere(regex).unwrap(),
        replacement: replacement.into(),
    };
    let regexes: Box<[regex::Regex]> = [anywhere("/[a-z]+/[0-9]+").unwrap()].into();
    for (change, url, became) in [
        (PathChange::Replace("/fixed".into()), "/a/b?c", "/fixed?c"),
        (PathChange::AddPrefix("/base".into()), "/a", "/base/a"),
        (regex("^/old/(.*)", "/new/$1"), "/old/x/y?q", "/new/x/y?q"),
        (regex("^/old/(.*)", "/new/$1"), "/older", "/older"),
        (PathChange::StripPrefixRegex(regexes.clone()), "/shop/12/cart", "/cart"),
        (PathChange::StripPrefixRegex(regexes), "/UP/shop/12/cart", "/UP/shop/12/cart"),
    ] {
        let (got, headers) = path(change.clone(), &format!("http://a.test{url}")).unwrap();
        assert_eq!(got, format!("a.test{became}"), "{change}");
        let replaced = matches!(change, PathChange::Replace(_) | PathChange::ReplaceRegex { .. }) && became != url;
        assert_eq!(headers.contains_key("x-replaced-path"), replaced, "{change}");
    }
}

#[test]
fn a_redirection_changes_what_it_names_and_lets_pass_what_is_there_already() {
    let https = || parts(Some(Scheme::Https), None, None, None);
    let get = &Method::GET;
    let told = |redirect, url| location(redirect, get, url);
    let to = |text: &str| Some((301, text.to_owned()));
    assert_eq!(told(https(), "http://a.test:8080/x?y=1"), to("https://a.test/x?y=1"));
    assert_eq!(told(https(), "https://a.test/x"), None);
    assert_eq!(told(parts(Some(Scheme::Https), None, Some(8443), None), "http://a.test/"), to("https://a.test:8443/"));
    assert_eq!(told(parts(None, Some("b.test"), None, None), "http://a.test:81/x"), to("http://b.test/x"));
    assert_eq!(told(parts(None, None, None, Some("/new")), "http://a.test:81/x?q"), to("http://a.test:81/new?q"));
    assert_eq!(location(https(), &Method::POST, "http://a.test/"), Some((308, "https://a.test/".into())));
}

#[test]
fn a_redirection_by_expression_sees_the_whole_url() {
    let redirect = |regex: &str, replacement: &str| Redirect {
        target: Target::Regex { regex: anywhere(regex).unwrap(), replacement: replacement.into() },
        status: RedirectStatus::Temporary,
    };
    let to = |redirect, url| location(redirect, &Method::GET, url).map(|(_, location)| location);
    let www = || redirect("^https?://www\\.(.*)", "https://${1}");
    assert_eq!(to(www(), "http://www.a.test:80/x?y").as_deref(), Some("https://a.test/x?y"));
    assert_eq!(to(www(), "http://a.test/"), None);
    assert_eq!(to(redirect("^http://a.test/(.*)", "http://a.test/$1"), "http://a.test/x"), None, "it is there");
    assert_eq!(location(www(), &Method::PUT, "http://www.a.test/"), Some((307, "https://a.test/".into())));
}

#[test]
fn only_clients_of_the_ranges_pass_and_unknown_ones_never() {
    let ranges: Box<[IpNet]> = ["10.0.0.0/8", "2001:db8::/32"].map(|range| range.parse().unwrap()).into();
    let filters = [Filter::AllowClients { ranges, status: StatusCode::FORBIDDEN }];
    let pass = |client| passed(&filters, "http://a.test/", client, &mut HeaderMap::new()).is_ok();
    assert!(pass(Some("10.1.2.3")) && pass(Some("::ffff:10.1.2.3")) && pass(Some("2001:db8::1")));
    assert!(!pass(Some("11.0.0.1")) && !pass(Some("::ffff:11.0.0.1")) && !pass(None));
}

#[test]
fn fields_change_in_order_and_responses_in_the_opposite_one() {
    let name = |text: &'static str| HeaderName::from_static(text);
    let value = |text: &'static str| HeaderValue::from_static(text);
    let set = |text| FieldChanges { set: [(name("x-a"), value(text))].into(), ..FieldChanges::default() };
    let add = FieldChanges { add: [(name("x-a"), value("2"))].into(), ..FieldChanges::default() };
    let remove = FieldChanges { remove: [name("x-b")].into(), ..FieldChanges::default() };
    let mut headers = HeaderMap::from_iter([(name("x-b"), value("1"))]);
    let steps = [set("1"), add, remove].map(Filter::RequestFields);
    passed(&steps, "http://a.test/", None, &mut headers).unwrap();
    assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert!(!headers.contains_key("x-b"));
    let mut response = HeaderMap::new();
    respond(&[set("outer"), set("inner")].map(Filter::ResponseFields), None, &mut response);
    assert_eq!(response["x-a"], "outer", "the first filter of a request is the last of its response");
    assert!(!Filter::RequestFields(set("secret")).to_string().contains("secret"));
}

#[test]
fn what_frames_a_message_is_no_filters_business() {
    for name in ["host", "content-length", "transfer-encoding", "connection", "upgrade", "keep-alive", "x_user"] {
        assert!(!is_changeable(&name.parse().unwrap()), "{name}");
    }
    assert!(is_changeable(&"x-forwarded-proto".parse().unwrap()));
}

#[test]
fn preflights_are_answered_for_the_origins_that_are_allowed() {
    let cors = Cors {
        origins: ["https://app.test".into()].into(),
        origins_regex: [anywhere("^https://[a-z]+\\.apps\\.test$").unwrap()].into(),
        methods: ["GET".into(), "PUT".into()].into(),
        headers: ["*".into()].into(),
        credentials: true,
        max_age_seconds: Some(600),
        vary: true,
        ..Cors::default()
    };
    let ask = |origin: &'static str, method: &Method| {
        let mut headers = HeaderMap::new();
        headers.insert("origin", HeaderValue::from_static(origin));
        headers.insert("access-control-request-method", HeaderValue::from_static("PUT"));
        headers.insert("access-control-request-headers", HeaderValue::from_static("x-a"));
        match passed_by(&[Filter::Cors(cors.clone())], method, "http://a.test/", None, &mut headers) {
            Err(Answer::Preflight(told)) => Some(told),
            _ => None,
        }
    };
    let told = ask("https://x.apps.test", &Method::OPTIONS).unwrap();
    assert_eq!(told["access-control-allow-origin"], "https://x.apps.test");
    assert_eq!(told["access-control-allow-headers"], "x-a", "with credentials no asterisk is sent");
    assert_eq!(
        (&told["access-control-allow-methods"], &told["access-control-max-age"]),
        (&"GET,PUT".parse().unwrap(), &"600".parse().unwrap())
    );
    assert!(!ask("https://evil.test", &Method::OPTIONS).unwrap().contains_key("access-control-allow-origin"));
    assert!(ask("https://app.test", &Method::GET).is_none());
    let mut response = HeaderMap::new();
    respond(&[Filter::Cors(cors)], Some(&HeaderValue::from_static("https://app.test")), &mut response);
    assert_eq!(
        (&response["access-control-allow-credentials"], &response["vary"]),
        (&"true".parse().unwrap(), &"Origin".parse().unwrap())
    );
}
