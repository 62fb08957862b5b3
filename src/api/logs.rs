//! `GET /environments/{user}/{class}/logs`: what the pods of an environment print, merged.

use super::input::{EnvironmentPath, Query};
use super::problem::{Code, Problem};
use super::{ApiState, Shared, cluster, environments, news_stream, pods};
use crate::model::{EnvironmentKey, did_you_mean, shown};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::runtime::{WatchStreamExt as _, watcher};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The most bytes of one line; a longer one is cut into several.
const MAX_LINE_BYTES: u64 = 64 * 1024;
/// Lines that may wait for a slow reader.
const WAITING_LINES: usize = 256;

/// What the pods of an environment print. With several pods, each line begins with the pod's name in brackets.
#[utoipa::path(get, path = "/api/v1/environments/{user}/{class}/logs", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
    ("follow" = Option<bool>, Query, description = "go on with what is printed from now on, by new pods too"),
    ("tail" = Option<u32>, Query, description = "only so many lines from the end, of each pod"),
    ("previous" = Option<bool>, Query, description = "of the container that ran before the last restart"),
    ("pod" = Option<String>, Query, description = "only of this pod"),
    ("timestamps" = Option<bool>, Query, description = "begin each line with its time"),
    ("timeout" = Option<u64>, Query, description = "end the stream after so many seconds", minimum = 1, maximum = 86400),
), responses(
    (status = 200, description = "lines of text", body = String, content_type = "text/plain"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn stream(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    mut query: Query,
) -> Result<Response, Problem> {
    let wanted = Wanted {
        tail: query.take("tail", "a number of lines"),
        follow: query.switch("follow").unwrap_or_default(),
        previous: query.switch("previous").unwrap_or_default(),
        timestamps: query.switch("timestamps").unwrap_or_default(),
        pod: query.take("pod", "the name of a pod"),
    };
    let limit = news_stream::timeout(&mut query);
    query.done()?;
    environments::find(&state, &key).await?;
    let chosen = choose(pods::of_environment(&state, &key).await?, &key, wanted.pod.as_deref())?;
    let (lines, received) = mpsc::channel(WAITING_LINES);
    let merge = Merge { state: state.clone(), key, wanted, lines, pods: Arc::default() };
    // The task ends when nobody receives any more, when all is read, or at the shutdown.
    tokio::spawn(state.shutdown.clone().run_until_cancelled_owned(merge.run(chosen)));
    let received = futures::stream::unfold(received, async |mut lines| Some((lines.recv().await?, lines)));
    let received = news_stream::until(received, limit, std::future::pending());
    let body = Body::from_stream(received.map(Ok::<Bytes, Infallible>));
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")], body).into_response())
}

#[derive(Clone)]
struct Wanted {
    follow: bool,
    tail: Option<u32>,
    previous: bool,
    timestamps: bool,
    pod: Option<String>,
}

fn choose(pods: Vec<Pod>, key: &EnvironmentKey, name: Option<&str>) -> Result<Vec<String>, Problem> {
    let names: Vec<String> = pods.into_iter().filter_map(|pod| pod.metadata.name).collect();
    match name {
        None => Ok(names),
        Some(name) if names.iter().any(|known| known == name) => Ok(vec![name.to_owned()]),
        Some(name) => {
            let hint = did_you_mean(name, names.iter().map(String::as_str));
            Err(Problem::new(Code::NoSuchPod, format!("the environment {key} has no pod {}{hint}", shown(name))))
        }
    }
}

/// Reads several pods' logs into one channel.
#[derive(Clone)]
struct Merge {
    state: Arc<ApiState>,
    key: EnvironmentKey,
    wanted: Wanted,
    lines: mpsc::Sender<Bytes>,
    /// How many pods there have been: from the second on, lines say whose they are.
    pods: Arc<AtomicUsize>,
}

impl Merge {
    async fn run(self, chosen: Vec<String>) {
        self.pods.store(chosen.len(), Ordering::Relaxed);
        if self.wanted.follow {
            self.follow(&chosen).await;
        } else {
            for pod in chosen {
                self.read(&pod).await;
            }
        }
    }

    async fn follow(&self, chosen: &[String]) {
        if let (Some(_), [pod]) = (&self.wanted.pod, chosen) {
            return self.read(pod).await;
        }
        // The watch tells those that are there first.
        self.pods.store(0, Ordering::Relaxed);
        let (mut readers, mut seen) = (JoinSet::new(), BTreeSet::new());
        let selected = watcher::Config::default().labels(&pods::selector(&self.key));
        let mut started = watcher(pods::api(&self.state), selected).default_backoff().applied_objects().boxed();
        loop {
            let pod = tokio::select! {
                pod = started.try_next() => pod,
                () = self.lines.closed() => return,
            };
            match pod {
                Ok(Some(pod)) => {
                    let name = pod.metadata.name.clone().unwrap_or_default();
                    if has_started(&pod) && seen.insert(name.clone()) {
                        self.pods.fetch_add(1, Ordering::Relaxed);
                        readers.spawn(self.clone().read_on(name));
                    }
                }
                Ok(None) => return,
                // The watch mends itself.
                Err(error) => tracing::warn!(%error, "the watch of an environment's pods was interrupted"),
            }
        }
    }

    async fn read_on(self, pod: String) {
        self.read(&pod).await;
    }

    async fn read(&self, pod: &str) {
        let asked = LogParams {
            follow: self.wanted.follow,
            previous: self.wanted.previous,
            timestamps: self.wanted.timestamps,
            tail_lines: self.wanted.tail.map(i64::from),
            ..LogParams::default()
        };
        match pods::api(&self.state).log_stream(pod, &asked).await {
            Ok(log) => self.copy(pod, log).await,
            Err(error) => {
                let said = match &error {
                    // These tell about the pod, like "container is waiting to start", not about the cluster.
                    kube::Error::Api(status) if status.code == 400 || status.code == 404 => status.message.clone(),
                    _ => cluster::problem(&error).detail,
                };
                let line = format!("[{pod}] no log: {said}\n");
                // Whoever hears no more of it has gone.
                let _ = self.lines.send(line.into()).await;
            }
        }
    }

    async fn copy(&self, pod: &str, log: impl AsyncBufRead) {
        let mut log = std::pin::pin!(log);
        loop {
            let mut line = Vec::new();
            match (&mut log).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, pod, "a log ended early");
                    return;
                }
            }
            if line.last() != Some(&b'\n') {
                line.push(b'\n');
            }
            if self.pods.load(Ordering::Relaxed) > 1 {
                line.splice(0..0, format!("[{pod}] ").into_bytes());
            }
            if self.lines.send(line.into()).await.is_err() {
                return;
            }
        }
    }
}

/// Whether the pod has a container that ran: before, there is no log to be read.
fn has_started(pod: &Pod) -> bool {
    let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    containers.into_iter().flatten().any(|container| {
        let state = container.state.as_ref();
        state.is_some_and(|state| state.running.is_some() || state.terminated.is_some()) || container.restart_count > 0
    })
}
