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
    // The command tells it, and the API refuses it at once.
    let (code, told, _) = it.cli(&["quota", "-o", "json"]).await;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let class = told["classes"].as_array().unwrap().iter().find(|class| class["class"] == "integration").unwrap();
    assert_eq!((code, &class["most"]["memory"]), (0, &json!("128Mi")), "{told}");
    let user = told["users"].as_array().unwrap().iter().find(|user| user["user"] == "haimaz").unwrap();
    assert_eq!((&user["used"]["environments"], &user["used"]["memory"]), (&json!(1), &json!("64Mi")), "{told}");
    let deploy =
        ["env", "deploy", "integration", "--user", "bob", "-p", "TAG_FRONT=1", "-p", "TAG_ASSETS=1", "-p", "VERSION=1"];
    let (code, _, said) = it.cli(&deploy).await;
    assert!(code != 0 && said.contains("and 128Mi is the most"), "{code}: {said}");
    let (code, table, _) = it.cli(&["quota", "--user", "haimaz"]).await;
    assert!(code == 0 && table.contains("user haimaz"), "{table}");
    // A quota takes nothing away.
    it.class("integration", json!({"quota": {"memory": "64Mi"}})).await;
    it.until("chanigo", "stays", |status| reason(status) == "Serving").await;
    it.class("integration", json!({"quota": {"memory": "128Mi"}})).await;
    it.delete("haimaz").await;
    it.until_ready("anna").await;
    it.stop().await;
}
