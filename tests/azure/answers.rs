//! What the client makes of answers, and of their lack.

use crate::emulator::{Emulator, GROUP, Reply, SUBSCRIPTION, State, ZONE};
use doorstep::azure::{Arm, AzureError, Call, Condition, Method, ResourcePath, Service, Settings, Settled};
use futures::StreamExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub fn record(kind: &str, name: &str) -> ResourcePath {
    zone().child(kind, name).unwrap()
}

pub fn zone() -> ResourcePath {
    let group = ResourcePath::of_subscription(SUBSCRIPTION).unwrap().group(GROUP).unwrap();
    group.provider("Microsoft.Network").unwrap().child("privateDnsZones", ZONE).unwrap()
}

fn put(name: &str) -> Call {
    let body = json!({"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.1"}]}});
    Call::new(Service::PrivateDns, Method::Put, record("A", name)).body(body).condition(Condition::Absent)
}

fn get(name: &str) -> Call {
    Call::new(Service::PrivateDns, Method::Get, record("A", name))
}

/// Applied if there is a record; the tests have no other writer.
fn settle(found: Option<&Value>) -> Settled {
    if found.is_some() { Settled::Applied } else { Settled::NotApplied }
}

async fn with_zone(factor: u32) -> (Emulator, Arm) {
    let emulator = Emulator::start(factor).await;
    emulator.state().make_zone(ZONE, true);
    let arm = emulator.arm();
    (emulator, arm)
}

fn script(emulator: &Emulator, replies: impl IntoIterator<Item = Reply>) {
    emulator.state().scripted.extend(replies);
}

fn calls(state: &State) -> Vec<String> {
    state.seen.iter().map(|seen| format!("{} {}", seen.method, seen.status)).collect()
}

#[tokio::test]
async fn a_write_that_took_effect_and_got_no_answer_is_found_by_a_look_and_not_sent_again() {
    for within in [false, true] {
        let (emulator, arm) = with_zone(100).await;
        emulator.state().faults.lost_after = 1.0;
        emulator.state().random = fastrand::Rng::with_seed(if within { 1 } else { 2 });
        let written = arm.write(&put("x"), settle).await.unwrap();
        assert_eq!(written["name"], "x");
        assert_eq!(emulator.state().calls("PUT"), 1);
        assert_eq!(emulator.state().calls("GET"), 1);
    }
}

#[tokio::test]
async fn a_write_that_got_no_answer_and_had_no_effect_is_sent_again_after_a_look() {
    let (emulator, arm) = with_zone(100).await;
    emulator.state().faults.lost_before = 1.0;
    let writing = tokio::spawn({
        let arm = arm.clone();
        async move { arm.write(&put("x"), settle).await }
    });
    while emulator.state().calls("GET") == 0 {
        tokio::task::yield_now().await;
    }
    emulator.state().faults.lost_before = 0.0;
    assert_eq!(writing.await.unwrap().unwrap()["name"], "x");
    assert_eq!(emulator.state().calls("PUT"), 2);
}

#[tokio::test]
async fn a_write_that_never_gets_an_answer_says_so_and_a_write_is_never_repeated_without_a_look() {
    let (emulator, arm) = with_zone(1_000).await;
    emulator.state().faults.lost_before = 1.0;
    let error = arm.write(&put("x"), settle).await.unwrap_err();
    assert!(matches!(error, AzureError::Lost { .. }), "{error}");
    assert!(error.to_string().contains("whether it took effect is not known"), "{error}");
    let methods: Vec<String> = emulator.state().seen.iter().map(|seen| seen.method.clone()).collect();
    assert!(methods.windows(2).all(|two| two[0] != "PUT" || two[1] == "GET"), "{methods:?}");
}

#[tokio::test]
async fn a_refusal_for_too_many_calls_is_waited_out_as_long_as_the_service_says() {
    let (emulator, arm) = with_zone(100).await;
    script(&emulator, [Reply::throttled(17)]);
    arm.send(&put("x")).await.unwrap();
    let state = emulator.state();
    assert_eq!(calls(&state), ["PUT 429", "PUT 201"]);
    assert!(state.seen[1].at - state.seen[0].at >= Duration::from_secs(17));
    assert_ne!(state.seen[0].client_request_id, state.seen[1].client_request_id, "each attempt has its own id");
}

#[tokio::test]
async fn reads_are_repeated_after_server_errors_and_lost_answers_and_refusals_are_not() {
    let (emulator, arm) = with_zone(100).await;
    arm.send(&put("x")).await.unwrap();
    let busy = Reply::error(409, "RetryableErrorDueToAnotherOperation", "Another operation is in progress.");
    script(&emulator, [Reply::error(503, "ServiceUnavailable", "no"), busy.header("retry-after", "2")]);
    assert_eq!(arm.send(&get("x")).await.unwrap().body["name"], "x");
    assert_eq!(calls(&emulator.state())[1..], ["GET 503", "GET 409", "GET 200"]);
    script(&emulator, [Reply::error(403, "AuthorizationFailed", "The client does not have authorization.")]);
    let error = arm.send(&get("x")).await.unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, AzureError::Refused { status: 403, .. }), "{said}");
    assert!(said.contains("AuthorizationFailed: The client does not have authorization."), "{said}");
}

#[tokio::test]
async fn a_condition_that_does_not_hold_and_a_missing_resource_have_their_own_errors() {
    let (_emulator, arm) = with_zone(100).await;
    let made = arm.send(&put("x")).await.unwrap();
    assert_eq!(made.status, 201);
    assert!(matches!(arm.send(&put("x")).await, Err(AzureError::Precondition { .. })));
    assert!(matches!(arm.send(&get("y")).await, Err(AzureError::Absent { .. })));
}

#[tokio::test]
async fn a_token_that_is_not_taken_any_more_is_replaced_once() {
    let (emulator, arm) = with_zone(100).await;
    arm.send(&put("x")).await.unwrap();
    emulator.state().tokens.clear();
    arm.send(&get("x")).await.unwrap();
    assert_eq!(emulator.state().token_calls, 2);
    assert_eq!(calls(&emulator.state()), ["PUT 201", "GET 401", "GET 200"]);
}

#[tokio::test]
async fn pages_are_followed_to_their_end_on_the_same_origin_only() {
    let (emulator, arm) = with_zone(1_000).await;
    for n in 0..250 {
        let properties = json!({"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.1"}]});
        let mut state = emulator.state();
        let etag = state.next();
        state.zone(ZONE, true).records.put("A", &format!("r{n}"), properties, etag, Duration::ZERO);
    }
    let list = Call::new(Service::PrivateDns, Method::Get, zone().segment("ALL").unwrap());
    let items = arm.list(&list).await.unwrap();
    assert!(items.len() >= 251, "{}", items.len());
    assert_eq!(emulator.state().calls("GET"), 3);
    let page = |next: &str| Reply::json(200, &json!({"value": [], "nextLink": next}));
    for (next, says) in
        [("https://evil.example/more?sig=hidden", "not ARM"), ("http://127.0.0.1/more", "not ARM"), ("more", "no URL")]
    {
        script(&emulator, [page(next)]);
        let said = arm.list(&list).await.unwrap_err().to_string();
        assert!(said.contains(says) && !said.contains("hidden"), "{next}: {said}");
    }
    let origin = format!("https://{}/again", emulator.address);
    script(&emulator, [page(&origin), page(&origin)]);
    assert!(arm.list(&list).await.unwrap_err().to_string().contains("do not end"));
}

#[tokio::test]
async fn answers_that_lie_have_a_sentence() {
    let (emulator, arm) = with_zone(1_000).await;
    let list = Call::new(Service::PrivateDns, Method::Get, zone().segment("ALL").unwrap());
    let text = |body: &str| Reply { body: Some(body.to_owned()), ..Reply::empty(200) };
    for (reply, says) in [
        (text("<html>"), "no JSON"),
        (text("{\"value\": 7}"), "no `value` that is a list"),
        (text("[]"), "no `value` that is a list"),
        (Reply::empty(200), "no `value` that is a list"),
        (text(&"[".repeat(100_000)), "no JSON"),
        (text(&"x".repeat(17 << 20)), "larger than"),
        (Reply::empty(302).header("location", "https://evil.example/"), "status 302"),
    ] {
        script(&emulator, [reply]);
        let error = arm.list(&list).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    // A write whose answer cannot be read may have taken effect.
    script(&emulator, [text("<html>")]);
    assert!(matches!(arm.send(&put("x")).await, Err(AzureError::Lost { .. })));
}

#[tokio::test]
async fn a_server_without_a_certificate_of_the_trusted_authority_gets_no_token() {
    let (emulator, _) = with_zone(1_000).await;
    let other = Emulator::start(1_000).await;
    let settings = Settings { authorities: Some(other.folder().join("authority.pem")), ..emulator.settings() };
    let arm = Arm::new(&settings, emulator.clock.clone()).unwrap();
    let error = arm.send(&get("x")).await.unwrap_err();
    assert!(matches!(error, AzureError::Credential { .. }), "{error}");
    assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");
    assert_eq!(emulator.state().token_calls, 0);
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_told_after_some_attempts() {
    let (emulator, arm) = with_zone(1_000).await;
    arm.send(&put("x")).await.unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut settings = emulator.settings();
    if let doorstep::azure::Cloud::Custom { management, .. } = &mut settings.cloud {
        *management = format!("https://{gone}");
    }
    let arm = Arm::new(&settings, emulator.clock.clone()).unwrap();
    // Nothing was sent, so even a write is not lost.
    let error = arm.send(&put("y")).await.unwrap_err();
    assert!(matches!(error, AzureError::Unavailable { attempts: 6, .. }), "{error}");
}

#[tokio::test]
async fn a_write_that_waited_for_its_budget_is_not_sent_once_another_process_leads() {
    let (emulator, arm) = with_zone(100).await;
    let leads = Arc::new(AtomicBool::new(true));
    let arm = arm.fenced(Arc::new({
        let leads = leads.clone();
        move || leads.load(Ordering::SeqCst)
    }));
    script(&emulator, [Reply::throttled(20)]);
    let writing = tokio::spawn({
        let arm = arm.clone();
        async move { arm.write(&put("x"), settle).await }
    });
    while emulator.state().calls("PUT") == 0 {
        tokio::task::yield_now().await;
    }
    leads.store(false, Ordering::SeqCst);
    assert!(matches!(writing.await.unwrap(), Err(AzureError::Fenced { .. })));
    assert_eq!(emulator.state().calls("PUT"), 1);
    // Reads go on: they change nothing.
    assert!(matches!(arm.send(&get("x")).await, Err(AzureError::Absent { .. })));
}

#[tokio::test]
async fn a_service_that_wants_a_long_rest_gets_it_and_the_caller_is_told_how_long() {
    let (emulator, arm) = with_zone(100).await;
    script(&emulator, [Reply::throttled(9_999_999)]);
    for _ in 0..3 {
        match arm.send(&put("x")).await {
            Err(AzureError::Throttled { after, .. }) => assert!(after > Duration::from_secs(500), "{after:?}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(emulator.state().calls("PUT"), 1, "the others were not even sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_more_to_do_than_the_budget_allows_waits_here_and_is_never_refused_there() {
    let (emulator, arm) = with_zone(25).await;
    let write = |number: usize| {
        let arm = arm.clone();
        async move {
            while let Err(error) = arm.send(&put(&format!("r{number}"))).await {
                let AzureError::Throttled { after, .. } = error else { panic!("{error}") };
                arm.clock().sleep(after).await;
            }
        }
    };
    futures::stream::iter(0..1_400).for_each_concurrent(6, write).await;
    let state = emulator.state();
    let busiest = state.budgets.busiest()["network writes"];
    println!("{busiest} writes in the busiest five minutes, {} s", emulator.clock.now().as_secs());
    assert!(state.budgets.exceeded.is_empty(), "{:?}", state.budgets.exceeded);
    assert!(state.seen.iter().all(|seen| seen.status == 201));
    assert!((900..=1_000).contains(&busiest), "the budget is used, and not more than it: {busiest}");
}
