//! An environment sleeps and keeps everything; it wakes by call, by a request, and when work begins.

use crate::setting::{HOUR, Setting, eventually, reason};
use doorstep::resources::EnvironmentUse;
use k8s_openapi::api::apps::v1::{ControllerRevision, Deployment};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{Api, ListParams};
use serde_json::json;

async fn until_no_pods(it: &Setting) {
    eventually("the end of its pods", async || match it.count::<Pod>("haimaz").await {
        0 => Ok(()),
        left => Err(left.to_string()),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sleeps_and_wakes_by_call_and_by_request() {
    let it = Setting::start().await;
    it.make("haimaz").await;
    it.until_ready("haimaz").await;
    it.ask("haimaz", json!({"sleeping": true})).await;
    it.until("haimaz", "sleeps", |status| reason(status) == "Asleep" && status["life"]["phase"] == "Asleep").await;
    until_no_pods(&it).await;
    let kept = [
        it.count::<Deployment>("haimaz").await,
        it.count::<Service>("haimaz").await,
        it.count::<ControllerRevision>("haimaz").await,
    ];
    assert_eq!(kept, [1, 1, 1], "everything else is kept");
    let problem = it.until_host("haimaz", 503, "\"code\":\"Asleep\"").await;
    assert!(problem.text.contains("doorstep env wake integration --user haimaz"), "{problem:?}");
    let page = it.ask_host("haimaz", "text/html").await;
    assert!(page.text.contains("This environment is asleep") && !page.text.contains("http-equiv"), "{page:?}");

    it.ask("haimaz", json!({"sleeping": false, "wokenAt": it.clock.second()})).await;
    it.until_ready("haimaz").await;
    it.until_host("haimaz", 200, "1.4.2").await;

    // Now a request may wake it, and is answered by it.
    it.class("integration", json!({"life": {"wakeOnRequest": true}, "waitSeconds": 60})).await;
    it.ask("haimaz", json!({"sleeping": true})).await;
    it.until("haimaz", "sleeps lightly", |status| status["life"]["wakesOnRequest"] == true).await;
    until_no_pods(&it).await;
    let answer = it.until_host("haimaz", 200, "1.4.2").await;
    assert!(answer.text.contains("haimaz"), "{answer:?}");
    it.until_ready("haimaz").await;
    assert!(!it.one("haimaz").await.unwrap().spec.sleeping);
    assert_eq!(it.count::<ControllerRevision>("haimaz").await, 1, "to sleep is no revision");
    let events = it.events("haimaz").await;
    assert!(["Asleep", "Woken"].iter().all(|reason| events.contains(&(*reason).to_owned())), "{events:?}");
    assert!(!events.contains(&"Repaired".to_owned()), "{events:?}");
    it.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unused_one_falls_asleep_and_a_used_one_does_not() {
    let it = Setting::start().await;
    it.class("integration", json!({"life": {"sleepAfter": "2h"}})).await;
    for user in ["haimaz", "chanigo"] {
        it.make(user).await;
        it.until_ready(user).await;
    }
    let uses: Api<EnvironmentUse> = Api::namespaced(it.client.clone(), "default");
    it.until_host("haimaz", 200, "").await;
    // Nothing is concluded from want of use before a gateway tells of it.
    eventually("the marks of the gateway", async || {
        let all = uses.list(&ListParams::default()).await.unwrap().items;
        let marked = all.iter().any(|object| object.spec.environments.contains_key("haimaz-integration"));
        if marked { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await;
    it.clock.advance(HOUR);
    it.until_host("haimaz", 200, "").await;
    eventually("the mark of the second use", async || {
        // A worker hands over what it saw within a second; each setting of the clock, to the same time too, has it written.
        it.clock.set(it.clock.now());
        let all = uses.list(&ListParams::default()).await.unwrap().items;
        let marks: Vec<_> =
            all.iter().filter_map(|object| object.spec.environments.get("haimaz-integration")).collect();
        let recent = marks
            .iter()
            .filter_map(|mark| mark.last_used_at.as_ref())
            .any(|time| doorstep::model::between(time.0, it.clock.now()) < HOUR);
        if recent { Ok(()) } else { Err(format!("{marks:?}")) }
    })
    .await;
    it.clock.advance(HOUR + HOUR / 2);
    let status = it.until("chanigo", "falls asleep", |status| reason(status) == "Asleep").await;
    assert!(status["life"]["message"].as_str().unwrap().contains("not used for 2h"), "{status}");
    it.until("haimaz", "stays awake", |status| reason(status) == "Serving").await;
    it.until_host("haimaz", 200, "").await;
    it.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_makes_its_pods_anew_and_no_revision() {
    let it = Setting::start().await;
    it.make("haimaz").await;
    it.until_ready("haimaz").await;
    let pods: Api<Pod> = Api::namespaced(it.client.clone(), "default");
    let names = async || {
        let of_user = ListParams::default().labels("doorstep.dev/user=haimaz");
        let all = pods.list(&of_user).await.unwrap().items;
        all.into_iter().filter_map(|pod| pod.metadata.name).collect::<Vec<_>>()
    };
    let before = names().await;
    it.ask("haimaz", json!({"restartedAt": it.clock.second()})).await;
    eventually("other pods", async || {
        let now = names().await;
        if now.len() == 1 && now != before { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    it.until_ready("haimaz").await;
    it.until_host("haimaz", 200, "").await;
    assert_eq!(it.count::<ControllerRevision>("haimaz").await, 1);
    let events = it.events("haimaz").await;
    assert!(!events.contains(&"Repaired".to_owned()), "{events:?}");
    it.stop().await;
}
