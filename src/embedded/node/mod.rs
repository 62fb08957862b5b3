//! A node whose pods are local processes, as a plain client of the API.
//!
//! | file | what it is for |
//! |---|---|
//! | `pods` | which pods live here: one watch, one task for each |
//! | `pod`, `container` | the life of a pod, and of each of its containers |
//! | `status` | what is written about them |
//! | `process`, [`shim`], [`exec`] | a container's process: as doorstep holds it, and the two steps before its command |
//! | `sweep`, `processes` | processes that nobody holds any more; what `/proc` says |
//! | `probe`, [`backoff`], `env`, [`addresses`] | is it ready; when is it run again; its variables; its address |
//! | `logs`, `log_source`, `log_reader`, `usage`, `events` | what people see of it |
//! | `port` | logs for an API server of another process |
//! | `register`, `binding` | the node's own object; pods that have no node yet |

mod binding;
mod container;
mod earlier;
mod env;
mod events;
mod log_reader;
mod log_source;
mod logs;
mod pod;
mod pods;
mod port;
mod probe;
mod process;
mod processes;
mod register;
mod status;
mod sweep;
mod usage;

pub mod addresses;
pub mod backoff;
pub mod exec;
pub mod shim;

use std::{
    ffi::OsStr,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use dashmap::DashMap;
use futures::{FutureExt, future::BoxFuture, stream::BoxStream};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};

pub use self::{addresses::AddressPool, backoff::BackoffConfig, exec::exec_main, port::PortConfig, shim::shim_main};
use self::{
    events::Events,
    pods::{Pods, Resident},
    port::Port,
    process::Spawner,
    register::Registration,
    usage::Usage,
};
use super::api::{LogError, LogOptions, NodeBackend, PodUsage};

/// So many containers are started at one time: hundreds at once would only slow each other down.
const STARTS_AT_ONCE: usize = 16;

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The name of its Node object.
    pub name: String,
    /// Logs and pod folders live in `pods/<uid>/` below it.
    pub data_dir: PathBuf,
    /// The doorstep binary. It is the shim of every container, and what pods find as `doorstep` on their `PATH`.
    pub executable: PathBuf,
    /// One of these for each pod.
    pub addresses: AddressPool,
    /// How long a container that ended waits before it is run again.
    pub backoff: BackoffConfig,
    /// The port for an API server of another process; one of this process asks the node itself.
    pub port: Option<PortConfig>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A folder of the node cannot be made or read.
    #[error("the node's folder {} cannot be used: {source}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The thread that starts processes cannot be made.
    #[error("the node cannot start processes: {0}")]
    Spawner(io::Error),
    /// Its port cannot be had.
    #[error("the node cannot serve logs on {address}: {reason}")]
    Port {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system or the cryptography says.
        reason: String,
    },
    /// The Node object cannot be written.
    #[error("the node {name:?} cannot be registered: {source}")]
    Register {
        /// The node's name.
        name: String,
        /// What the API says.
        source: Box<kube::Error>,
    },
}

/// A running node.
pub struct Node {
    shared: Arc<Shared>,
    stop: watch::Sender<Option<Duration>>,
    pods: Mutex<Option<JoinHandle<()>>>,
    /// Tasks that have nothing to finish.
    helpers: Vec<JoinHandle<()>>,
}

/// What the parts of a node share.
struct Shared {
    config: NodeConfig,
    client: kube::Client,
    host_address: IpAddr,
    /// The search path of the pods' commands.
    path: String,
    spawner: Arc<Spawner>,
    starts: Semaphore,
    events: Events,
    usage: Usage,
    /// By namespace and name.
    residents: DashMap<(String, String), Resident>,
}

impl Shared {
    fn pods_folder(&self) -> PathBuf {
        self.config.data_dir.join("pods")
    }
}

/// Registers the node and runs the pods that are bound to it. What an earlier run with the same data folder left over is
/// ended first, and what it said of its pods is taken back: when this returns, no pod here is called ready.
///
/// # Errors
/// When its folder cannot be used or its Node object cannot be written.
pub async fn start(client: kube::Client, mut config: NodeConfig) -> Result<Arc<Node>, NodeError> {
    let path = prepare_folders(&mut config)?;
    let data_dir = config.data_dir.clone();
    let killed = tokio::task::spawn_blocking(move || sweep::kill_leftovers(&data_dir)).await.unwrap_or(0);
    if killed > 0 {
        tracing::info!(killed, "processes of an earlier run were ended");
    }
    let port = match config.port.take() {
        Some(port) => Some(Port::bind(&port).await?),
        None => None,
    };
    let host_address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let registration =
        Registration { name: config.name.clone(), address: host_address, port: port.as_ref().map(Port::number) };
    register::register(&client, &registration)
        .await
        .map_err(|source| NodeError::Register { name: config.name.clone(), source: Box::new(source) })?;
    earlier::take_back(&client, &config.name, host_address).await;
    let spawner = Arc::new(Spawner::new(config.executable.clone()).map_err(NodeError::Spawner)?);
    let shared = Arc::new(Shared {
        events: Events::new(client.clone(), config.name.clone()),
        host_address,
        path,
        spawner,
        starts: Semaphore::new(STARTS_AT_ONCE),
        usage: Usage::default(),
        residents: DashMap::new(),
        client: client.clone(),
        config,
    });
    let (stop, stopped) = watch::channel(None);
    let mut helpers = vec![
        tokio::spawn(register::heartbeat(client, registration)),
        tokio::spawn(binding::bind_all(Arc::clone(&shared))),
        tokio::spawn(sample_usage(shared.usage.clone())),
    ];
    helpers.extend(port.map(|port| tokio::spawn(port.serve(Arc::clone(&shared)))));
    let pods = tokio::spawn(Pods::new(Arc::clone(&shared)).run(stopped));
    Ok(Arc::new(Node { shared, stop, pods: Mutex::new(Some(pods)), helpers }))
}

async fn sample_usage(usage: Usage) {
    let mut every = tokio::time::interval(usage::SAMPLE_EVERY);
    loop {
        every.tick().await;
        let usage = usage.clone();
        let _ = tokio::task::spawn_blocking(move || usage.sample()).await;
    }
}

/// Makes the node's folders; returns the search path of the pods' commands.
fn prepare_folders(config: &mut NodeConfig) -> Result<String, NodeError> {
    let folder = |folder: &Path| {
        let folder = folder.to_owned();
        move |source| NodeError::Folder { folder, source }
    };
    let pods = config.data_dir.join("pods");
    std::fs::create_dir_all(&pods).map_err(folder(&pods))?;
    // Leftovers are known by this path, so it must be the same however the folder was named.
    config.data_dir = config.data_dir.canonicalize().map_err(folder(&config.data_dir))?;
    config.executable = config.executable.canonicalize().map_err(folder(&config.executable))?;
    let commands = match (config.executable.file_name(), config.executable.parent()) {
        (Some(name), Some(parent)) if name == OsStr::new("doorstep") => parent.to_owned(),
        _ => {
            let commands = config.data_dir.join("bin");
            std::fs::create_dir_all(&commands).map_err(folder(&commands))?;
            let link = commands.join("doorstep");
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(&config.executable, &link).map_err(folder(&link))?;
            commands
        }
    };
    let own = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    Ok(format!("{}:{own}", commands.display()))
}

impl Node {
    /// Ends all processes, those that take longer than `grace` by force. The pods' objects stay: the next start runs them again.
    pub async fn shutdown(&self, grace: Duration) {
        for helper in &self.helpers {
            helper.abort();
        }
        self.stop.send_replace(Some(grace));
        let pods = self.pods.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pods) = pods {
            let _ = pods.await;
        }
    }
}

impl NodeBackend for Node {
    fn logs(
        &self,
        namespace: &str,
        pod: &str,
        options: LogOptions,
    ) -> BoxFuture<'_, Result<BoxStream<'static, io::Result<Bytes>>, LogError>> {
        let log = self.shared.log_stream(namespace, pod, options);
        async move { log }.boxed()
    }

    fn usage(&self) -> BoxFuture<'_, Vec<PodUsage>> {
        let usage = self.shared.usage.clone();
        async move { tokio::task::spawn_blocking(move || usage.read()).await.unwrap_or_default() }.boxed()
    }
}
