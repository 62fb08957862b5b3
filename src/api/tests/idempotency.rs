//! A call that a process has done, and died before it could say so.

use super::*;
use crate::api::change::change;
use crate::api::etag::Conditions;
use crate::api::idempotency::with_mark;
use crate::model::EnvironmentKey;
use crate::resources::EnvironmentSpec;
use axum::http::HeaderMap;

#[tokio::test]
async fn what_a_call_with_a_key_writes_carries_its_mark() {
    let setting = setting().await;
    let put = authorized("PUT", PLACE).header("content-type", "application/json").header("idempotency-key", "one");
    let body = json!({"parameters": {"TAG_FRONT": "1"}}).to_string();
    assert_eq!(setting.send(put, body).await.status(), StatusCode::CREATED);
    let object = setting.environments().get("haimaz-integration").await.unwrap();
    let annotations = object.metadata.annotations.unwrap_or_default();
    assert!(annotations.contains_key(crate::resources::labels::LAST_CALL), "{annotations:?}");
}

#[tokio::test]
async fn what_was_written_and_not_answered_is_not_done_twice() {
    let setting = setting().await;
    let put = setting.put(json!({"TAG_FRONT": "1"})).await;
    assert!(put.0.is_success(), "{put:?}");
    let key = EnvironmentKey::from_object_name("haimaz-integration").unwrap();
    // Like going back by one revision: done twice, it is something else.
    let longer = |spec: &mut EnvironmentSpec| {
        spec.parameters.entry("TAG_FRONT".to_owned()).or_default().push('x');
        Ok(())
    };
    let none = Conditions::of(&HeaderMap::new());
    let tag = |changed: Result<crate::api::change::Changed, Problem>| {
        changed.unwrap().object.spec.parameters.get("TAG_FRONT").cloned().unwrap_or_default()
    };
    for (mark, expected) in [("one", "1x"), ("one", "1x"), ("two", "1xx"), ("two", "1xx")] {
        let changed = with_mark(mark.to_owned(), change(&setting.state, &key, &none, longer)).await;
        assert_eq!(tag(changed), expected, "{mark}");
    }
    assert_eq!(
        tag(change(&setting.state, &key, &none, longer).await),
        "1xxx",
        "a call without a key is done whenever it is made"
    );
}
