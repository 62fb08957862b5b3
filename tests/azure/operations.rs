//! Long-running operations: a zone is made and removed, as recorded.

use crate::answers::zone;
use crate::emulator::{Emulator, Reply, ZONE};
use doorstep::azure::{Arm, AzureError, Call, Handle, Method, Service, Started, Step};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(600);

fn put() -> Call {
    Call::new(Service::PrivateDns, Method::Put, zone()).body(json!({"location": "global"}))
}

#[tokio::test]
async fn a_zone_is_made_and_what_it_became_is_read_at_the_end() {
    let emulator = Emulator::start(200).await;
    let arm = emulator.arm();
    let started = arm.begin(&put()).await.unwrap();
    let mut kept = Vec::new();
    let made = arm.wait(started, PATIENCE, |handle| kept.push(handle.clone())).await.unwrap();
    assert_eq!(made["properties"]["provisioningState"], "Succeeded");
    assert!(!kept.is_empty());
    let state = emulator.state();
    assert!(state.violations.is_empty(), "{:?}", state.violations);
    // 45 s at looks every 30 s: two looks and the final one.
    assert_eq!((state.calls("PUT"), state.calls("GET")), (1, 3));
    assert!(state.seen.iter().any(|seen| seen.query.len() > 3_000), "signed queries are long");
}

#[tokio::test]
async fn an_operation_is_taken_up_by_another_process_from_its_stored_handle() {
    let emulator = Emulator::start(200).await;
    let Started::Running(handle, wait) = emulator.arm().begin(&put()).await.unwrap() else { panic!("202") };
    assert_eq!(wait, Duration::from_secs(30));
    let stored = serde_json::to_string(&handle).unwrap();
    assert!(!format!("{handle:?}").contains("sIgn"));
    let (handle, arm): (Handle, Arm) = (serde_json::from_str(&stored).unwrap(), emulator.arm());
    let made = arm.wait(Started::Running(handle, wait), PATIENCE, |_| ()).await.unwrap();
    assert_eq!(made["name"], ZONE);
    assert_eq!(emulator.state().calls("PUT"), 1);
}

#[tokio::test]
async fn an_operation_that_fails_says_why_and_a_look_that_fails_is_not_its_failure() {
    let emulator = Emulator::start(200).await;
    let arm = emulator.arm();
    let Started::Running(handle, wait) = arm.begin(&put()).await.unwrap() else { panic!("202") };
    emulator.state().scripted.push_back(Reply::error(403, "Forbidden", "not now"));
    assert!(matches!(arm.look_at(&handle).await, Err(AzureError::Refused { status: 403, .. })));
    assert!(matches!(arm.look_at(&handle).await, Ok(Step::Running(..))));
    emulator.state().operations.values_mut().for_each(|operation| operation.word = "Failed");
    let error = arm.wait(Started::Running(handle, wait), PATIENCE, |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("failed: ZoneLimit: There are too many zones."), "{error}");
}

#[tokio::test]
async fn a_removal_ends_where_location_says_and_one_that_takes_too_long_goes_on() {
    let emulator = Emulator::start(200).await;
    emulator.state().make_zone(ZONE, true);
    let arm = emulator.arm();
    let delete = Call::new(Service::PrivateDns, Method::Delete, zone());
    let started = arm.begin(&delete).await.unwrap();
    let short = arm.wait(started.clone(), Duration::from_secs(1), |_| ()).await.unwrap_err();
    assert!(short.to_string().contains("it goes on"), "{short}");
    assert_eq!(arm.wait(started, PATIENCE, |_| ()).await.unwrap(), Value::Null);
    // What is gone already is gone at once.
    assert_eq!(arm.begin(&delete).await.unwrap(), Started::Done(Value::Null));
}
