//! What the API asks of the node behind a pod: a kubelet's read API.

use super::failure::{Failure, Outcome};
use super::request::Query;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use std::time::Duration;

/// Logs and resource usage of pods, told by the node that runs them.
pub trait NodeBackend: Send + Sync {
    /// Log lines of a container. The answer streams; with `follow` it stays open until the container is gone.
    fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: LogOptions,
    ) -> BoxFuture<'_, Result<BoxStream<'static, std::io::Result<Bytes>>, LogError>>;

    /// CPU and memory of each container that runs.
    fn usage(&self) -> BoxFuture<'_, Vec<PodUsage>>;
}

/// Which part of a log is wanted (`PodLogOptions`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// The container; `None` where the pod has a single one.
    pub container: Option<String>,
    /// Keep the stream open for lines to come.
    pub follow: bool,
    /// At most this many lines from the end.
    pub tail_lines: Option<u64>,
    /// Only lines of the last seconds.
    pub since_seconds: Option<u64>,
    /// Only lines written at or after this moment.
    pub since_time: Option<jiff::Timestamp>,
    /// Put the RFC 3339 time before each line.
    pub timestamps: bool,
    /// The log of the run before the current one.
    pub previous: bool,
    /// At most this many bytes.
    pub limit_bytes: Option<u64>,
}

impl LogOptions {
    /// Reads them from the query of a URL, as the API and a kubelet spell them.
    ///
    /// # Errors
    /// When a value is none; the sentence names its parameter.
    pub fn of_query(container: Option<String>, query: &str) -> Result<Self, String> {
        Self::read(container, &Query::parse(query)).map_err(|failure| failure.message)
    }

    pub(crate) fn read(container: Option<String>, query: &Query) -> Outcome<Self> {
        let since_time = match query.text("sinceTime") {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                Failure::bad_request(format!("sinceTime: Invalid value: \"{text}\": must be a time by RFC 3339"))
            })?),
        };
        Ok(Self {
            container,
            follow: query.flag("follow"),
            tail_lines: query.number("tailLines")?,
            since_seconds: query.number("sinceSeconds")?,
            since_time,
            timestamps: query.flag("timestamps"),
            previous: query.flag("previous"),
            limit_bytes: query.number("limitBytes")?,
        })
    }
}

/// Why a log cannot be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The node does not run such a pod.
    #[error("pod {0} is not on this node")]
    NoSuchPod(String),
    /// The pod has no such container.
    #[error("container {container} is not valid for pod {pod}")]
    NoSuchContainer {
        /// The pod that was asked.
        pod: String,
        /// The container that it does not have.
        container: String,
    },
    /// The container was not started yet.
    #[error("container \"{container}\" in pod \"{pod}\" is waiting to start: {reason}")]
    NotStarted {
        /// The pod that was asked.
        pod: String,
        /// The container that waits.
        container: String,
        /// Why it waits, such as `ContainerCreating`.
        reason: String,
    },
    /// There was no run before the current one.
    #[error("previous terminated container \"{container}\" in pod \"{pod}\" not found")]
    NoPrevious {
        /// The pod that was asked.
        pod: String,
        /// The container that never restarted.
        container: String,
    },
    /// The log's file cannot be read.
    #[error("the log cannot be read: {0}")]
    Unreadable(String),
}

/// What one container uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodUsage {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Mean CPU in the window, in billionths of a core.
    pub cpu_nanocores: u64,
    /// Memory in use, in bytes.
    pub memory_bytes: u64,
    /// When it was measured.
    pub at: jiff::Timestamp,
    /// The time over which CPU was measured.
    pub window: Duration,
}
