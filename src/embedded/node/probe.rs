//! Probes: is a container started, ready, alive? One loop for each probe of a running container.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use k8s_openapi::{
    api::core::v1::{Container, ContainerPort, HTTPGetAction, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};
use tokio::{net::TcpStream, sync::mpsc, time::Instant};

use super::{
    events::PodEvents,
    process::{Spawner, Task},
    shim::Exit,
};

/// The quickest repetition while a container is awaited.
const QUICKEST: Duration = Duration::from_millis(20);
/// A command costs a process, so it is not repeated that quickly.
const QUICKEST_COMMAND: Duration = Duration::from_millis(250);

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Startup,
    Readiness,
    Liveness,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

/// A verdict, told when it changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    pub purpose: Purpose,
    pub healthy: bool,
}

/// How to ask one container.
#[derive(Clone)]
pub(super) struct Target {
    pub address: IpAddr,
    pub ports: Vec<ContainerPort>,
    /// For commands: everything but the command itself.
    pub task: Task,
    pub spawner: Arc<Spawner>,
}

/// Asks until the container is gone; verdicts go to `verdicts`, each failure becomes an event.
pub(super) async fn watch(
    purpose: Purpose,
    probe: Probe,
    target: Target,
    events: PodEvents,
    verdicts: mpsc::Sender<Verdict>,
) {
    let period = seconds(probe.period_seconds, 10);
    let start = Instant::now() + seconds_or_zero(probe.initial_delay_seconds);
    let mut next_period = start;
    let mut count = Count::new(&probe);
    tokio::time::sleep_until(start).await;
    loop {
        let on_period = Instant::now() >= next_period;
        if on_period {
            next_period += period;
        }
        let result = ask(&probe, &target).await;
        if let (Err(reason), true) = (&result, on_period) {
            events.warn(
                Some(&target.task.marks.container),
                "Unhealthy",
                &format!("{} probe failed: {reason}", purpose.name()),
            );
        }
        if let Some(healthy) = count.verdict(result.is_ok(), on_period)
            && verdicts.send(Verdict { purpose, healthy }).await.is_err()
        {
            return;
        }
        // A pod should be ready soon after it listens: until then it is also asked between the periods, each time
        // after a tenth of the time that has passed. These attempts may succeed, but their failures do not count.
        let waits = purpose != Purpose::Liveness && !count.has_succeeded;
        let quickest = if probe.exec.is_some() { QUICKEST_COMMAND } else { QUICKEST };
        let soon = Instant::now() + (start.elapsed() / 10).max(quickest);
        tokio::time::sleep_until(if waits { soon.min(next_period) } else { next_period }).await;
        // After a long answer or a suspended machine the missed periods are not made up for.
        next_period = next_period.max(Instant::now());
    }
}

/// Consecutive results, and the verdict that follows from them.
struct Count {
    successes_needed: i32,
    failures_needed: i32,
    successes: i32,
    failures: i32,
    has_succeeded: bool,
    last: Option<bool>,
}

impl Count {
    fn new(probe: &Probe) -> Self {
        Self {
            successes_needed: probe.success_threshold.unwrap_or(1).max(1),
            failures_needed: probe.failure_threshold.unwrap_or(3).max(1),
            successes: 0,
            failures: 0,
            has_succeeded: false,
            last: None,
        }
    }

    /// The new verdict, if this result changes it.
    fn verdict(&mut self, success: bool, counted: bool) -> Option<bool> {
        if success {
            self.has_succeeded = true;
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
        } else {
            self.successes = 0;
            self.failures = self.failures.saturating_add(i32::from(counted));
        }
        let verdict = match success {
            true if self.successes >= self.successes_needed => true,
            false if self.failures >= self.failures_needed => false,
            _ => return None,
        };
        if self.last.replace(verdict) == Some(verdict) {
            return None;
        }
        Some(verdict)
    }
}

async fn ask(probe: &Probe, target: &Target) -> Result<(), String> {
    let timeout = seconds(probe.timeout_seconds, 1);
    let asked = async {
        if let Some(get) = &probe.http_get {
            http_get(get, target).await
        } else if let Some(tcp) = &probe.tcp_socket {
            let address = socket_address(tcp.host.as_deref(), &tcp.port, target)?;
            TcpStream::connect(address).await.map(drop).map_err(|error| format!("dial tcp {address}: {error}"))
        } else if let Some(exec) = &probe.exec {
            run_command(exec.command.clone().unwrap_or_default(), target).await
        } else {
            Ok(())
        }
    };
    let late = || Err(format!("no answer within {} s", timeout.as_secs_f32()));
    tokio::time::timeout(timeout, asked).await.unwrap_or_else(|_| late())
}

/// Runs a command in the container's surroundings; it succeeds with exit code 0.
pub(super) async fn run_command(command: Vec<String>, target: &Target) -> Result<(), String> {
    let mut task = Task { command, ..target.task.clone() };
    task.marks.container.push_str("/command");
    match target.spawner.run(task).await {
        Ok((Exit::Code(0), _)) => Ok(()),
        Ok((Exit::Code(code), text)) => Err(format!("the command ended with exit code {code}: {text}")),
        Ok((Exit::Signal(signal), text)) => Err(format!("the command was ended by signal {signal}: {text}")),
        Err(error) => Err(error.to_string()),
    }
}

/// One GET; 2xx and 3xx are success.
pub(super) async fn http_get(get: &HTTPGetAction, target: &Target) -> Result<(), String> {
    let address = socket_address(get.host.as_deref(), &get.port, target)?;
    let path = get.path.as_deref().filter(|path| !path.is_empty()).unwrap_or("/");
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut request = http::Request::get(format!("{slash}{path}")).header("user-agent", "kube-probe/doorstep");
    let headers = get.http_headers.iter().flatten();
    if !headers.clone().any(|header| header.name.eq_ignore_ascii_case("host")) {
        request = request.header("host", address.to_string());
    }
    for header in headers {
        request = request.header(&header.name, &header.value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
    let failed = |error: &dyn std::fmt::Display| format!("Get \"http://{address}{slash}{path}\": {error}");
    let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    // The connection is driven here, so that it ends with the probe. A server that closes it ends it in the same moment in
    // which the answer is there.
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answered = tokio::select! {
        answered = &mut answer => answered,
        _ = connection => answer.await,
    };
    let response = answered.map_err(|error| failed(&error))?;
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return Ok(());
    }
    Err(format!("HTTP probe failed with statuscode: {}", status.as_u16()))
}

fn socket_address(host: Option<&str>, port: &IntOrString, target: &Target) -> Result<SocketAddr, String> {
    let address = match host.filter(|host| !host.is_empty()) {
        None => target.address,
        Some(host) => host.parse().map_err(|_| format!("the host {} is no IP address", crate::model::shown(host)))?,
    };
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => name.parse().ok().or_else(|| {
            let named = |port: &&ContainerPort| port.name.as_deref() == Some(name);
            target.ports.iter().find(named).map(|port| port.container_port)
        }),
    };
    let port = number.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0);
    port.map(|port| SocketAddr::new(address, port)).ok_or_else(|| "the container has no such port".to_owned())
}

/// Why one of the container's probes or hooks cannot be made by this node.
pub(super) fn unsupported(container: &Container) -> Option<String> {
    let probes = [
        ("startupProbe", &container.startup_probe),
        ("readinessProbe", &container.readiness_probe),
        ("livenessProbe", &container.liveness_probe),
    ];
    for (name, probe) in probes {
        let Some(probe) = probe else { continue };
        let https = probe.http_get.as_ref().is_some_and(|get| get.scheme.as_deref() == Some("HTTPS"));
        let what = match (probe.grpc.is_some(), https) {
            (true, _) => "grpc",
            (_, true) => "httpGet with scheme HTTPS",
            _ => continue,
        };
        return Some(format!(
            "the {name} of container {:?} is {what}, which this node does not know: use httpGet, tcpSocket or exec",
            container.name
        ));
    }
    None
}

fn seconds(value: Option<i32>, default: u64) -> Duration {
    Duration::from_secs(value.and_then(|value| u64::try_from(value).ok()).filter(|value| *value > 0).unwrap_or(default))
}

fn seconds_or_zero(value: Option<i32>) -> Duration {
    Duration::from_secs(value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_told_when_it_changes_and_failures_count_by_period_only() {
        let mut count = Count::new(&Probe { failure_threshold: Some(2), ..Probe::default() });
        let results =
            [(false, false), (false, true), (true, false), (true, true), (false, true), (false, true), (false, true)];
        let told = results.map(|(success, counted)| count.verdict(success, counted));
        assert_eq!(told, [None, None, Some(true), None, None, Some(false), None]);
    }
}
