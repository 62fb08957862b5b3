//! What the gateway says itself.

use super::harness::*;
use crate::model::EnvironmentKey;
use crate::proxy::{GatewayConfig, ProxyError};
use crate::routing::EnvironmentNote;
use crate::telemetry::access_log::{AccessLog, Sink};
use std::sync::Arc;

fn hosts() -> Hosts {
    let mut hosts = Hosts::default();
    let crashing = EnvironmentKey::from_object_name("haimaz-integration").unwrap();
    let missing = EnvironmentKey::from_object_name("haimaz-staging").unwrap();
    let note = EnvironmentNote {
        key: crashing.clone(),
        ready: false,
        reason: "CrashLoopBackOff".into(),
        message: "exit code <1>".into(),
    };
    hosts.notes.insert(crashing.clone(), Arc::new(note));
    hosts.personal.insert("crashing.test".into(), crashing.clone());
    hosts.personal.insert("missing.test".into(), missing);
    hosts.rules.insert("empty.test".into(), rule(&cluster("empty"), Some(crashing)));
    hosts
}

async fn ask(gateway: &Gateway, host: &str, accept: &str) -> String {
    let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    gateway.raw(request.as_bytes()).await
}

#[tokio::test]
async fn a_browser_gets_a_page_and_a_program_a_problem() {
    let gateway = Gateway::with(&[], hosts(), GatewayConfig::default(), None);
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
    let gateway = Gateway::with(&[], hosts(), GatewayConfig::default(), None);
    for host in ["crashing.test", "empty.test"] {
        let problem = ask(&gateway, host, "*/*").await;
        assert!(problem.starts_with("HTTP/1.1 503") && problem.contains("retry-after: 2"), "{problem}");
        assert!(problem.contains("\"reason\":\"CrashLoopBackOff\"") && problem.contains("exit code <1>"), "{problem}");
        let page = ask(&gateway, host, "text/html").await;
        assert!(page.contains("keeps crashing") && page.contains("exit code &lt;1&gt;"), "{page}");
    }
    let missing = ask(&gateway, "missing.test", "text/html").await;
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    assert!(missing.contains("doorstep env deploy staging --user haimaz"), "{missing}");
    let empty = ask(&gateway, "a.test", "*/*").await;
    assert!(empty.starts_with("HTTP/1.1 503") && empty.contains("\"code\":\"NoEndpoint\""), "{empty}");
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
