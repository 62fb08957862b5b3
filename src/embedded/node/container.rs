//! The life of one container: started, probed, restarted, and ended when its pod must end.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Container;
use nix::sys::signal::Signal;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use super::{
    backoff::Backoff,
    env,
    logs::ContainerLog,
    pod::{Context, Wish},
    probe::{self, Purpose, Target, Verdict},
    process::{Process, StartError, Task},
    shim::{Exit, Order},
    status::{ContainerView, Ended, RestartPolicy, State},
    sweep::Marks,
};

/// A container that was told to end gets at least this long after its hook, as from the kubelet.
const AFTER_HOOK: Duration = Duration::from_secs(2);

/// Which container of the pod it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Init(usize),
    App(usize),
}

/// One container's life.
pub(super) struct Life<'a> {
    context: &'a Context,
    container: &'a Container,
    place: Place,
    policy: RestartPolicy,
    backoff: Backoff,
    wish: watch::Receiver<Wish>,
}

/// How one run went.
struct Run {
    exit: Exit,
    pid: i32,
    since: Timestamp,
    length: Duration,
}

/// A start that did not succeed.
enum Obstacle {
    Config(String),
    Start(StartError),
}

impl<'a> Life<'a> {
    pub fn new(context: &'a Context, container: &'a Container, place: Place, policy: RestartPolicy) -> Self {
        let backoff = Backoff::new(context.node.config.backoff);
        Self { context, container, place, policy, backoff, wish: context.wish.clone() }
    }

    /// Runs the container until it has ended for good. Returns its exit code, or none when it was told to end.
    pub async fn live(mut self) -> Option<i32> {
        if let Some(code) = self.view().state.exit_code() {
            return Some(code);
        }
        while !self.must_end() {
            let (wait, reason, message) = match Box::pin(self.run()).await {
                Ok(run) => {
                    let code = self.ended(&run);
                    if self.must_end() {
                        return None;
                    }
                    if !self.policy.restarts(code) {
                        return Some(code);
                    }
                    let wait = self.backoff.after_run(run.length);
                    (wait, "CrashLoopBackOff", self.backoff_message(wait))
                }
                Err(obstacle) => self.obstacle(&obstacle),
            };
            if wait.is_zero() {
                continue;
            }
            self.update(|view| {
                if let State::Ended(ended) = &view.state {
                    view.last = Some(ended.clone());
                }
                view.state = State::Waiting { reason: reason.to_owned(), message: Some(message) };
            });
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.wish.wait_for(|wish| *wish != Wish::Run) => {}
            }
        }
        None
    }

    /// One run from start to end.
    async fn run(&mut self) -> Result<Run, Obstacle> {
        let context = self.context;
        let permit = context.node.starts.acquire().await;
        let target = self.target().await?;
        let restarts = self.view().restarts + i32::from(self.view().has_run());
        let (mut process, output) =
            self.context.node.spawner.start(target.task.clone()).await.map_err(Obstacle::Start)?;
        drop(permit);
        let (since, began) = (Timestamp::now(), Instant::now());
        let folder = self.context.folder.join(&self.container.name);
        match ContainerLog::create(&folder, restarts) {
            Ok(log) => {
                self.context.logs.insert(self.container.name.clone(), Arc::clone(&log));
                tokio::spawn(log.record(output));
            }
            Err(error) => return Err(Obstacle::Config(format!("the log cannot be written: {error}"))),
        }
        let pid = process.pid;
        let has_startup = self.container.startup_probe.is_some();
        let has_readiness = self.container.readiness_probe.is_some();
        self.update(|view| {
            if let State::Ended(ended) = &view.state {
                view.last = Some(ended.clone());
            }
            view.restarts = restarts;
            view.started = !has_startup;
            view.ready = !has_startup && !has_readiness;
            view.state = State::Running { pid, since };
        });
        let message = format!("Started the process of container {}", self.container.name);
        self.context.events.tell(Some(&self.container.name), "Started", &message);
        let _counted = self.context.node.usage.track(self.context.key(&self.container.name), process.shim);
        let exit = self.attend(&mut process, target).await;
        Ok(Run { exit, pid, since, length: began.elapsed() })
    }

    /// Everything that a start needs: the command with its environment, where it is reached.
    async fn target(&self) -> Result<Target, Obstacle> {
        let node = &self.context.node;
        let pod = self.context.pod.borrow().clone();
        let base = env::Base {
            path: &node.path,
            home: &self.context.folder,
            address: self.context.address,
            host_address: node.host_address,
        };
        let variables = env::environment(&node.client, &pod, self.container, &base)
            .await
            .map_err(|error| Obstacle::Config(error.to_string()))?;
        let temporary = self.context.folder.join("tmp");
        std::fs::create_dir_all(&temporary)
            .map_err(|error| Obstacle::Config(format!("{} cannot be made: {error}", temporary.display())))?;
        let working_dir = self.container.working_dir.as_deref().filter(|folder| !folder.is_empty());
        let task = Task {
            marks: Marks {
                node: node.config.data_dir.display().to_string(),
                pod: self.context.uid.clone(),
                container: self.container.name.clone(),
                label: format!("{}/{}/{}", self.context.namespace, self.context.name, self.container.name),
            },
            command: variables.command_line(self.container),
            environment: variables.pairs(),
            // A relative one is below the pod's folder.
            folder: working_dir.map_or_else(|| self.context.folder.clone(), |folder| self.context.folder.join(folder)),
        };
        let ports = self.container.ports.clone().unwrap_or_default();
        Ok(Target { address: self.context.address, ports, task, spawner: Arc::clone(&node.spawner) })
    }

    /// Watches a running process until it has ended: probes it, and ends it when it must.
    async fn attend(&mut self, process: &mut Process, target: Target) -> Exit {
        let (verdicts, mut told) = mpsc::channel(8);
        let mut helpers = JoinSet::new();
        let first = if self.container.startup_probe.is_some() {
            vec![Purpose::Startup]
        } else {
            vec![Purpose::Readiness, Purpose::Liveness]
        };
        self.probe(&mut helpers, &first, &target, &verdicts);
        let mut hook: JoinSet<()> = JoinSet::new();
        // None while it may live; once it must end, the moment when it is killed.
        let mut deadline: Option<Instant> = None;
        loop {
            let was_ending = deadline.is_some();
            tokio::select! {
                exit = process.exited() => return exit,
                Some(Verdict { purpose, healthy }) = told.recv() => {
                    if self.judge(purpose, healthy, &mut helpers, &target, &verdicts) && !was_ending {
                        deadline = Some(Instant::now() + self.grace_after(purpose));
                    }
                }
                changed = self.wish.changed() => match *self.wish.borrow_and_update() {
                    Wish::Run if changed.is_ok() => {}
                    Wish::Run => deadline = Some(Instant::now()),
                    Wish::End { by, .. } => deadline = Some(deadline.map_or(by, |before| before.min(by))),
                },
                Some(_) = hook.join_next() => {
                    process.order(Order::Signal(Signal::SIGTERM as i32));
                    deadline = deadline.map(|by| by.max(Instant::now() + self.after_hook()));
                }
                () = tokio::time::sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    hook.abort_all();
                    process.order(Order::Kill);
                    return process.exited().await;
                }
            }
            if !was_ending && deadline.is_some() {
                self.begin_end(process, &mut hook, &target);
            }
        }
    }

    /// The first step of an end: the hook where there is one, else the signal.
    fn begin_end(&self, process: &Process, hook: &mut JoinSet<()>, target: &Target) {
        let name = Some(self.container.name.as_str());
        self.context.events.tell(name, "Killing", &format!("Stopping container {}", self.container.name));
        let pre_stop = self.container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.clone());
        let Some(pre_stop) = pre_stop.filter(|_| self.context.runs_hooks()) else {
            process.order(Order::Signal(Signal::SIGTERM as i32));
            return;
        };
        let (target, events, name) = (target.clone(), self.context.events.clone(), self.container.name.clone());
        hook.spawn(async move {
            let result = if let Some(exec) = pre_stop.exec {
                probe::run_command(exec.command.unwrap_or_default(), &target).await
            } else if let Some(get) = pre_stop.http_get {
                probe::http_get(&get, &target).await
            } else {
                let seconds = pre_stop.sleep.and_then(|sleep| u64::try_from(sleep.seconds).ok()).unwrap_or(0);
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok(())
            };
            if let Err(error) = result {
                events.warn(Some(&name), "FailedPreStopHook", &format!("PreStopHook failed: {error}"));
            }
        });
    }

    /// Takes a probe's verdict. True: the container must be ended.
    fn judge(
        &self,
        purpose: Purpose,
        healthy: bool,
        helpers: &mut JoinSet<()>,
        target: &Target,
        verdicts: &mpsc::Sender<Verdict>,
    ) -> bool {
        match purpose {
            Purpose::Readiness => self.update(|view| view.ready = healthy),
            Purpose::Startup if healthy => {
                helpers.abort_all();
                let ready = self.container.readiness_probe.is_none();
                self.update(|view| (view.started, view.ready) = (true, ready));
                self.probe(helpers, &[Purpose::Readiness, Purpose::Liveness], target, verdicts);
            }
            Purpose::Startup | Purpose::Liveness if !healthy => {
                let what = if purpose == Purpose::Startup { "startup" } else { "liveness" };
                let name = &self.container.name;
                let message = format!("Container {name} failed {what} probe, will be restarted");
                self.context.events.tell(Some(name), "Killing", &message);
                return true;
            }
            Purpose::Startup | Purpose::Liveness => {}
        }
        false
    }

    fn probe(
        &self,
        helpers: &mut JoinSet<()>,
        purposes: &[Purpose],
        target: &Target,
        verdicts: &mpsc::Sender<Verdict>,
    ) {
        for purpose in purposes {
            if let Some(probe) = self.probe_for(*purpose) {
                let events = self.context.events.clone();
                helpers.spawn(probe::watch(*purpose, probe.clone(), target.clone(), events, verdicts.clone()));
            }
        }
    }

    fn probe_for(&self, purpose: Purpose) -> Option<&k8s_openapi::api::core::v1::Probe> {
        match purpose {
            Purpose::Startup => self.container.startup_probe.as_ref(),
            Purpose::Readiness => self.container.readiness_probe.as_ref(),
            Purpose::Liveness => self.container.liveness_probe.as_ref(),
        }
    }

    fn grace_after(&self, purpose: Purpose) -> Duration {
        let own = self.probe_for(purpose).and_then(|probe| probe.termination_grace_period_seconds);
        own.and_then(|seconds| u64::try_from(seconds).ok()).map_or_else(|| self.context.grace(), Duration::from_secs)
    }

    /// A hook may use up the whole grace; the process still gets a moment, unless the node itself is in a hurry.
    fn after_hook(&self) -> Duration {
        if self.context.runs_hooks() { AFTER_HOOK } else { Duration::ZERO }
    }

    /// Notes how a run ended; returns its exit code.
    fn ended(&self, run: &Run) -> i32 {
        let (exit_code, signal) = match run.exit {
            Exit::Code(code) => (code, None),
            Exit::Signal(signal) => (128 + signal, Some(signal)),
        };
        let reason = if exit_code == 0 { "Completed" } else { "Error" };
        self.update(|view| {
            (view.ready, view.started) = (false, false);
            view.state = State::Ended(Ended {
                exit_code,
                signal,
                reason: reason.to_owned(),
                message: None,
                started_at: Some(run.since),
                finished_at: Timestamp::now(),
                pid: Some(run.pid),
            });
        });
        exit_code
    }

    /// Notes why a start did not succeed; returns the wait, and what the container waits for.
    fn obstacle(&mut self, obstacle: &Obstacle) -> (Duration, &'static str, String) {
        let name = Some(self.container.name.as_str());
        let (reason, message) = match obstacle {
            Obstacle::Config(message) => ("CreateContainerConfigError", message.clone()),
            Obstacle::Start(error) => ("RunContainerError", error.to_string()),
        };
        self.context.events.warn(name, "Failed", &format!("Error: {message}"));
        let wait = self.backoff.after_failed_start();
        if let Obstacle::Start(_) = obstacle {
            let now = Timestamp::now();
            self.update(|view| {
                view.restarts += i32::from(view.has_run());
                view.state = State::Ended(Ended {
                    exit_code: 128,
                    signal: None,
                    reason: "StartError".to_owned(),
                    message: Some(message.clone()),
                    started_at: None,
                    finished_at: now,
                    pid: None,
                });
            });
        }
        (wait, reason, message)
    }

    fn backoff_message(&self, wait: Duration) -> String {
        let Context { name, namespace, uid, .. } = self.context;
        let container = &self.container.name;
        let short = format!("Back-off restarting failed container {container} in pod {name}_{namespace}({uid})");
        if !wait.is_zero() {
            self.context.events.warn(Some(container), "BackOff", &short);
        }
        let wait = kubelet_duration(wait);
        format!("back-off {wait} restarting failed container={container} pod={name}_{namespace}({uid})")
    }

    fn must_end(&self) -> bool {
        *self.wish.borrow() != Wish::Run
    }

    fn view(&self) -> ContainerView {
        let view = self.context.view.borrow();
        let found = match self.place {
            Place::Init(index) => view.init.get(index),
            Place::App(index) => view.app.get(index),
        };
        found.cloned().unwrap_or_else(|| ContainerView::new(&self.container.name, None, None, Timestamp::now()))
    }

    fn update(&self, change: impl FnOnce(&mut ContainerView)) {
        self.context.view.send_modify(|view| {
            let found = match self.place {
                Place::Init(index) => view.init.get_mut(index),
                Place::App(index) => view.app.get_mut(index),
            };
            if let Some(view) = found {
                change(view);
            }
        });
    }
}

/// As Go writes it: 10s, 1m20s, 5m0s.
fn kubelet_duration(duration: Duration) -> String {
    match (duration.as_secs() / 60, duration.as_secs() % 60) {
        (0, 0) => format!("{}ms", duration.as_millis()),
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

/// Why this node cannot run the container at all.
pub(super) fn unsupported(container: &Container) -> Option<String> {
    let name = &container.name;
    if container.command.as_ref().is_none_or(Vec::is_empty) {
        return Some(format!(
            "container {name:?} has no command: this node runs local processes and knows no images, so the command must be given"
        ));
    }
    if container.restart_policy.as_deref() == Some("Always") {
        return Some(format!(
            "container {name:?} is a sidecar (an init container that is restarted), which this node does not know"
        ));
    }
    if container.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.post_start.is_some()) {
        return Some(format!("container {name:?} has a postStart hook, which this node does not know"));
    }
    probe::unsupported(container)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_the_kubelet_does() {
        let written = [10, 80, 300].map(|seconds| kubelet_duration(Duration::from_secs(seconds)));
        assert_eq!(written, ["10s", "1m20s", "5m0s"]);
    }

    #[test]
    fn a_container_without_a_command_is_refused_with_a_sentence() {
        let container = Container { name: "front".to_owned(), ..Container::default() };
        assert!(unsupported(&container).unwrap().contains("the command must be given"));
    }
}
