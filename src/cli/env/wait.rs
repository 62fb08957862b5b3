//! Waiting for an environment, with its changes as they come.

use crate::api::{ChangeKind, EnvironmentChange, EnvironmentView, PodList};
use crate::cli::client::{Client, path_of};
use crate::cli::exit::{Exit, Failure};
use crate::cli::pages;
use crate::cli::progress::{Progress, TICK};
use crate::model::EnvironmentKey;
use reqwest::Response;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// Lines of a failing pod's log that are shown.
const LOG_LINES: u32 = 10;
/// How long the last look at a failing pod may take.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// Waits until `environment`, or what followed it, is ready.
pub(super) async fn until_ready(
    client: &Client,
    key: &EnvironmentKey,
    environment: &EnvironmentView,
    limit: Duration,
) -> Result<EnvironmentView, Failure> {
    let mut waiting =
        Waiting { wanted: environment.generation, last: environment.clone(), progress: Progress::start() };
    let outcome = unless_interrupted(key, timeout_at(Instant::now() + limit, waiting.run(client, key))).await;
    waiting.progress.done();
    let outcome = outcome?;
    match outcome {
        Ok(outcome) => outcome,
        Err(_) => {
            let late = Failure::new(
                Exit::TimedOut,
                format!("{key} is not ready after {limit:?}: {}: {}", waiting.last.reason, waiting.last.message),
            );
            Err(with_log(late, client, key).await)
        }
    }
}

/// Waits until the environment of `key` is gone.
pub(super) async fn until_gone(client: &Client, key: &EnvironmentKey, limit: Duration) -> Result<(), Failure> {
    let gone = async {
        let mut changes = match Changes::open(client, key).await {
            Err(failure) if failure.exit == Exit::NotFound => return Ok(()),
            changes => changes?,
        };
        while let Some(change) = changes.next(client).await? {
            if change.kind == ChangeKind::Deleted {
                return Ok(());
            }
        }
        Err(Failure::new(Exit::Unreachable, "the manager ended while it was waited for"))
    };
    let late = || Failure::new(Exit::TimedOut, format!("{key} is not gone after {limit:?}"));
    let outcome = unless_interrupted(key, timeout_at(Instant::now() + limit, gone)).await?;
    outcome.unwrap_or_else(|_| Err(late()))
}

/// What `waiting` gives, or that somebody did not want to wait for it.
async fn unless_interrupted<T>(key: &EnvironmentKey, waiting: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        outcome = waiting => Ok(outcome),
        Ok(()) = tokio::signal::ctrl_c() => {
            let said = format!("{key} is not waited for any more; what was asked for goes on");
            Err(Failure::new(Exit::Interrupted, said))
        }
    }
}

struct Waiting {
    /// Older generations of the environment do not count.
    wanted: i64,
    last: EnvironmentView,
    progress: Progress,
}

impl Waiting {
    async fn run(&mut self, client: &Client, key: &EnvironmentKey) -> Result<EnvironmentView, Failure> {
        let mut changes = Changes::open(client, key).await?;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let change = tokio::select! {
                change = changes.next(client) => change?,
                _ = ticks.tick() => {
                    self.progress.tick();
                    continue;
                }
            };
            let Some(change) = change else {
                return Err(Failure::new(Exit::Unreachable, "the manager ended while it was waited for"));
            };
            match (change.kind, change.environment) {
                (ChangeKind::Deleted, _) => {
                    return Err(Failure::new(Exit::Failed, format!("{key} was deleted while it was waited for")));
                }
                (ChangeKind::Changed, Some(environment)) if environment.generation >= self.wanted => {
                    if let Some(outcome) = self.judge(environment) {
                        return outcome;
                    }
                }
                (ChangeKind::Changed, _) => {}
            }
        }
    }

    fn judge(&mut self, environment: EnvironmentView) -> Option<Result<EnvironmentView, Failure>> {
        self.progress.tell(&format!("{}: {}", environment.reason, environment.message));
        self.last = environment;
        if self.last.ready {
            return Some(Ok(self.last.clone()));
        }
        let stalled = self.last.conditions.iter().find(|condition| condition.kind == "Stalled");
        stalled.filter(|_| self.last.stalled).map(|condition| {
            Err(Failure::new(Exit::Failed, format!("{} cannot get ready: {}", self.last.name, condition.message)))
        })
    }
}

/// The stream of an environment's changes.
struct Changes {
    response: Response,
    read: Vec<u8>,
}

impl Changes {
    async fn open(client: &Client, key: &EnvironmentKey) -> Result<Self, Failure> {
        Ok(Self { response: client.stream(&format!("{}/watch", path_of(key))).await?, read: Vec::new() })
    }

    /// The next change; `None` at the end. Nothing is lost when it is dropped while it waits.
    async fn next(&mut self, client: &Client) -> Result<Option<EnvironmentChange>, Failure> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let change = serde_json::from_slice(&line).map_err(|error| {
                    Failure::new(Exit::Failed, format!("the manager sent something else than a change: {error}"))
                })?;
                return Ok(Some(change));
            }
            match self.response.chunk().await.map_err(|error| client.broken(&error))? {
                Some(chunk) => self.read.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// Adds the last lines of a failing pod's log. Whatever goes wrong here, the failure itself is the news.
async fn with_log(failure: Failure, client: &Client, key: &EnvironmentKey) -> Failure {
    let path = path_of(key);
    let look = async {
        let pods: PodList = pages::all(client, &format!("{path}/pods"), "").await.ok()?;
        let pod = pods.items.into_iter().find(|pod| pod.failing)?;
        let log = client.stream(&format!("{path}/logs?tail={LOG_LINES}&pod={}", pod.name)).await.ok()?;
        Some((pod, log.text().await.ok()?))
    };
    match tokio::time::timeout(LAST_LOOK, look).await.ok().flatten() {
        None => failure.hint(format!("look again with: doorstep env show {} --user {}", key.class, key.user)),
        Some((pod, log)) => {
            let exit = pod.last_exit.map(|exit| format!(", last ended with {exit}")).unwrap_or_default();
            let head = format!("the end of what {} printed ({}{exit}):", pod.name, pod.status);
            let failure = failure.hint(head);
            log.lines().fold(failure, |failure, line| failure.hint(format!("  {line}")))
        }
    }
}
