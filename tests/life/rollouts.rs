//! A changed class rolls through its environments, a few at a time, and stops at the first failures.

use crate::setting::{Setting, eventually, reason};
use doorstep::resources::RolloutStatus;
use serde_json::json;

const USERS: [&str; 4] = ["u1", "u2", "u3", "u4"];

async fn rollout(it: &Setting, what: &str, is: impl Fn(&RolloutStatus) -> bool) -> RolloutStatus {
    eventually(what, async || {
        let class = it.classes().get("integration").await.unwrap();
        let told = class.status.clone().and_then(|status| status.rollout).map(|rollout| *rollout);
        match told {
            Some(told) if Some(told.generation) == class.metadata.generation && is(&told) => Ok(told),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_change_stops_at_its_first_failure_and_a_good_one_goes_through() {
    let it = Setting::start().await;
    it.class("integration", json!({"rollout": {"maxInFlight": 1}})).await;
    for user in USERS {
        it.make(user).await;
        it.until_ready(user).await;
    }
    let bad = json!({"command": ["sh", "-c", "exit 3"]});
    it.class("integration", json!({"local": bad})).await;
    let told = rollout(&it, "that it stops", |told| told.stopped).await;
    assert_eq!((told.total, told.failed, told.in_flight, told.pending), (4, 1, 0, 3), "{told:?}");
    let class = it.classes().get("integration").await.unwrap();
    let conditions = class.status.unwrap().conditions;
    let condition = conditions.iter().find(|condition| condition.type_ == "RolledOut").unwrap();
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "Stopped"));
    assert!(condition.message.contains(&told.failures[0]), "{}", condition.message);
    // All of them answer: three by the class as it was, and the failed one by the pod that it had.
    let mut serving = 0;
    for user in USERS {
        it.until_host(user, 200, "1.4.2").await;
        serving += usize::from(reason(&serde_json::to_value(it.one(user).await.unwrap().status).unwrap()) == "Serving");
    }
    assert_eq!(serving, 3);
    // Who extends or restarts one of them keeps it as it was.
    let stays = USERS.iter().find(|user| !told.failures[0].contains(**user)).unwrap();
    it.ask(stays, json!({"pinned": true, "restartedAt": it.clock.second()})).await;
    it.until(stays, "is restarted as it was", |status| {
        reason(status) == "Serving" && status["conditions"][0]["message"].to_string().contains("is not rolled out here")
    })
    .await;
    it.until_host(stays, 200, "1.4.2").await;
    assert_eq!(rollout(&it, "that it is stopped still", |told| told.stopped).await.pending, 3);

    it.class(
        "integration",
        json!({"local": {"command": ["doorstep", "sample-front"], "env": [{"name": "A", "value": "b"}]}}),
    )
    .await;
    let told = rollout(&it, "that it is complete", |told| told.done == 4).await;
    assert_eq!((told.failed, told.pending, told.stopped), (0, 0, false), "{told:?}");
    for user in USERS {
        it.until_ready(user).await;
    }
    it.stop().await;
}
