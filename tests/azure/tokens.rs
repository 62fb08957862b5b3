//! Tokens: by a secret in a file, by an assertion in a file; asked for once, and not shown.

use crate::answers::record;
use crate::emulator::{Emulator, SECRET, ZONE};
use doorstep::azure::{Arm, AzureError, Call, Method, Service};
use serde_json::json;
use std::time::Duration;

fn look() -> Call {
    Call::new(Service::PrivateDns, Method::Get, record("SOA", "@"))
}

#[tokio::test]
async fn many_calls_at_once_ask_for_one_token() {
    let emulator = Emulator::start(1_000).await;
    emulator.state().make_zone(ZONE, true);
    let arm = emulator.arm();
    let all = (0..20).map(|_| {
        let arm = arm.clone();
        async move { arm.send(&look()).await.map(drop) }
    });
    for done in futures::future::join_all(all).await {
        done.unwrap();
    }
    assert_eq!(emulator.state().token_calls, 1);
}

#[tokio::test]
async fn a_wrong_secret_is_told_without_the_secret_and_the_issuer_is_left_alone_for_a_while() {
    let emulator = Emulator::start(1).await;
    emulator.state().make_zone(ZONE, true);
    emulator.state().secret = "rotated".to_owned();
    let arm = emulator.arm();
    for _ in 0..10 {
        let error = arm.send(&look()).await.unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, AzureError::Credential { .. }), "{said}");
        assert!(said.contains("AADSTS7000215") && !said.contains(SECRET), "{said}");
    }
    assert_eq!(emulator.state().token_calls, 1, "nine of ten were answered from memory");
}

#[tokio::test]
async fn a_rotated_secret_is_read_from_its_file_again() {
    let emulator = Emulator::start(1_000).await;
    emulator.state().make_zone(ZONE, true);
    let arm = emulator.arm();
    arm.send(&look()).await.unwrap();
    emulator.state().secret = "rotated".to_owned();
    std::fs::write(emulator.secret_file(), "rotated").unwrap();
    // A token lasts an hour of the emulator's time, and is renewed before it ends.
    emulator.clock.sleep(Duration::from_secs(3_600)).await;
    arm.send(&look()).await.unwrap();
    assert_eq!(emulator.state().token_calls, 2);
}

#[tokio::test]
async fn workload_identity_gives_the_assertion_of_its_file() {
    let emulator = Emulator::start(1_000).await;
    emulator.state().make_zone(ZONE, true);
    let file = emulator.folder().join("federated");
    let credential = json!({"workloadIdentity": {"tenant": "tenant-1", "client": "client-1", "tokenFile": file}});
    let settings = emulator.settings_with(&credential);
    let arm = Arm::new(&settings, emulator.clock.clone()).unwrap();
    let said = arm.send(&look()).await.unwrap_err().to_string();
    assert!(said.contains("workload identity") && said.contains("federated"), "{said}");
    std::fs::write(&file, "assertion-1").unwrap();
    emulator.clock.sleep(Duration::from_secs(10)).await;
    arm.send(&look()).await.unwrap();
    assert!(emulator.state().violations.is_empty(), "{:?}", emulator.state().violations);
}
