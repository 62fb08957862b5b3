//! A pod's status as a kubelet writes it, from what the node knows about the pod's containers.

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{
        ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
        HostIP, Pod, PodCondition, PodIP, PodStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

/// What the node knows about a pod.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodView {
    pub address: Option<IpAddr>,
    pub host_address: IpAddr,
    pub started_at: Timestamp,
    pub init: Vec<ContainerView>,
    pub app: Vec<ContainerView>,
}

/// What the node knows about a container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ContainerView {
    pub name: String,
    pub image: String,
    pub state: State,
    pub last: Option<Ended>,
    pub restarts: i32,
    pub started: bool,
    pub ready: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Waiting { reason: String, message: Option<String> },
    Running { pid: i32, since: Timestamp },
    Ended(Ended),
}

/// A run that is over.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub exit_code: i32,
    pub signal: Option<i32>,
    pub reason: String,
    pub message: Option<String>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Timestamp,
    pub pid: Option<i32>,
}

/// What becomes of containers that end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl RestartPolicy {
    pub fn of(pod: &Pod) -> Self {
        match pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) {
            Some("OnFailure") => Self::OnFailure,
            Some("Never") => Self::Never,
            _ => Self::Always,
        }
    }

    pub fn restarts(self, exit_code: i32) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => exit_code != 0,
            Self::Never => false,
        }
    }
}

impl State {
    pub fn waiting(reason: &str) -> Self {
        Self::Waiting { reason: reason.to_owned(), message: None }
    }

    pub fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Ended(ended) => Some(ended.exit_code),
            Self::Waiting { .. } | Self::Running { .. } => None,
        }
    }
}

impl PodView {
    /// The init containers are done.
    pub fn initialized(&self) -> bool {
        self.init.iter().all(|container| container.state.exit_code() == Some(0))
    }

    fn phase(&self, policy: RestartPolicy) -> &'static str {
        if !self.initialized() {
            let failed = |container: &ContainerView| container.state.exit_code().is_some_and(|code| code != 0);
            return if policy == RestartPolicy::Never && self.init.iter().any(failed) { "Failed" } else { "Pending" };
        }
        let codes: Vec<i32> = self.app.iter().filter_map(|container| container.state.exit_code()).collect();
        if codes.len() == self.app.len() && !codes.iter().any(|code| policy.restarts(*code)) {
            return if codes.iter().all(|code| *code == 0) { "Succeeded" } else { "Failed" };
        }
        let never_ran =
            |container: &ContainerView| matches!(container.state, State::Waiting { .. }) && container.last.is_none();
        if self.app.iter().any(never_ran) { "Pending" } else { "Running" }
    }

    /// The whole status. `before` are the conditions written last: a condition that holds on keeps its time.
    pub fn status(&self, pod: &Pod, before: &[PodCondition]) -> PodStatus {
        let phase = self.phase(RestartPolicy::of(pod));
        PodStatus {
            phase: Some(phase.to_owned()),
            conditions: Some(self.conditions(pod, phase, before)),
            init_container_statuses: (!self.init.is_empty())
                .then(|| self.init.iter().map(ContainerView::status).collect()),
            container_statuses: Some(self.app.iter().map(ContainerView::status).collect()),
            host_ip: Some(self.host_address.to_string()),
            host_ips: Some(vec![HostIP { ip: self.host_address.to_string() }]),
            pod_ip: self.address.map(|address| address.to_string()),
            pod_ips: self.address.map(|address| vec![PodIP { ip: address.to_string() }]),
            start_time: Some(Time(self.started_at)),
            ..PodStatus::default()
        }
    }

    fn conditions(&self, pod: &Pod, phase: &str, before: &[PodCondition]) -> Vec<PodCondition> {
        let over = matches!(phase, "Succeeded" | "Failed");
        let unready: Vec<&str> = names(&self.app, |container| !container.ready);
        let not_ready = if phase == "Succeeded" {
            Some(("PodCompleted", None))
        } else if phase == "Failed" {
            Some(("PodFailed", None))
        } else if unready.is_empty() {
            None
        } else {
            Some(("ContainersNotReady", Some(format!("containers with unready status: [{}]", unready.join(" ")))))
        };
        let not_initialized = (!self.initialized() && !over).then(|| {
            let names = names(&self.init, |container| container.state.exit_code() != Some(0));
            ("ContainersNotInitialized", Some(format!("containers with incomplete status: [{}]", names.join(" "))))
        });
        let gates = pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
        let theirs = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let holds = |name: &str| theirs.clone().any(|condition| condition.type_ == name && condition.status == "True");
        let closed: Vec<&str> = gates.map(|gate| gate.condition_type.as_str()).filter(|name| !holds(name)).collect();
        let gated = not_ready.clone().or_else(|| {
            let message = format!("the status of these readiness gates is not \"True\": {}", closed.join(", "));
            (!closed.is_empty()).then_some(("ReadinessGatesNotReady", Some(message)))
        });
        let mut conditions: Vec<PodCondition> = vec![
            condition("Initialized", not_initialized, before),
            condition("Ready", gated, before),
            condition("ContainersReady", not_ready, before),
            condition("PodScheduled", None, before),
        ];
        let ours: Vec<String> = conditions.iter().map(|condition| condition.type_.clone()).collect();
        // Others may keep conditions of their own here; a merge patch would take them away.
        conditions.extend(theirs.filter(|condition| !ours.contains(&condition.type_)).cloned());
        conditions
    }
}

fn names(containers: &[ContainerView], wanted: impl Fn(&ContainerView) -> bool) -> Vec<&str> {
    containers.iter().filter(|container| wanted(container)).map(|container| container.name.as_str()).collect()
}

/// A condition that is true, or false for a reason.
fn condition(type_: &str, obstacle: Option<(&str, Option<String>)>, before: &[PodCondition]) -> PodCondition {
    let status = if obstacle.is_none() { "True" } else { "False" };
    let same = before.iter().find(|condition| condition.type_ == type_ && condition.status == status);
    let since = same.and_then(|condition| condition.last_transition_time.clone());
    let (reason, message) = obstacle.map(|(reason, message)| (Some(reason.to_owned()), message)).unwrap_or_default();
    PodCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason,
        message,
        last_transition_time: since.or_else(|| Some(Time(Timestamp::now()))),
        ..PodCondition::default()
    }
}

impl ContainerView {
    /// A container that is to be run, with the history that the pod's written status tells.
    pub fn new(name: &str, image: Option<&str>, written: Option<&ContainerStatus>, now: Timestamp) -> Self {
        let mut view = Self {
            name: name.to_owned(),
            image: image.unwrap_or_default().to_owned(),
            state: State::waiting("ContainerCreating"),
            last: None,
            restarts: 0,
            started: false,
            ready: false,
        };
        let Some(written) = written else { return view };
        view.restarts = written.restart_count;
        view.last = written.last_state.as_ref().and_then(|state| Ended::read(state.terminated.as_ref()?, now));
        if let Some(state) = &written.state {
            if let Some(ended) = &state.terminated {
                view.last = Ended::read(ended, now);
            } else if let Some(running) = &state.running {
                view.last = Some(Ended {
                    exit_code: 137,
                    signal: None,
                    reason: "ContainerStatusUnknown".to_owned(),
                    message: Some("the container ended with the node that ran it".to_owned()),
                    started_at: running.started_at.as_ref().map(|time| time.0),
                    finished_at: now,
                    pid: None,
                });
            }
        }
        view
    }

    /// It was started before, so that another start is a restart.
    pub fn has_run(&self) -> bool {
        self.last.is_some() || self.state.exit_code().is_some()
    }

    fn status(&self) -> ContainerStatus {
        let pid = match &self.state {
            State::Running { pid, .. } => Some(*pid),
            State::Ended(ended) => ended.pid,
            State::Waiting { .. } => self.last.as_ref().and_then(|ended| ended.pid),
        };
        ContainerStatus {
            name: self.name.clone(),
            image: self.image.clone(),
            image_id: String::new(),
            container_id: pid.map(container_id),
            ready: self.ready,
            started: Some(self.started),
            restart_count: self.restarts,
            state: Some(self.state.written()),
            last_state: self
                .last
                .as_ref()
                .filter(|_| !matches!(self.state, State::Ended(_)))
                .map(|ended| ContainerState { terminated: Some(ended.written()), ..ContainerState::default() }),
            ..ContainerStatus::default()
        }
    }
}

impl State {
    fn written(&self) -> ContainerState {
        let mut written = ContainerState::default();
        match self {
            Self::Waiting { reason, message } => {
                written.waiting =
                    Some(ContainerStateWaiting { reason: Some(reason.clone()), message: message.clone() });
            }
            Self::Running { since, .. } => {
                written.running = Some(ContainerStateRunning { started_at: Some(Time(*since)) });
            }
            Self::Ended(ended) => written.terminated = Some(ended.written()),
        }
        written
    }
}

impl Ended {
    fn read(written: &ContainerStateTerminated, now: Timestamp) -> Option<Self> {
        Some(Self {
            exit_code: written.exit_code,
            signal: written.signal,
            reason: written.reason.clone().unwrap_or_default(),
            message: written.message.clone(),
            started_at: written.started_at.as_ref().map(|time| time.0),
            finished_at: written.finished_at.as_ref().map_or(now, |time| time.0),
            pid: written.container_id.as_deref().and_then(|id| id.strip_prefix("process://")?.parse().ok()),
        })
    }

    fn written(&self) -> ContainerStateTerminated {
        ContainerStateTerminated {
            exit_code: self.exit_code,
            signal: self.signal,
            reason: Some(self.reason.clone()),
            message: self.message.clone(),
            started_at: self.started_at.map(Time),
            finished_at: Some(Time(self.finished_at)),
            container_id: self.pid.map(container_id),
        }
    }
}

fn container_id(pid: i32) -> String {
    format!("process://{pid}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(policy: &str) -> Pod {
        serde_json::from_value(json!({"metadata": {}, "spec": {"restartPolicy": policy, "containers": []}})).unwrap()
    }

    fn ended(exit_code: i32) -> Ended {
        let (reason, finished_at) = ("Error".to_owned(), Timestamp::UNIX_EPOCH);
        Ended { exit_code, signal: None, reason, message: None, started_at: None, finished_at, pid: Some(7) }
    }

    fn view(states: &[State]) -> PodView {
        let container = |(index, state): (usize, &State)| ContainerView {
            state: state.clone(),
            ready: matches!(state, State::Running { .. }),
            ..ContainerView::new(&format!("c{index}"), None, None, Timestamp::UNIX_EPOCH)
        };
        PodView {
            address: None,
            host_address: [127, 0, 0, 1].into(),
            started_at: Timestamp::UNIX_EPOCH,
            init: Vec::new(),
            app: states.iter().enumerate().map(container).collect(),
        }
    }

    fn phase(states: &[State], policy: &str) -> String {
        view(states).status(&pod(policy), &[]).phase.unwrap()
    }

    #[test]
    fn the_phase_is_the_kubelets() {
        let running = State::Running { pid: 1, since: Timestamp::UNIX_EPOCH };
        let (good, bad) = (State::Ended(ended(0)), State::Ended(ended(1)));
        let waiting = State::waiting("ContainerCreating");
        assert_eq!(phase(&[waiting, running.clone()], "Always"), "Pending");
        assert_eq!(phase(std::slice::from_ref(&running), "Always"), "Running");
        assert_eq!(phase(&[good.clone(), running], "Never"), "Running");
        assert_eq!(phase(std::slice::from_ref(&good), "Always"), "Running");
        assert_eq!(phase(std::slice::from_ref(&good), "OnFailure"), "Succeeded");
        assert_eq!(phase(std::slice::from_ref(&bad), "OnFailure"), "Running");
        assert_eq!(phase(&[good, bad], "Never"), "Failed");
    }

    #[test]
    fn a_pod_is_ready_when_all_containers_are_and_the_message_names_the_others() {
        let running = State::Running { pid: 1, since: Timestamp::UNIX_EPOCH };
        let status = view(&[running.clone(), State::waiting("CrashLoopBackOff")]).status(&pod("Always"), &[]);
        let conditions = status.conditions.unwrap();
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
        assert_eq!(ready.status, "False");
        assert_eq!(ready.reason.as_deref(), Some("ContainersNotReady"));
        assert_eq!(ready.message.as_deref(), Some("containers with unready status: [c1]"));
        let again = view(&[running]).status(&pod("Always"), &conditions).conditions.unwrap();
        assert_eq!(again.iter().find(|condition| condition.type_ == "Ready").unwrap().status, "True");
        let scheduled =
            |conditions: &[PodCondition]| conditions.iter().find(|one| one.type_ == "PodScheduled").cloned();
        assert_eq!(scheduled(&again), scheduled(&conditions), "a condition that holds on keeps its time");
    }

    #[test]
    fn a_container_that_ran_when_the_node_died_is_told_as_ended() {
        let written: ContainerStatus = serde_json::from_value(json!({
            "name": "c", "image": "", "imageID": "", "ready": true, "restartCount": 3, "state": {"running": {}},
        }))
        .unwrap();
        let view = ContainerView::new("c", None, Some(&written), Timestamp::UNIX_EPOCH);
        assert_eq!((view.restarts, view.last.unwrap().exit_code), (3, 137));
    }
}
