//! What is told of a pod in one row.

use super::super::json;
use super::{age, duration, text_or};
use serde_json::Value;

/// Name, ready, status, restarts, age, IP, node, nominated node, readiness gates.
pub(super) fn cells(pod: &Value) -> Vec<Value> {
    let containers = json::items(pod, "/spec/containers").len();
    let statuses = json::items(pod, "/status/containerStatuses");
    let is_ready = |status: &&Value| status.get("ready").and_then(Value::as_bool) == Some(true);
    let ready = statuses.iter().filter(is_ready).count();
    let gates = json::items(pod, "/spec/readinessGates");
    let gates_met = gates.iter().filter(|gate| condition(pod, json::text(gate, "/conditionType")) == "True").count();
    vec![
        Value::from(json::text(pod, "/metadata/name")),
        Value::from(format!("{ready}/{containers}")),
        Value::from(status(pod)),
        Value::from(restarts(statuses)),
        age(pod, "/metadata/creationTimestamp"),
        text_or(pod, "/status/podIP", "<none>"),
        text_or(pod, "/spec/nodeName", "<none>"),
        text_or(pod, "/status/nominatedNodeName", "<none>"),
        if gates.is_empty() { Value::from("<none>") } else { Value::from(format!("{gates_met}/{}", gates.len())) },
    ]
}

fn condition<'a>(pod: &'a Value, kind: &str) -> &'a str {
    let found = json::items(pod, "/status/conditions").iter().find(|condition| json::text(condition, "/type") == kind);
    found.map(|condition| json::text(condition, "/status")).unwrap_or_default()
}

/// The restarts of all containers, and how long ago the last one was.
fn restarts(statuses: &[Value]) -> String {
    let count: i64 = statuses.iter().filter_map(|status| json::integer(status, "/restartCount")).sum();
    let ended = |status: &Value| json::text(status, "/lastState/terminated/finishedAt").parse::<jiff::Timestamp>().ok();
    match statuses.iter().filter_map(ended).max() {
        Some(last) if count > 0 => {
            format!("{count} ({} ago)", duration::short(jiff::Timestamp::now().duration_since(last).as_secs()))
        }
        _ => count.to_string(),
    }
}

/// One word for how a pod is: the most telling state of its containers.
fn status(pod: &Value) -> String {
    let phase = match json::text(pod, "/status/reason") {
        "" => json::text(pod, "/status/phase"),
        reason => reason,
    };
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        return "Terminating".to_owned();
    }
    if let Some(waits) = initialising(pod) {
        return waits;
    }
    let mut told = phase.to_owned();
    let mut runs = false;
    for status in json::items(pod, "/status/containerStatuses").iter().rev() {
        let waiting = json::text(status, "/state/waiting/reason");
        if !waiting.is_empty() {
            told = waiting.to_owned();
        } else if let Some(terminated) = status.pointer("/state/terminated") {
            told = ended(terminated);
        } else if status.pointer("/state/running").is_some()
            && status.get("ready").and_then(Value::as_bool) == Some(true)
        {
            runs = true;
        }
    }
    // One container is done, another serves: the pod does what it should.
    if told == "Completed" && runs {
        told = if condition(pod, "Ready") == "True" { "Running" } else { "NotReady" }.to_owned();
    }
    told
}

fn ended(terminated: &Value) -> String {
    match (json::text(terminated, "/reason"), json::integer(terminated, "/signal")) {
        ("", Some(signal)) if signal != 0 => format!("Signal:{signal}"),
        ("", _) => format!("ExitCode:{}", json::integer(terminated, "/exitCode").unwrap_or_default()),
        (reason, _) => reason.to_owned(),
    }
}

/// The first init container that is not done.
fn initialising(pod: &Value) -> Option<String> {
    let all = json::items(pod, "/spec/initContainers").len();
    let statuses = json::items(pod, "/status/initContainerStatuses");
    for (index, status) in statuses.iter().enumerate() {
        if let Some(terminated) = status.pointer("/state/terminated") {
            if json::integer(terminated, "/exitCode") == Some(0) {
                continue;
            }
            return Some(format!("Init:{}", ended(terminated)));
        }
        let waiting = json::text(status, "/state/waiting/reason");
        if !waiting.is_empty() && waiting != "PodInitializing" {
            return Some(format!("Init:{waiting}"));
        }
        return Some(format!("Init:{index}/{all}"));
    }
    None
}
