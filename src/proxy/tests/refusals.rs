//! What the gateway says itself.

use super::harness::*;
use crate::model::EnvironmentKey;
use crate::proxy::{GatewayConfig, ProxyError};
use crate::routing::{Claims, EnvironmentNote, ExpiredNote, HostClaim, PathMatch, Protocol, Routes};
use crate::telemetry::access_log::{AccessLog, Sink};
use std::sync::Arc;

/// Two environments crash; the second one has a route, and no endpoint.
fn crashing() -> Routes {
    let mut routes = complete(routes());
    for name in ["haimaz-integration", "anna-integration"] {
        routes.set_environment(EnvironmentNote {
            key: EnvironmentKey::from_object_name(name).unwrap(),
            ready: false,
            reason: "CrashLoopBackOff".into(),
            message: "exit code <1>".into(),
            wakes: false,
        });
    }
    let key = EnvironmentKey::from_object_name("anna-integration").unwrap();
    routes.apply(contribution("anna-integration", Claims::Personal(key), Protocol::Http1));
    routes
}

async fn ask(gateway: &Gateway, host: &str, accept: &str) -> String {
    let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    gateway.raw(request.as_bytes()).await
}

#[tokio::test]
async fn a_browser_gets_a_page_and_a_program_a_problem() {
    let gateway = Gateway::with(&[], crashing(), impatient(), None);
    let page = ask(&gateway, "nobody.test", "text/html,*/*").await;
    assert!(page.starts_with("HTTP/1.1 404"), "{page}");
    assert!(page.contains("<!doctype html>") && page.contains("content-security-policy: default-src 'none'"), "{page}");
    let problem = ask(&gateway, "nobody.test", "*/*").await;
    assert!(problem.contains("application/problem+json") && problem.contains("\"code\":\"NoRoute\""), "{problem}");
    assert!(problem.contains("proxy-status: doorstep; error=destination_not_found"), "{problem}");
    let record = gateway.record(|record| record["refusal"] == "NoRoute").await;
    assert_eq!(record["status"], 404);
    gateway.stop().await;
}

#[tokio::test]
async fn an_environment_that_cannot_answer_says_why() {
    let gateway = Gateway::with(&[], crashing(), impatient(), None);
    for host in ["fronthaimaz.int.test", "frontanna.int.test"] {
        let problem = ask(&gateway, host, "*/*").await;
        assert!(problem.starts_with("HTTP/1.1 503") && problem.contains("retry-after: 2"), "{problem}");
        assert!(problem.contains("\"reason\":\"CrashLoopBackOff\"") && problem.contains("exit code <1>"), "{problem}");
        let page = ask(&gateway, host, "text/html").await;
        assert!(page.contains("keeps crashing") && page.contains("exit code &lt;1&gt;"), "{page}");
    }
    let missing = ask(&gateway, "frontbob.int.test", "text/html").await;
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    assert!(missing.contains("doorstep env deploy integration --user bob"), "{missing}");
    let empty = ask(&gateway, "a.test", "*/*").await;
    assert!(empty.starts_with("HTTP/1.1 503") && empty.contains("\"code\":\"NoEndpoint\""), "{empty}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_path_that_no_rule_takes_is_told_from_a_host_that_nobody_has() {
    let mut routes = complete(routes());
    let claims = Claims::Named(vec![HostClaim::parse("b.test").unwrap()]);
    let mut part = contribution("b", claims, Protocol::Http1);
    part.groups[0].rules[0].matcher.path = PathMatch::prefix("/api");
    routes.apply(part);
    let gateway = Gateway::with(&[], routes, GatewayConfig::default(), None);
    let answer = ask(&gateway, "b.test", "*/*").await;
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("\"code\":\"NoRule\""), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn before_the_first_complete_table_nothing_is_said_not_to_exist() {
    let mut gateway = Gateway::with(&[], routes(), impatient(), None);
    for host in ["nobody.test", "frontbob.int.test"] {
        let answer = ask(&gateway, host, "*/*").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1\r\n"), "{answer}");
        assert!(answer.contains("\"code\":\"GatewayStarting\""), "{answer}");
    }
    let page = ask(&gateway, "nobody.test", "text/html").await;
    assert!(page.contains("http-equiv=\"refresh\"") && page.contains("does not know all routes yet"), "{page}");
    // A rule that is there already is used.
    assert!(ask(&gateway, "a.test", "*/*").await.contains("\"code\":\"NoEndpoint\""));
    gateway.routes.mark_complete();
    gateway.routes.publish(&gateway.table);
    assert!(ask(&gateway, "nobody.test", "*/*").await.starts_with("HTTP/1.1 404"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_port_in_use_names_the_flag_that_changes_it() {
    let gateway = Gateway::new(&[]);
    let taken = gateway.http();
    for (http, https, flag) in [(Some(taken), None, "--http"), (None, Some(taken), "--https")] {
        let config = GatewayConfig { http, https, workers: 2, ..GatewayConfig::default() };
        let log = AccessLog::new(Sink::Off).unwrap();
        let tls = super::protocols::tls_config().0;
        let error = crate::proxy::bind(config, Arc::default(), Some(tls), log).err().unwrap();
        assert!(matches!(error, ProxyError::AddressInUse { .. }), "{error}");
        assert!(error.to_string().contains(flag) && error.to_string().contains(&taken.to_string()), "{error}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn one_that_sleeps_or_has_expired_says_so_and_how_to_get_it_back() {
    let key = |name: &str| EnvironmentKey::from_object_name(name).unwrap();
    let mut routes = complete(routes());
    for (name, wakes) in [("anna-integration", false), ("bob-integration", true)] {
        let (reason, message) = (crate::model::reasons::ASLEEP.into(), "it was not used for 2h".into());
        routes.set_environment(EnvironmentNote { key: key(name), ready: false, reason, message, wakes });
        routes.apply(contribution(name, Claims::Personal(key(name)), Protocol::Http1));
    }
    let (at, message) = ("2026-03-02T10:00:00Z".into(), "it is 14d old".into());
    let class = "integration".parse().unwrap();
    routes.set_expired(&class, vec![ExpiredNote { key: key("carl-integration"), at, message }]);
    let config = impatient();
    let gateway = Gateway::with(&[], routes, config, None);
    let asleep = ask(&gateway, "frontanna.int.test", "*/*").await;
    assert!(asleep.starts_with("HTTP/1.1 503") && !asleep.contains("retry-after"), "{asleep}");
    assert!(
        asleep.contains("\"code\":\"Asleep\"") && asleep.contains("doorstep env wake integration --user anna"),
        "{asleep}"
    );
    let page = ask(&gateway, "frontanna.int.test", "text/html").await;
    assert!(page.contains("This environment is asleep") && !page.contains("http-equiv"), "{page}");
    let waking = ask(&gateway, "frontbob.int.test", "text/html").await;
    assert!(waking.contains("This environment is waking up") && waking.contains("http-equiv=\"refresh\""), "{waking}");
    let expired = ask(&gateway, "frontcarl.int.test", "*/*").await;
    assert!(expired.starts_with("HTTP/1.1 410") && expired.contains("cache-control: no-store"), "{expired}");
    assert!(expired.contains("it is 14d old") && expired.contains("env deploy integration --user carl"), "{expired}");
    let page = ask(&gateway, "frontcarl.int.test", "text/html").await;
    assert!(page.contains("This environment has expired") && page.contains("2026-03-02T10:00:00Z"), "{page}");
    gateway.stop().await;
}
