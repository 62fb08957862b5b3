//! The status of a pod in one word, as `kubectl get pods` prints it: `Running`, `CrashLoopBackOff`, `Terminating`.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use std::fmt;

/// What the table of pods shows of a pod's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodStatus {
    /// The word.
    pub(super) word: String,
    /// Containers that are ready.
    pub(super) ready: usize,
    /// All containers.
    pub(super) containers: usize,
    /// How often containers were started again.
    pub(super) restarts: i32,
    /// How a container ended last, if one did.
    pub(super) last_exit: Option<LastExit>,
}

/// How a container ended. In words: `exit code 1`, `signal 9`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastExit {
    /// With which code.
    pub(super) code: i32,
    /// By which signal, where the cluster says so.
    signal: Option<i32>,
    /// When.
    pub(super) at: Option<Timestamp>,
}

impl fmt::Display for LastExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.signal {
            Some(signal) => write!(f, "signal {signal}"),
            None => write!(f, "exit code {}", self.code),
        }
    }
}

impl PodStatus {
    pub(super) fn of(pod: &Pod) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let containers = status.container_statuses.unwrap_or_default();
        let inits = status.init_container_statuses.unwrap_or_default();
        let phase = status.phase.unwrap_or_else(|| "Unknown".to_owned());
        let restarts = containers.iter().chain(&inits).map(|container| container.restart_count).sum();
        let all = pod.spec.as_ref().map_or(containers.len(), |spec| spec.containers.len());
        let mut word = status.reason.filter(|reason| !reason.is_empty()).unwrap_or_else(|| phase.clone());
        let mut ready = 0;
        if let Some(init) = initializing(&inits) {
            word = init;
        } else {
            word = of_containers(&containers, word);
            ready = containers.iter().filter(|container| is_serving(container)).count();
        }
        let over = phase == "Succeeded" || phase == "Failed";
        if pod.metadata.deletion_timestamp.is_some() && !over {
            word = if word == "NodeLost" { "Unknown" } else { "Terminating" }.to_owned();
        }
        // Of several containers the one that ended last; of those that ended together, the first.
        let exits = containers.iter().chain(&inits).filter_map(last_exit);
        let last_exit = exits.reduce(|last, exit| if exit.at > last.at { exit } else { last });
        Self { word, ready, containers: all, restarts, last_exit }
    }

    /// Whether the pod is not on its way to serve: its container ends again and again, or cannot be started.
    pub(super) fn failing(&self) -> bool {
        const FAILING: [&str; 8] = [
            "CrashLoopBackOff",
            "Error",
            "OOMKilled",
            "ContainerCannotRun",
            "ErrImagePull",
            "ImagePullBackOff",
            "CreateContainerConfigError",
            "RunContainerError",
        ];
        FAILING.contains(&self.word.as_str()) || self.word.starts_with("ExitCode:") || self.word.starts_with("Signal:")
    }
}

fn is_serving(container: &ContainerStatus) -> bool {
    container.ready && container.state.as_ref().is_some_and(|state| state.running.is_some())
}

/// The last container's word counts: later ones are looked at first, as kubectl does.
fn of_containers(containers: &[ContainerStatus], phase: String) -> String {
    let mut word = phase;
    for container in containers.iter().rev() {
        if let Some(state) = container.state.as_ref().and_then(of_state) {
            word = state;
        }
    }
    if word == "Completed" && containers.iter().any(is_serving) {
        word = "Running".to_owned();
    }
    word
}

fn of_state(state: &ContainerState) -> Option<String> {
    let told = |reason: &Option<String>| reason.clone().filter(|reason| !reason.is_empty());
    if let Some(reason) = state.waiting.as_ref().and_then(|waiting| told(&waiting.reason)) {
        return Some(reason);
    }
    let ended = state.terminated.as_ref()?;
    Some(told(&ended.reason).unwrap_or_else(|| match ended.signal {
        Some(signal) if signal != 0 => format!("Signal:{signal}"),
        _ => format!("ExitCode:{}", ended.exit_code),
    }))
}

/// The word of the first init container that has not done its part.
fn initializing(inits: &[ContainerStatus]) -> Option<String> {
    let done = |container: &ContainerStatus| {
        let state = container.state.as_ref();
        let ended_well = state.and_then(|state| state.terminated.as_ref()).is_some_and(|ended| ended.exit_code == 0);
        ended_well || (container.started == Some(true) && state.is_some_and(|state| state.running.is_some()))
    };
    let (index, first) = inits.iter().enumerate().find(|(_, container)| !done(container))?;
    let waits = |word: &String| word != "PodInitializing";
    match first.state.as_ref().and_then(of_state).filter(waits) {
        Some(word) => Some(format!("Init:{word}")),
        None => Some(format!("Init:{index}/{}", inits.len())),
    }
}

fn last_exit(container: &ContainerStatus) -> Option<LastExit> {
    let now = container.state.as_ref().and_then(|state| state.terminated.as_ref());
    let before = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let ended = now.or(before)?;
    Some(LastExit {
        code: ended.exit_code,
        signal: ended.signal.filter(|signal| *signal != 0),
        at: ended.finished_at.as_ref().map(|time| time.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(status: &Value) -> PodStatus {
        PodStatus::of(&serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap())
    }

    fn one(state: &Value, ready: bool) -> Value {
        let container =
            json!({"name": "a", "image": "", "imageID": "", "ready": ready, "restartCount": 3, "state": state});
        json!({"phase": "Running", "containerStatuses": [container]})
    }

    #[test]
    fn the_word_is_kubectls() {
        for (state, ready, word) in [
            (json!({"running": {}}), true, "Running"),
            (json!({"waiting": {"reason": "CrashLoopBackOff"}}), false, "CrashLoopBackOff"),
            (json!({"waiting": {"reason": "ContainerCreating"}}), false, "ContainerCreating"),
            (json!({"terminated": {"exitCode": 1, "reason": "Error"}}), false, "Error"),
            (json!({"terminated": {"exitCode": 3}}), false, "ExitCode:3"),
            (json!({"terminated": {"exitCode": 137, "signal": 9}}), false, "Signal:9"),
        ] {
            let status = of(&one(&state, ready));
            assert_eq!((status.word.as_str(), status.restarts), (word, 3));
            assert_eq!(status.ready, usize::from(ready));
        }
        assert_eq!(of(&json!({"phase": "Pending"})).word, "Pending");
        assert_eq!(of(&json!({"phase": "Failed", "reason": "Evicted"})).word, "Evicted");
    }

    #[test]
    fn a_pod_under_deletion_is_terminating_unless_it_is_over() {
        let pod = |phase: &str| {
            let metadata = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
            PodStatus::of(&serde_json::from_value(json!({"metadata": metadata, "status": {"phase": phase}})).unwrap())
        };
        assert_eq!(pod("Running").word, "Terminating");
        assert_eq!(pod("Succeeded").word, "Succeeded");
    }

    #[test]
    fn init_containers_come_first() {
        let init = json!({"name": "i", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        assert_eq!(of(&json!({"phase": "Pending", "initContainerStatuses": [init]})).word, "Init:CrashLoopBackOff");
        let init = json!({"name": "i", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"running": {}}});
        assert_eq!(of(&json!({"phase": "Pending", "initContainerStatuses": [init]})).word, "Init:0/1");
    }

    #[test]
    fn the_exit_is_that_of_the_container_that_ended_last() {
        let container = |name: &str, ended: Value| {
            json!({"name": name, "image": "", "imageID": "", "ready": true, "restartCount": 1,
                "state": {"running": {}}, "lastState": {"terminated": ended}})
        };
        let first = container("a", json!({"exitCode": 1, "finishedAt": "2026-01-01T00:00:00Z"}));
        let later = container("b", json!({"exitCode": 137, "signal": 9, "finishedAt": "2026-01-02T00:00:00Z"}));
        let exit = of(&json!({"containerStatuses": [first.clone(), later]})).last_exit.unwrap();
        assert_eq!(
            (exit.code, exit.to_string(), exit.at.unwrap().to_string()),
            (137, "signal 9".into(), "2026-01-02T00:00:00Z".into())
        );
        let exit = of(&json!({"containerStatuses": [first]})).last_exit.unwrap();
        assert_eq!((exit.code, exit.to_string()), (1, "exit code 1".to_owned()));
        assert_eq!(of(&one(&json!({"running": {}}), true)).last_exit, None);
    }

    #[test]
    fn what_fails_is_told_apart_from_what_starts() {
        assert!(of(&one(&json!({"waiting": {"reason": "CrashLoopBackOff"}}), false)).failing());
        assert!(of(&one(&json!({"terminated": {"exitCode": 3}}), false)).failing());
        assert!(!of(&one(&json!({"waiting": {"reason": "ContainerCreating"}}), false)).failing());
    }
}
