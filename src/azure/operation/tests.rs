//! The pure part of long-running operations: header fields and words, as recorded and as others use them.

use super::*;
use crate::azure::path::ResourcePath;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

const RESOURCE: &str = "https://m.example/subscriptions/s/x/y?api-version=1";

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: Value) -> Answer {
    let field =
        |(name, value): &(&'static str, &'static str)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    Answer { status, headers: headers.iter().map(field).collect::<HeaderMap>(), body }
}

fn call(method: Method) -> Call {
    Call::new(Service::PrivateDns, method, ResourcePath::of_subscription("s").unwrap().child("x", "y").unwrap())
}

fn begun(method: Method, answer: Answer) -> (Handle, Duration) {
    match Started::of(&call(method), RESOURCE, answer).unwrap() {
        Started::Running(handle, wait) => (handle, wait),
        Started::Done(body) => panic!("done with {body}"),
    }
}

/// As recorded of a private zone's PUT: 202, `{}`, both fields.
fn recorded(method: Method) -> (Handle, Duration) {
    let headers = [
        ("azure-asyncoperation", "https://m.example/statuses/1?t=1&s=SIGNED"),
        ("location", "https://m.example/results/1?t=1&s=SIGNED"),
        ("retry-after", "30"),
    ];
    begun(method, answer(202, &headers, json!({})))
}

#[test]
fn the_status_url_is_preferred_and_the_result_is_the_resource_itself() {
    let (handle, wait) = recorded(Method::Put);
    assert_eq!((handle.follow, handle.result.as_deref()), (Follow::AsyncOperation, Some(RESOURCE)));
    assert_eq!(wait, Duration::from_secs(30));
}

#[test]
fn after_a_deletion_the_result_is_where_location_says() {
    let (handle, _) = recorded(Method::Delete);
    assert_eq!(handle.result.as_deref(), Some("https://m.example/results/1?t=1&s=SIGNED"));
}

#[test]
fn a_handle_survives_storing_and_shows_no_signature() {
    let (handle, _) = recorded(Method::Put);
    assert!(!format!("{handle:?}").contains("SIGNED"), "{handle:?}");
    let stored = serde_json::to_string(&handle).unwrap();
    assert!(stored.contains("SIGNED"), "the URL is kept whole");
    assert_eq!(serde_json::from_str::<Handle>(&stored).unwrap(), handle);
}

#[test]
fn words_of_a_status_end_it_or_not() {
    let (handle, _) = recorded(Method::Put);
    for (said, ended) in [
        ("InProgress", None),
        ("Accepted", None),
        ("some new word", None),
        ("Succeeded", Some(true)),
        ("completed", Some(true)),
        ("Failed", Some(false)),
        ("Canceled", Some(false)),
        ("Cancelled", Some(false)),
    ] {
        let step = handle.step(&answer(200, &[], json!({"status": said, "error": {"code": "Why"}})));
        match (step, ended) {
            (Step::Running(..), None) | (Step::Succeeded(_), Some(true)) => {}
            (Step::Failed { canceled, error }, Some(false)) => {
                assert_eq!((canceled, error.code.as_str()), (said.starts_with("Cancel"), "Why"));
            }
            (step, _) => panic!("{said}: {step:?}"),
        }
    }
    assert_eq!(handle.step(&answer(200, &[], Value::Null)), Step::Succeeded(Value::Null), "an empty body is success");
}

#[test]
fn location_is_followed_from_url_to_url_until_it_is_no_202() {
    let (handle, wait) = begun(
        Method::Delete,
        answer(202, &[("location", "https://m.example/r/1"), ("retry-after", "15")], Value::Null),
    );
    assert_eq!((handle.follow, wait), (Follow::Location, Duration::from_secs(15)));
    let Step::Running(next, _) = handle.step(&answer(202, &[("location", "https://m.example/r/2")], Value::Null))
    else {
        panic!("it goes on");
    };
    assert_eq!(next.url, "https://m.example/r/2");
    assert_eq!(next.step(&answer(204, &[], Value::Null)), Step::Succeeded(Value::Null));
}

#[test]
fn a_resource_that_is_being_made_is_looked_at_itself() {
    let creating = json!({"properties": {"provisioningState": "Creating"}});
    let (handle, wait) = begun(Method::Put, answer(201, &[], creating));
    assert_eq!((handle.follow, handle.url.as_str(), wait), (Follow::Resource, RESOURCE, UNSAID_WAIT));
    let failed = json!({"properties": {"provisioningState": "Failed"}});
    assert!(matches!(handle.step(&answer(200, &[], failed)), Step::Failed { canceled: false, .. }));
    // Without the word it is done.
    let done = Started::of(&call(Method::Put), RESOURCE, answer(200, &[], json!({"properties": {}}))).unwrap();
    assert!(matches!(done, Started::Done(_)));
}

#[test]
fn waits_are_bounded_and_a_202_without_a_way_on_is_told() {
    for (told, wait) in [("0", SHORTEST_WAIT), ("999999", LONGEST_WAIT), ("soon", UNSAID_WAIT)] {
        let headers = [("location", "https://m.example/r/1"), ("retry-after", told)];
        assert_eq!(begun(Method::Post, answer(202, &headers, Value::Null)).1, wait, "{told}");
    }
    let error = Started::of(&call(Method::Post), RESOURCE, answer(202, &[], Value::Null)).unwrap_err();
    assert!(error.to_string().contains("neither"), "{error}");
}
