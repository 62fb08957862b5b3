//! What a pod's containers say of why it does not serve.

use crate::model::reasons;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use kube::ResourceExt;

/// Why a pod does not serve yet, or no more. The first variants are the worse ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodTrouble {
    /// It will not get better soon: a word from the kubelet, like `CrashLoopBackOff`, and a sentence.
    Failing(String, String),
    /// Its process runs, but its readiness probe does not succeed.
    NotReady(String),
    /// It is on its way.
    Starting(String),
}

/// What keeps `pod` from being ready. `None` when it is ready.
pub fn trouble(pod: &Pod) -> Option<PodTrouble> {
    let name = pod.name_any();
    let status = pod.status.as_ref();
    let condition =
        |kind: &str| status.and_then(|s| s.conditions.as_ref()).into_iter().flatten().find(|c| c.type_ == kind);
    let ready = condition("Ready");
    if ready.is_some_and(|c| c.status == "True") {
        return None;
    }
    if let Some(scheduled) = condition("PodScheduled").filter(|c| c.status == "False") {
        let why = scheduled.message.as_deref().unwrap_or("no node takes it");
        return Some(PodTrouble::Failing(reasons::UNSCHEDULABLE.to_owned(), format!("pod {name} has no node: {why}")));
    }
    let containers = || {
        let of = |list: Option<&'_ Vec<ContainerStatus>>| list.cloned().unwrap_or_default();
        let init = of(status.and_then(|s| s.init_container_statuses.as_ref()));
        init.into_iter().chain(of(status.and_then(|s| s.container_statuses.as_ref())))
    };
    if let Some(worst) = containers().filter_map(|container| failing(&name, &container)).min() {
        return Some(worst);
    }
    if status.and_then(|s| s.phase.as_deref()) == Some("Failed") {
        let why = status.and_then(|s| s.message.clone()).unwrap_or_else(|| "it was ended".to_owned());
        return Some(PodTrouble::Failing(reasons::POD_FAILED.to_owned(), format!("pod {name} failed: {why}")));
    }
    let running = containers().count() > 0 && containers().all(|c| is_running(&c) || is_done(&c));
    if !running {
        return Some(PodTrouble::Starting(format!("pod {name} is starting")));
    }
    let restarts: i32 = containers().map(|c| c.restart_count).sum();
    // The transition time of a condition is the cluster's own, so the sentence is the same at every look.
    let since = ready.and_then(|c| c.last_transition_time.as_ref()).map(|time| time.0);
    let told = since.map_or_else(String::new, |time| format!(" since {time}"));
    let said = format!("pod {name} runs, but its readiness probe does not succeed{told}{}", restarted(restarts));
    // A probe that never succeeded leaves the condition as it was before the process started.
    let started = containers().filter_map(|c| c.state?.running?.started_at).map(|time| time.0).max();
    let was_ready = started.is_some() && since > started;
    Some(if was_ready { PodTrouble::NotReady(said) } else { PodTrouble::Starting(said) })
}

fn is_running(container: &ContainerStatus) -> bool {
    container.state.as_ref().is_some_and(|state| state.running.is_some())
}

/// An init container that has done its work.
fn is_done(container: &ContainerStatus) -> bool {
    container.state.as_ref().and_then(|s| s.terminated.as_ref()).is_some_and(|ended| ended.exit_code == 0)
}

fn failing(pod: &str, container: &ContainerStatus) -> Option<PodTrouble> {
    let state = container.state.as_ref()?;
    let last = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let restarts = restarted(container.restart_count);
    if let Some(ended) = &state.terminated {
        let said = format!("container {} of pod {pod} {}{restarts}", container.name, end(ended));
        return (ended.exit_code != 0).then(|| PodTrouble::Failing(reasons::CRASHING.to_owned(), said));
    }
    let waiting = state.waiting.as_ref()?;
    let reason =
        waiting.reason.as_deref().filter(|reason| !["ContainerCreating", "PodInitializing"].contains(reason))?;
    let why = match (reason, last) {
        ("CrashLoopBackOff", Some(ended)) => format!("{}{restarts} and waits before its next start", end(ended)),
        _ => waiting
            .message
            .as_deref()
            .map_or_else(|| "does not start".to_owned(), |said| format!("does not start: {}", short(said))),
    };
    let said = format!("container {} of pod {pod} {why}", container.name);
    Some(PodTrouble::Failing(word(reason), said))
}

fn end(ended: &ContainerStateTerminated) -> String {
    let how = match (ended.signal, ended.reason.as_deref()) {
        (Some(signal), _) if signal != 0 => format!("was ended by signal {signal}"),
        (_, Some(reason)) if reason != "Error" => {
            format!("ended with exit code {} ({})", ended.exit_code, word(reason))
        }
        _ => format!("ended with exit code {}", ended.exit_code),
    };
    match ended.message.as_deref().map(short).filter(|said| !said.is_empty()) {
        Some(said) => format!("{how}: {said}"),
        None => how,
    }
}

fn restarted(count: i32) -> String {
    match count {
        0 => String::new(),
        1 => ", was restarted once".to_owned(),
        count => format!(", was restarted {count} times"),
    }
}

/// A reason of a condition may hold letters, digits and a few signs only.
fn word(reason: &str) -> String {
    reason.chars().filter(char::is_ascii_alphanumeric).take(64).collect()
}

/// The first line, at most 200 characters of it.
fn short(said: &str) -> String {
    said.trim().lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}
