//! An environment whose lifetime ends is warned, expires, is gone from the cluster and from DNS, and its host says so; extended
//! ones stay.

use crate::name_server::{Make, NameServer, ZONE, base64, secret};
use crate::setting::{DAY, HOUR, Setting, eventually, name};
use doorstep::model::later;
use k8s_openapi::api::apps::v1::{ControllerRevision, Deployment};
use k8s_openapi::api::core::v1::{Pod, Service};
use serde_json::json;
use std::path::{Path, PathBuf};

const TARGET: &str = "192.0.2.10";

/// A file of DNS by which each environment has a record at `server`.
fn dns_file(server: &NameServer, folder: &Path) -> PathBuf {
    let (file, key) = (folder.join("dns.yaml"), folder.join("key"));
    std::fs::write(&key, base64(&secret("one"))).unwrap();
    let text = json!({
        "owner": "life", "confirm": {"percent": 100},
        "defaults": {"mode": "record", "target": [TARGET], "ttlSeconds": 60},
        "zones": [{"zone": ZONE, "rfc2136": {
            "server": server.address.to_string(), "key": "one", "algorithm": "hmac-sha256", "secretFile": key}}],
    });
    std::fs::write(&file, text.to_string()).unwrap();
    file
}

/// Waits until the name server answers so who asks for the host of `user`.
async fn until_resolved(server: &NameServer, user: &str, code: &str, addresses: &[&str]) {
    eventually(&format!("{code} for the host of {user}"), async || {
        let answer = server.resolve(&format!("front{user}.{ZONE}"));
        if answer.0 == code && answer.1 == addresses { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_expires_with_warnings_and_the_extended_and_the_pinned_one_stay() {
    let (server, folder) = (NameServer::start(Make::Bind), tempfile::tempdir().unwrap());
    let foreign = server.records();
    let it = Setting::start_at("example.test", Some(dns_file(&server, folder.path()))).await;
    it.class("integration", json!({"life": {"max": "14d", "warnings": ["1d", "1h"]}})).await;
    for user in ["haimaz", "chanigo", "anna"] {
        it.make(user).await;
    }
    it.ask("anna", json!({"pinned": true})).await;
    for user in ["haimaz", "chanigo", "anna"] {
        it.until_ready(user).await;
        it.until_host(user, 200, "").await;
        until_resolved(&server, user, "NOERROR", &[TARGET]).await;
    }
    let made = it.clock.now();

    // Warned: in the status and by an event, and it still answers.
    it.clock.set(later(made, 13 * DAY + HOUR));
    let status = it.until("haimaz", "is warned", |status| status["life"]["phase"] == "Expiring").await;
    assert!(status["life"]["message"].as_str().unwrap().contains("14d old"), "{status}");
    assert_eq!(status["life"]["warnedBefore"], "1d");
    it.until("anna", "is pinned", |status| status["life"]["phase"] == "Active").await;
    eventually("the event of the warning", async || {
        let events = it.events("haimaz").await;
        if events.contains(&"Expiring".to_owned()) { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;
    it.until_host("haimaz", 200, "").await;
    until_resolved(&server, "haimaz", "NOERROR", &[TARGET]).await;

    // Extended: it is active again.
    it.ask("chanigo", json!({"expiresAt": later(made, 20 * DAY).round(jiff::Unit::Second).unwrap()})).await;
    it.until("chanigo", "is extended", |status| status["life"]["phase"] == "Active").await;

    // The end: gone with all that belonged to it, and its host says so to programs and to browsers.
    it.clock.set(later(made, 14 * DAY + HOUR));
    it.until_gone("haimaz").await;
    eventually("the end of all that belonged to it", async || {
        let left = [
            it.count::<Deployment>("haimaz").await,
            it.count::<Service>("haimaz").await,
            it.count::<Pod>("haimaz").await,
            it.count::<ControllerRevision>("haimaz").await,
        ];
        if left == [0; 4] { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    until_resolved(&server, "haimaz", "NXDOMAIN", &[]).await;
    let problem = it.until_host("haimaz", 410, "\"code\":\"Expired\"").await;
    assert!(problem.text.contains("14d old") && problem.text.contains("doorstep env deploy integration --user haimaz"));
    let page = it.ask_host("haimaz", "text/html").await;
    assert!(page.status == 410 && page.text.contains("This environment has expired"), "{page:?}");
    for user in ["chanigo", "anna"] {
        assert!(it.one(user).await.is_some(), "{user} stays");
        it.until_host(user, 200, "").await;
        until_resolved(&server, user, "NOERROR", &[TARGET]).await;
    }
    let ours: Vec<String> = server.records().difference(&foreign).cloned().collect();
    assert!(
        ours.len() == 4 && ours.iter().all(|line| !line.contains("haimaz")),
        "two records and their marks: {ours:?}"
    );
    assert!(foreign.is_subset(&server.records()), "what is of others stays");

    // Made anew, it answers; and what was told of it is forgotten. By the clock that is held, it is two weeks old already.
    it.class("integration", json!({"life": {"max": "90d", "extendTo": "180d"}})).await;
    it.make("haimaz").await;
    it.until_ready("haimaz").await;
    it.until_host("haimaz", 200, "").await;
    until_resolved(&server, "haimaz", "NOERROR", &[TARGET]).await;
    it.clock.set(later(made, 15 * DAY));
    eventually("that nobody tells of the old one any more", async || {
        let class = it.classes().get("integration").await.unwrap();
        let expired = class.status.map(|status| status.expired).unwrap_or_default();
        let key = format!("default/{}", name("haimaz"));
        if expired.contains_key(&key) { Err(format!("{expired:?}")) } else { Ok(()) }
    })
    .await;
    it.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_one_is_forgotten_after_its_time_and_nobody_loses_one_unwarned() {
    let it = Setting::start().await;
    it.make("haimaz").await;
    it.until_ready("haimaz").await;
    let made = it.clock.now();
    // Its class comes to it late: it would be long over.
    it.clock.set(later(made, 60 * DAY));
    it.class("integration", json!({"life": {"max": "14d", "warnings": ["1h"], "remember": "2d"}})).await;
    it.until("haimaz", "is warned first", |status| status["life"]["phase"] == "Expiring").await;
    it.clock.advance(HOUR);
    it.until_gone("haimaz").await;
    it.until_host("haimaz", 410, "Expired").await;
    it.clock.advance(2 * DAY);
    it.until_host("haimaz", 404, "NoEnvironment").await;
    it.stop().await;
}
