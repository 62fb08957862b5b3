//! Too many calls, and web pages of other origins.

use super::roles::access;
use super::{Setting, read, setting, setting_with};
use crate::api::Peer;
use crate::identity::{Access, LimitSettings};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use serde_json::json;
use std::num::NonZeroU32;

async fn call(setting: &Setting, peer: &str, token: Option<&str>) -> Response<Body> {
    let peer = Peer { address: format!("{peer}:1").parse().unwrap(), certificate: None };
    let mut request = Request::builder().uri("/api/v1/me").extension(ConnectInfo(peer));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    setting.send(request, Body::empty()).await
}

fn limits(per_caller: u32, per_unknown_address: u32) -> Access {
    let number = |number| NonZeroU32::new(number).unwrap();
    let limits = LimitSettings { per_caller: number(per_caller), per_unknown_address: number(per_unknown_address) };
    Access { limits, ..access() }
}

#[tokio::test]
async fn a_caller_that_calls_too_often_is_told_when_to_come_back() {
    // One call a minute: none is due again while the test runs.
    let setting = setting_with(limits(1, 1000)).await;
    assert_eq!(call(&setting, "192.0.2.1", Some("as-owner")).await.status(), StatusCode::OK);
    let response = call(&setting, "192.0.2.2", Some("as-owner")).await;
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let (status, problem) = read(response).await;
    assert_eq!((status, &problem["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("too-many-requests")));
    assert_eq!(call(&setting, "192.0.2.1", Some("as-admin")).await.status(), StatusCode::OK, "another caller");
    for _ in 0..10 {
        assert_eq!(call(&setting, "192.0.2.1", Some(super::TOKEN)).await.status(), StatusCode::OK, "the owner");
    }
}

#[tokio::test]
async fn guesses_hold_up_their_address_and_nobody_else() {
    let setting = setting_with(limits(1000, 1)).await;
    assert_eq!(call(&setting, "192.0.2.1", Some("as-owner")).await.status(), StatusCode::OK);
    assert_eq!(call(&setting, "192.0.2.1", Some("guess")).await.status(), StatusCode::UNAUTHORIZED);
    for token in [None, Some("guess"), Some("as-viewer")] {
        let status = call(&setting, "192.0.2.1", token).await.status();
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{token:?}");
    }
    assert_eq!(call(&setting, "192.0.2.1", Some("as-owner")).await.status(), StatusCode::OK, "known there lately");
    assert_eq!(call(&setting, "192.0.2.2", Some("as-viewer")).await.status(), StatusCode::OK);
    for _ in 0..10 {
        assert_eq!(call(&setting, "127.0.0.1", None).await.status(), StatusCode::UNAUTHORIZED, "this machine");
    }
}

fn from_page(origin: &str, method: &str) -> axum::http::request::Builder {
    let request = Request::builder().method(method).uri("/api/v1/classes").header("origin", origin);
    if method == "OPTIONS" { request.header("access-control-request-method", "PUT") } else { request }
}

#[tokio::test]
async fn a_page_of_another_origin_may_not_read_anything() {
    let setting = setting().await;
    for method in ["OPTIONS", "GET"] {
        let response = setting.send(from_page("https://console.example.com", method), Body::empty()).await;
        assert!(!response.status().is_success(), "{method}");
        assert!(response.headers().keys().all(|name| !name.as_str().starts_with("access-control-")), "{method}");
    }
}

#[tokio::test]
async fn a_known_origin_may_and_without_cookies() {
    let origin = "https://console.example.com";
    let setting = setting_with(Access { origins: vec![origin.to_owned()], ..access() }).await;
    let asked = setting.send(from_page(origin, "OPTIONS"), Body::empty()).await;
    assert_eq!(asked.status(), StatusCode::NO_CONTENT);
    assert_eq!(asked.headers()["access-control-allow-origin"], origin);
    assert!(!asked.headers().contains_key("access-control-allow-credentials"));
    let read = setting.send(from_page(origin, "GET").header("authorization", "Bearer as-viewer"), Body::empty()).await;
    assert_eq!(
        (read.status(), &read.headers()["access-control-allow-origin"]),
        (StatusCode::OK, &origin.parse().unwrap())
    );
    for other in ["https://console.example.com.evil.test", "http://console.example.com", "null"] {
        let refused = setting.send(from_page(other, "OPTIONS"), Body::empty()).await;
        assert!(!refused.headers().contains_key("access-control-allow-origin"), "{other}");
    }
}
