//! Filters on the wire: what a backend gets, and what a client is told.

use super::harness::*;
use crate::config::read_routes;
use crate::proxy::GatewayConfig;

async fn answer(filters: &str, request: &str) -> String {
    let (backend, _task) = mirror().await;
    let text = format!(
        "routes:\n- hosts: [f.test]\n  rules:\n  - filters: {filters}\n    backends: [{{address: \"{backend}\"}}]\n"
    );
    let mut routes = complete(routes());
    read_routes(&text, "f").unwrap().into_iter().for_each(|contribution| routes.apply(contribution));
    let gateway = Gateway::with(&[], routes, GatewayConfig::default(), None);
    let got = gateway.raw(request.replace('\n', "\r\n").as_bytes()).await;
    gateway.stop().await;
    got
}

#[tokio::test]
async fn a_backend_gets_what_filters_make_of_a_request() {
    let filters = "[{stripPrefix: [/api]}, {addPrefix: /v1}, {host: \"inner.test:81\"}, \
                   {requestHeaders: {set: {x-a: \"1\"}, remove: [x-b]}}, \
                   {responseHeaders: {set: {strict-transport-security: max-age=1}}}]";
    let got = answer(
        filters,
        "GET /api/x?q=%20 HTTP/1.1\nHost: F.test\nX-B: 2\nX-Forwarded-Prefix: /forged\nConnection: close\n\n",
    )
    .await;
    for part in ["GET /v1/x?q=%20\n", "host: inner.test:81\n", "x-a: 1\n", "x-forwarded-prefix: /api\n"] {
        assert!(got.contains(part), "no {part} in {got}");
    }
    assert!(got.contains("x-forwarded-host: f.test\n") && got.contains("max-age=1"));
    assert!(!got.contains("x-b: 2") && !got.contains("forged"), "{got}");
}

#[tokio::test]
async fn a_forged_prefix_reaches_no_backend_without_filters_either() {
    let got = answer("[]", "GET / HTTP/1.1\nHost: f.test\nX-Forwarded-Prefix: /forged\nConnection: close\n\n").await;
    assert!(got.starts_with("HTTP/1.1 200") && !got.contains("forged"), "{got}");
}

#[tokio::test]
async fn a_client_is_sent_elsewhere_or_refused() {
    let close = "HTTP/1.1\nHost: f.test:8080\nConnection: close\n\n";
    let filters = "[{responseHeaders: {set: {x-frame-options: DENY}}}, {redirect: {scheme: https, status: 308}}]";
    let got = answer(filters, &format!("GET /x?y=1 {close}")).await;
    assert!(got.starts_with("HTTP/1.1 308") && got.contains("location: https://f.test/x?y=1\r\n"), "{got}");
    assert!(got.contains("x-frame-options: DENY") && got.contains("content-length: 0"), "{got}");
    let got = answer("[{allowClients: [10.0.0.0/8]}]", &format!("GET / {close}")).await;
    assert!(got.starts_with("HTTP/1.1 403") && got.contains("\"code\":\"Denied\""), "{got}");
    let got = answer("[{allowClients: [127.0.0.0/8]}]", &format!("GET / {close}")).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
}
