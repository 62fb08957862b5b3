//! The audit of calls: two records around each that changes something, and none of it without the first.

use super::*;
use crate::store::{Begun, Filter, Order, Outcome, Record, Step, StoreUrl, Target, Who};

async fn records(setting: &Setting) -> Vec<Record> {
    setting.store.audit().list(&Filter { order: Order::Oldest, ..Filter::default() }, 100).await.unwrap()
}

#[tokio::test]
async fn a_change_leaves_how_things_stood_and_how_they_stand() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "1", "VERSION": "1"})).await;
    setting.put(json!({"TAG_FRONT": "2", "VERSION": "1"})).await;
    assert!(setting.call("DELETE", PLACE, None).await.0.is_success());
    let all = records(&setting).await;
    assert_eq!(all.iter().map(|record| record.step).collect::<Vec<_>>(), [Step::Begun, Step::Ended].repeat(3));
    let [made, _, changing, changed, deleting, deleted] = &all[..] else { panic!("{all:?}") };
    assert_eq!((made.action.as_str(), made.who.subject.as_str()), ("PUT /environments/{user}/{class}", "local"));
    let target = Target {
        path: "/environments/haimaz/integration".to_owned(),
        user: Some("haimaz".to_owned()),
        class: Some("integration".to_owned()),
    };
    assert_eq!(made.target, target);
    assert!(made.before.is_none(), "there was none");
    let tag = |value: &Option<Value>| value.as_ref().unwrap()["parameters"]["TAG_FRONT"].clone();
    assert_eq!((tag(&changing.before), tag(&changed.after)), (json!("1"), json!("2")));
    assert_eq!((changed.call.as_str(), changed.status), (changing.call.as_str(), Some(200)));
    assert_eq!(tag(&deleting.before), json!("2"));
    assert_eq!(deleted.result, Some(Outcome::Done));
    assert!(setting.store.audit().verify(None).await.unwrap().faults.is_empty());
}

#[tokio::test]
async fn what_is_refused_is_told_and_what_only_asks_leaves_nothing() {
    let setting = setting().await;
    assert_eq!(setting.put(json!({"VERSION": "1"})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let as_another = Request::builder().method("DELETE").uri(PLACE).header("authorization", "Bearer as-another");
    assert_eq!(setting.send(as_another, Body::empty()).await.status(), StatusCode::FORBIDDEN);
    let nobody = Request::builder().method("DELETE").uri(PLACE).header("authorization", "Bearer wrong");
    assert_eq!(setting.send(nobody, Body::empty()).await.status(), StatusCode::UNAUTHORIZED);
    setting.call("GET", PLACE, None).await;
    setting.call("POST", "/api/v1/explain", Some(&json!({"url": "http://x.localhost/"}))).await;
    let all = records(&setting).await;
    let told: Vec<_> = all.iter().map(|record| (record.step, record.who.subject.as_str(), record.status)).collect();
    let refused = (Step::Ended, "test/another", Some(403));
    assert_eq!(told, [(Step::Begun, "local", None), (Step::Ended, "local", Some(422)), refused]);
    assert!(all[1].said.as_ref().unwrap().contains("TAG_FRONT is required"), "{:?}", all[1]);
    assert!(all[2].said.as_ref().unwrap().contains("is of the user haimaz"), "{:?}", all[2]);
}

#[tokio::test]
async fn without_the_first_record_nothing_is_done() {
    let setting = setting().await;
    let (file, aside) = (setting._folder.path().join("store.db"), setting._folder.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    let (status, problem) = setting.put(json!({"TAG_FRONT": "1"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("store-unavailable")));
    assert!(problem["detail"].as_str().unwrap().contains("nothing was changed"), "{problem}");
    assert!(!problem.to_string().contains("store.db"), "where the store is, is nobody's concern: {problem}");
    assert!(setting.environments().get_opt("haimaz-integration").await.unwrap().is_none());
    assert_eq!(setting.call("GET", "/api/v1/environments", None).await.0, StatusCode::OK, "reading goes on");
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(setting.put(json!({"TAG_FRONT": "1"})).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_call_open() {
    let setting = setting().await;
    let body = json!({"parameters": {"TAG_FRONT": "1"}}).to_string();
    let request = authorized("PUT", PLACE).header("host", "127.0.0.1").header("content-type", "application/json");
    let call = setting.router.clone().oneshot(request.body(Body::from(body)).unwrap());
    let begun = async {
        while records(&setting).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! { biased; () = begun => {}, _ = call => {} }
    let ended = async {
        while records(&setting).await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ended).await.expect("the end of the call");
    assert_eq!(records(&setting).await[1].result, Some(Outcome::Done));
    assert!(setting.environments().get_opt("haimaz-integration").await.unwrap().is_some());
}

#[tokio::test]
async fn a_call_whose_manager_died_ends_with_what_is_seen() {
    let setting = setting().await;
    setting.put(json!({"TAG_FRONT": "7"})).await;
    let folder = tempfile::tempdir().unwrap();
    let url = StoreUrl::in_folder(folder.path());
    let (who, target) = (
        Who { subject: "local".to_owned(), name: "local".to_owned(), through: "data-folder".to_owned() },
        records(&setting).await[0].target.clone(),
    );
    let at = jiff::Timestamp::UNIX_EPOCH;
    let (origin, request, action) = (String::new(), String::new(), "PUT".to_owned());
    let begun = Begun { at, who, origin, request, action, target, before: None };
    let dead = Store::open(&url).await.unwrap();
    dead.audit().begin(begun).await.unwrap();
    drop(dead);
    let store = Store::open(&url).await.unwrap();
    let client = setting.cluster.client();
    assert_eq!(close_interrupted(&store, &client, "default", at).await.unwrap(), 1);
    assert_eq!(close_interrupted(&store, &client, "default", at).await.unwrap(), 0);
    let all = store.audit().list(&Filter::default(), 10).await.unwrap();
    assert_eq!(all[0].result, Some(Outcome::Interrupted));
    assert_eq!(all[0].after.as_ref().unwrap()["parameters"]["TAG_FRONT"], "7");
}

#[tokio::test]
async fn a_time_that_ends_before_it_begins_is_a_mistake_and_no_empty_list() {
    let setting = setting().await;
    for (place, field) in [
        ("/api/v1/audit?from=2027-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "?until"),
        ("/api/v1/audit?format=csv&from=2027-01-01T00:00:00Z&until=2027-01-01T00:00:00Z", "?until"),
        ("/api/v1/costs?from=2026-11-20&to=2026-11-01", "?to"),
    ] {
        let (status, problem) = setting.call("GET", place, None).await;
        assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!(field)), "{problem}");
    }
    let (status, list) = setting.call("GET", "/api/v1/costs?from=2026-11-20&to=2026-11-20", None).await;
    assert_eq!(status, StatusCode::OK, "{list}");
}
