//! A call that a process has done, and died before it could say so.

use super::*;
use crate::api::change::change;
use crate::api::etag::Conditions;
use crate::api::idempotency::with_mark;
use crate::model::EnvironmentKey;
use crate::resources::EnvironmentSpec;
use crate::resources::labels::LAST_CALL;
use axum::http::HeaderMap;
use jiff::Timestamp;
use kube::ResourceExt as _;

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

#[tokio::test]
async fn a_call_leaves_its_mark_through_all_layers_and_is_known_by_it_when_its_answer_was_not_kept() {
    let setting = setting().await;
    let put = async |key: &str, tag: &str| {
        let request = authorized("PUT", PLACE).header("content-type", "application/json");
        let body = json!({"parameters": {"TAG_FRONT": tag}}).to_string();
        read(setting.send(request.header("idempotency-key", key), body).await).await
    };
    let mark = async || {
        let object = setting.environments().get("haimaz-integration").await.unwrap();
        (object.annotations().get(LAST_CALL).cloned(), object.metadata.resource_version)
    };
    assert_eq!(put("one", "1").await.0, StatusCode::CREATED);
    let first = mark().await;
    assert!(first.0.is_some(), "the mark is written with the change");
    // As if the process had died before it kept the answer.
    setting.store.idempotency().forget(Timestamp::MAX).await.unwrap();
    assert!(put("one", "1").await.0.is_success());
    assert_eq!(mark().await, first, "nothing is written again");
    assert!(put("two", "2").await.0.is_success());
    assert_ne!(mark().await.0, first.0, "another call has another mark");
}
