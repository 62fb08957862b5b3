//! Tests of the decision.
#![expect(clippy::needless_pass_by_value, reason = "tables read better with values")]

use super::*;
use serde_json::{Value, json};

fn pod(name: &str, revision: &str, status: &Value) -> Arc<Pod> {
    let object = json!({"metadata": {"name": name, "labels": {labels::REVISION: revision}}, "status": status});
    Arc::new(serde_json::from_value(object).unwrap())
}

fn ready() -> Value {
    json!({"conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [container(json!({"running": {}}), json!({}), 0)]})
}

fn container(state: Value, last: Value, restarts: i32) -> Value {
    json!({"name": "front", "image": "i", "imageID": "", "ready": false, "restartCount": restarts,
        "state": state, "lastState": last})
}

fn with(container: Value) -> Value {
    json!({"conditions": [{"type": "Ready", "status": "False"}], "containerStatuses": [container]})
}

/// A Deployment of revision `bb` with these numbers of replicas: all, updated, available.
fn deployment(total: i32, updated: i32, available: i32) -> Deployment {
    serde_json::from_value(json!({
        "metadata": {"name": "d", "generation": 4, "labels": {labels::REVISION: "bb"}},
        "status": {"observedGeneration": 4, "replicas": total, "updatedReplicas": updated, "availableReplicas": available},
    }))
    .unwrap()
}

fn to(pods: &[&str]) -> Route {
    Route::To(pods.iter().map(|name| Some((*name).to_owned())).collect())
}

fn look(deployment: Option<&Deployment>, pods: &[Arc<Pod>], route: Route) -> Decision {
    let numbers = BTreeMap::from([("aa".to_owned(), 2), ("bb".to_owned(), 3)]);
    decide(&Sight { revision: "bb", numbers: &numbers, replicas: 1, deployment, pods, route, asleep: None })
}

#[test]
fn ready_needs_a_whole_rollout_and_a_route_to_its_pods() {
    let whole = deployment(1, 1, 1);
    let new = [pod("new", "bb", &ready())];
    let decision = look(Some(&whole), &new, to(&["new"]));
    assert!(decision.ready && !decision.progressing && decision.stalled.is_none());
    assert_eq!((decision.reason.as_ref(), decision.message.as_str()), ("Serving", "revision 3 serves"));

    for route in [Route::Missing, to(&[]), to(&["old"]), to(&["new", "old"]), Route::To(vec![None])] {
        let decision = look(Some(&whole), &new, route.clone());
        assert!(!decision.ready && decision.progressing && decision.waits_for_table, "{route:?}");
    }
    let foreign = look(Some(&whole), &new, Route::Foreign("Service x/y rule 0".into()));
    assert_eq!(foreign.stalled.as_deref(), Some("HostConflict"));
    assert!(foreign.message.contains("Service x/y"), "{}", foreign.message);
}

#[test]
fn a_terminating_pod_is_not_current() {
    let mut leaving = (*pod("new", "bb", &ready())).clone();
    leaving.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH));
    let decision = look(Some(&deployment(1, 1, 1)), &[Arc::new(leaving)], to(&["new"]));
    assert!(!decision.ready, "{decision:?}");
}

#[test]
fn no_step_of_a_rollout_is_ready() {
    let (old, new) = (pod("old", "aa", &ready()), pod("new", "bb", &ready()));
    let both_ready = [old.clone(), new];
    let starting =
        pod("new", "bb", &with(container(json!({"waiting": {"reason": "ContainerCreating"}}), json!({}), 0)));
    let mut behind = deployment(1, 1, 1);
    behind.metadata.generation = Some(5);
    let mut other = deployment(1, 1, 1);
    other.metadata.labels.as_mut().unwrap().insert(labels::REVISION.into(), "aa".into());
    let both = deployment(2, 1, 2);
    let one = deployment(1, 0, 1);
    let fresh = deployment(1, 1, 0);
    type Step<'a> = (&'a str, Option<&'a Deployment>, &'a [Arc<Pod>], &'a str);
    let steps: [Step<'_>; 7] = [
        ("not made", None, &[], "Creating"),
        ("not observed", Some(&behind), std::slice::from_ref(&old), "Creating"),
        ("not applied", Some(&other), std::slice::from_ref(&old), "Creating"),
        ("no new pod", Some(&one), std::slice::from_ref(&old), "RollingOut"),
        ("new pod starts", Some(&both), &[old.clone(), starting.clone()], "RollingOut"),
        ("both ready", Some(&both), &both_ready, "RollingOut"),
        ("the first pod starts", Some(&fresh), &[starting], "Starting"),
    ];
    for (step, deployment, pods, reason) in steps {
        let decision = look(deployment, pods, to(&["old", "new"]));
        assert!(!decision.ready && decision.progressing, "{step}: {decision:?}");
        assert_eq!(decision.reason, reason, "{step}: {}", decision.message);
    }
}

#[test]
fn a_rollout_says_what_still_answers() {
    let crash = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}});
    let last = json!({"terminated": {"exitCode": 3, "reason": "Error"}});
    let pods = [pod("old", "aa", &ready()), pod("new", "bb", &with(container(crash, last, 4)))];
    let decision = look(Some(&deployment(2, 1, 1)), &pods, to(&["old"]));
    assert_eq!(decision.reason, "CrashLoopBackOff");
    assert_eq!(
        decision.message,
        "container front of pod new ended with exit code 3, was restarted 4 times and waits before its next start; \
         revision 2 still answers"
    );
    assert!(decision.progressing && decision.stalled.is_none());
}

#[test]
fn what_is_wrong_with_a_pod_is_told() {
    let waiting = |reason: &str, message: &str| {
        with(container(json!({"waiting": {"reason": reason, "message": message}}), json!({}), 0))
    };
    let unscheduled =
        json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes: too little cpu"}]});
    let ended = with(container(json!({"terminated": {"exitCode": 137, "signal": 9}}), json!({}), 1));
    let running = |since: &str| {
        json!({
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": since}],
        "containerStatuses": [container(json!({"running": {"startedAt": "2026-01-01T10:00:00Z"}}), json!({}), 0)]})
    };
    for (status, reason, part) in [
        (waiting("ImagePullBackOff", "no such image"), "ImagePullBackOff", "does not start: no such image"),
        (waiting("CreateContainerError", "x"), "CreateContainerError", "does not start: x"),
        (unscheduled, "Unschedulable", "too little cpu"),
        (ended, "Crashing", "was ended by signal 9, was restarted once"),
        (running("2026-01-01T10:00:09Z"), "NotReady", "since 2026-01-01T10:00:09Z"),
        (running("2026-01-01T10:00:00Z"), "Starting", "readiness probe does not succeed"),
    ] {
        let decision = look(Some(&deployment(1, 1, 0)), &[pod("p", "bb", &status)], Route::Missing);
        assert_eq!(decision.reason, reason);
        assert!(decision.message.contains(part), "{}", decision.message);
    }
}

#[test]
fn a_missed_deadline_stalls_and_names_the_pods_own_reason() {
    let mut late = deployment(1, 1, 0);
    let condition = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    late.status.as_mut().unwrap().conditions = Some(serde_json::from_value(condition).unwrap());
    let decision = look(Some(&late), &[], Route::Missing);
    assert_eq!(decision.reason, "ProgressDeadlineExceeded");
    assert!(!decision.progressing);
    assert_eq!(decision.stalled.as_deref(), Some("ProgressDeadlineExceeded"));
    let pull = with(container(json!({"waiting": {"reason": "ErrImagePull", "message": "m"}}), json!({}), 0));
    let decision = look(Some(&late), &[pod("p", "bb", &pull)], Route::Missing);
    assert_eq!(
        (decision.reason.as_ref(), decision.stalled.as_deref()),
        ("ErrImagePull", Some("ProgressDeadlineExceeded"))
    );
}

#[test]
fn no_replicas_is_neither_ready_nor_on_the_way() {
    let none = deployment(0, 0, 0);
    let numbers = BTreeMap::new();
    let route = Route::Missing;
    let decision = decide(&Sight {
        revision: "bb",
        numbers: &numbers,
        replicas: 0,
        deployment: Some(&none),
        pods: &[],
        route,
        asleep: None,
    });
    assert_eq!(decision.reason, "ScaledToZero");
    assert!(!decision.ready && !decision.progressing && decision.stalled.is_none());
}

#[test]
fn one_that_sleeps_says_why_whatever_its_pods_do() {
    let numbers = BTreeMap::new();
    let look = |deployment: &Deployment, pods: &[Arc<Pod>]| {
        let (route, asleep) = (Route::Missing, Some("it was not used for 2h"));
        let deployment = Some(deployment);
        decide(&Sight { revision: "bb", numbers: &numbers, replicas: 0, deployment, pods, route, asleep })
    };
    let falling = look(&deployment(1, 1, 1), &[pod("p", "bb", &ready())]);
    assert!(falling.progressing && !falling.ready && falling.reason == "Asleep", "{falling:?}");
    let asleep = look(&deployment(0, 0, 0), &[]);
    assert!(!asleep.progressing && asleep.stalled.is_none(), "{asleep:?}");
    assert_eq!((asleep.reason.as_ref(), asleep.message.as_str()), ("Asleep", "it was not used for 2h"));
}
