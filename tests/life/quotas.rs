//! One that would take more than there is for it is not made, and is made when there is room.

use crate::setting::{Setting, reason};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn the_one_too_many_waits_for_room() {
    let it = Setting::start().await;
    // The shipped class requests 64Mi for each.
    it.class("integration", json!({"quota": {"memory": "128Mi"}})).await;
    for user in ["haimaz", "chanigo"] {
        it.make(user).await;
        it.until_ready(user).await;
    }
    it.make("anna").await;
    let status = it.until("anna", "is refused", |status| reason(status) == "QuotaExceeded").await;
    let said = status["conditions"][0]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("would request 192Mi of memory, and 128Mi is the most"), "{said}");
    assert_eq!(it.count::<Pod>("anna").await, 0);
    // A quota takes nothing away.
    it.class("integration", json!({"quota": {"memory": "64Mi"}})).await;
    it.until("chanigo", "stays", |status| reason(status) == "Serving").await;
    it.class("integration", json!({"quota": {"memory": "128Mi"}})).await;
    it.delete("haimaz").await;
    it.until_ready("anna").await;
    it.stop().await;
}
