//! What is matched, what is told and what is forwarded are the same bytes, and nobody but the gateway says who asks.

use super::harness::*;
use crate::routing::{Claims, HostClaim, PathMatch, Protocol};

#[tokio::test]
async fn a_path_is_forwarded_to_the_byte_or_refused() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    for path in [
        "/",
        "//",
        "//a//b",
        "/a%2Fb",
        "/a%2fb",
        "/a%5Cb",
        "/a;x=1/b;y",
        "/%61",
        "/A",
        "/a%00b",
        "/a%0d%0aX:1",
        "/a\\b",
        "/a+b",
        "/a%20b",
        "/.well-known/x",
        "/a..b",
        "/a?x=../..&y=%2e%2e/",
        "/?",
        "/a?b?c",
        "/%25%32%65",
        "/%zz",
        "/a=b@c:d",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        let answer = gateway.raw(request.as_bytes()).await;
        assert!(answer.contains(&format!("\r\n\r\nGET {path}\n")), "{path}: {answer}");
    }
    for path in ["/a/../b", "/..", "/%2e%2e/b", "/a/.%2E", "/a/..;/b", "/a/..%2fb", "/a%5c..%5cb", "/a\\..\\b", "/./a"]
    {
        for target in [path.to_owned(), format!("http://a.test{path}")] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
            let answer = gateway.raw(request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("dot segments"), "{target}: {answer}");
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn every_spelling_of_a_host_leads_to_the_same_rule_and_is_forwarded_as_one() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    for (target, host, forwarded) in [
        ("/", "a.test", "a.test"),
        ("/", "A.TEST", "a.test"),
        ("/", "a.test.", "a.test"),
        ("/", "a.test:80", "a.test:80"),
        ("/", "A.Test.:8080", "a.test:8080"),
        ("http://a.test/", "a.test", "a.test"),
        ("http://A.test./", "a.TEST", "a.test"),
        ("HTTP://a.test:80/", "a.test:80", "a.test:80"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = gateway.raw(request.as_bytes()).await;
        assert!(answer.contains("\r\n\r\nGET /\n"), "{target} {host}: {answer}");
        for field in ["host", "x-forwarded-host"] {
            assert!(answer.contains(&format!("\n{field}: {forwarded}\n")), "{target} {host}: {answer}");
        }
    }
    for host in
        ["a.test..", ".a.test", "a.test@b.test", "b.test@a.test", "a.test/x", "a.test\\b", "a.test:80:80", "a.test%00"]
    {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = gateway.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{host}: {answer}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_rule_for_a_prefix_is_asked_about_the_bytes_that_are_forwarded() {
    let (address, _backend) = mirror().await;
    let mut routes = complete(routes());
    let claims = Claims::Named(vec![HostClaim::parse("a.test").unwrap()]);
    let mut part = contribution("a", claims, Protocol::Http1);
    part.groups[0].rules[0].matcher.path = PathMatch::prefix("/public");
    routes.apply(part);
    let snapshot = routes.snapshot();
    let (method, fields) = (http::Method::GET, http::HeaderMap::new());
    let found = snapshot.find(&crate::routing::RequestView::new("a.test", "/public", &method, &fields));
    let crate::routing::Match::Rule(rule) = found else { panic!("no rule") };
    rule.backends[0].cluster.replace([endpoint(address)]);
    let table = std::sync::Arc::new(crate::routing::Table::default());
    table.store(snapshot.clone());
    let log = crate::telemetry::access_log::AccessLog::new(crate::telemetry::access_log::Sink::Off).unwrap();
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let config = crate::proxy::GatewayConfig { http: Some(local), workers: 1, ..Default::default() };
    let running = crate::proxy::bind(config, table, None, log).unwrap().start();
    let http = running.addresses().http.unwrap();
    for (path, status) in [
        ("/public/x", "200"),
        ("/public%2Fx", "404"),
        ("/%70ublic/x", "404"),
        ("//public/x", "404"),
        ("/public;x/y", "404"),
        ("/PUBLIC/x", "404"),
        ("/public/..%2fprivate", "400"),
        ("/public/../private", "400"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        let answer = ask(http, request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
    within(running.shutdown(std::time::Duration::from_secs(5))).await.unwrap();
}

async fn ask(address: std::net::SocketAddr, bytes: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    within(stream.read_to_end(&mut all)).await.ok();
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn identity_cannot_be_forged_by_case_repetition_or_kin_nor_removed_by_connection() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    let own =
        ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP", "X-Request-Id"];
    let kin = [
        "Forwarded",
        "X-Forwarded-Server",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Forwarded-Prefix",
        "X-Forwarded-Ssl",
        "X-Forwarded-Scheme",
        "X-Forwarded-Uri",
        "X-Forwarded-Client-Cert",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Proxy",
    ];
    let mut fields = String::new();
    for name in own.into_iter().chain(kin) {
        for spelling in [name.to_owned(), name.to_ascii_uppercase(), name.to_ascii_lowercase()] {
            fields.push_str(&format!("{spelling}: <evil>\r\n"));
        }
    }
    let named =
        own.into_iter().chain(["Host", "Content-Length", "Cookie", "Authorization"]).collect::<Vec<_>>().join(" ,");
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a.test\r\nCookie: c=1\r\nAuthorization: t\r\nContent-Length: 2\r\n{fields}\
         Connection: {named}\r\nConnection: close\r\n\r\nhi"
    );
    let answer = gateway.raw(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("evil"), "{answer}");
    let (_, answer) = answer.split_once("\r\n\r\n").unwrap();
    for field in [
        "x-forwarded-for: 127.0.0.1",
        "x-real-ip: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: a.test",
        "x-forwarded-port: ",
        "x-request-id: ",
        "host: a.test",
        "cookie: c=1",
        "authorization: t",
        "content-length: 2",
        "content: hi",
    ] {
        assert_eq!(answer.matches(&format!("\n{field}")).count(), 1, "{field}: {answer}");
    }
    for name in kin {
        assert!(!answer.contains(&format!("\n{}:", name.to_ascii_lowercase())), "{name}: {answer}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn nothing_of_a_request_reaches_a_log_a_field_or_a_page_unescaped() {
    let gateway = Gateway::with(&[], complete(routes()), impatient(), None);
    // C1 control characters and a change of direction, as UTF-8.
    let agent = "<script>\u{9b}31m\u{202e}\u{85}\"x";
    let request = |accept: &str| {
        format!(
            "GET /<script>\"'\u{9b}x HTTP/1.1\r\nHost: nobody.test\r\nAccept: {accept}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"
        )
    };
    for accept in ["text/html", "*/*"] {
        let answer = gateway.raw(request(accept).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        for raw in ["<script", "\u{9b}", "\u{202e}", "\u{1b}"] {
            assert!(!answer.contains(raw), "{raw:?}: {answer}");
        }
    }
    let plain = request("*/*").replace("/<script>\"'\u{9b}x", "/x");
    assert!(gateway.raw(plain.as_bytes()).await.starts_with("HTTP/1.1 404"));
    gateway.record(|record| record["user_agent"].as_str().is_some_and(|agent| agent.contains("script"))).await;
    let lines = gateway.log.lock().unwrap().concat();
    let unsafe_in_logs = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!lines.contains(unsafe_in_logs), "{lines:?}");
    gateway.stop().await;
}
