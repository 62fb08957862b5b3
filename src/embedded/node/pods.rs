//! Which pods live on this node: one watch of the API, one task for each pod.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use dashmap::DashMap;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    runtime::{WatchStreamExt, watcher},
};
use tokio::{
    sync::watch,
    task::{Id, JoinError, JoinSet},
    time::Instant,
};

use super::{
    Shared,
    addresses::Lease,
    logs::ContainerLog,
    pod::{self, Context, Why, Wish},
    status::PodView,
};

/// Processes of a pod whose object was taken away by force get this long.
const GRACE_WHEN_GONE: Duration = Duration::from_secs(1);

/// What others may ask about a pod that lives here.
pub(super) struct Resident {
    pub uid: String,
    pub view: watch::Receiver<PodView>,
    pub logs: Arc<DashMap<String, Arc<ContainerLog>>>,
    pub folder: std::path::PathBuf,
}

struct Entry {
    key: (String, String),
    pod: watch::Sender<Arc<Pod>>,
    wish: watch::Sender<Wish>,
    task: Id,
}

/// The pods of the node.
pub(super) struct Pods {
    node: Arc<Shared>,
    entries: HashMap<String, Entry>,
    tasks: JoinSet<()>,
    /// The pods of a list that is being read.
    listed: Vec<Pod>,
    swept: bool,
}

impl Pods {
    pub fn new(node: Arc<Shared>) -> Self {
        Self { node, entries: HashMap::new(), tasks: JoinSet::new(), listed: Vec::new(), swept: false }
    }

    /// Follows the API until the node is told to end, then ends all pods.
    pub async fn run(mut self, mut stop: watch::Receiver<Option<Duration>>) {
        let api: Api<Pod> = Api::all(self.node.client.clone());
        let config = watcher::Config::default().fields(&format!("spec.nodeName={}", self.node.config.name));
        let mut events = Box::pin(watcher(api, config).default_backoff());
        let grace = loop {
            tokio::select! {
                grace = stop.wait_for(Option::is_some) => break grace.ok().and_then(|grace| *grace).unwrap_or_default(),
                Some(ended) = self.tasks.join_next_with_id() => self.forget(&ended),
                event = events.next() => match event {
                    Some(Ok(event)) => self.take(event),
                    Some(Err(error)) => tracing::warn!(%error, "the node's pods cannot be watched"),
                    None => {}
                },
            }
        };
        for entry in self.entries.values() {
            entry.wish.send_replace(Wish::End { by: Instant::now() + grace, why: Why::NodeEnds });
        }
        while self.tasks.join_next().await.is_some() {}
        self.node.residents.clear();
    }

    fn take(&mut self, event: watcher::Event<Pod>) {
        match event {
            watcher::Event::Apply(pod) => self.apply(pod),
            watcher::Event::Delete(pod) => {
                if let Some((uid, ..)) = pod::identity(&pod) {
                    self.gone(&uid);
                }
            }
            watcher::Event::Init => self.listed.clear(),
            watcher::Event::InitApply(pod) => self.listed.push(pod),
            watcher::Event::InitDone => self.replace(),
        }
    }

    /// A complete list: what is not in it is gone.
    fn replace(&mut self) {
        let mut listed = std::mem::take(&mut self.listed);
        let present: HashSet<String> =
            listed.iter().filter_map(|pod| pod::identity(pod).map(|(uid, ..)| uid)).collect();
        let missing: Vec<String> = self.entries.keys().filter(|uid| !present.contains(*uid)).cloned().collect();
        for uid in missing {
            self.gone(&uid);
        }
        if !self.swept {
            self.swept = true;
            self.remove_folders_except(&present);
        }
        // Those that have an address take it again before a new one is given to anybody.
        listed.sort_by_key(|pod| address(pod).is_none());
        for pod in listed {
            self.apply(pod);
        }
    }

    fn apply(&mut self, pod: Pod) {
        let Some((uid, ..)) = pod::identity(&pod) else { return };
        if !self.entries.contains_key(&uid) && !self.admit(&pod) {
            return;
        }
        let Some(entry) = self.entries.get(&uid) else { return };
        if pod.metadata.deletion_timestamp.is_some() {
            let seconds = pod.metadata.deletion_grace_period_seconds.and_then(|seconds| u64::try_from(seconds).ok());
            let by = Instant::now() + seconds.map_or_else(|| pod::grace(&pod), Duration::from_secs);
            entry.wish.send_if_modified(|wish| {
                let sooner = match *wish {
                    Wish::Run => true,
                    Wish::End { by: before, why } => why == Why::Deleted && by < before,
                };
                if sooner {
                    *wish = Wish::End { by, why: Why::Deleted };
                }
                sooner
            });
        }
        entry.pod.send_replace(Arc::new(pod));
    }

    /// Begins the life of a pod that is new here; false when it cannot have one.
    fn admit(&mut self, pod: &Pod) -> bool {
        let Some((uid, namespace, name)) = pod::identity(pod) else { return false };
        let pool = &self.node.config.addresses;
        let events = self.node.events.of(pod);
        let Some(lease): Option<Lease> = address(pod).and_then(|address| pool.claim(address)).or_else(|| pool.take())
        else {
            events.warn(None, "FailedToRun", "the node has no address left for the pod");
            return false;
        };
        let folder = self.node.pods_folder().join(&uid);
        let first = pod::first_view(pod, lease.address(), self.node.host_address);
        // A pod that is being deleted must not be run for a moment: its wish is there before its task.
        let deleted = pod.metadata.deletion_timestamp.is_some();
        let wish = if deleted { Wish::End { by: Instant::now(), why: Why::Deleted } } else { Wish::Run };
        let (pods, wishes) = (watch::channel(Arc::new(pod.clone())), watch::channel(wish));
        let (view, seen) = watch::channel(first);
        let logs = Arc::new(DashMap::new());
        let resident = Resident { uid: uid.clone(), view: seen, logs: Arc::clone(&logs), folder: folder.clone() };
        let context = Context {
            node: Arc::clone(&self.node),
            uid: uid.clone(),
            namespace: namespace.clone(),
            name: name.clone(),
            address: lease.address(),
            folder,
            pod: pods.1,
            wish: wishes.1,
            view,
            logs,
            events,
            lease,
        };
        let task = self.tasks.spawn(pod::run(context)).id();
        let key = (namespace, name);
        self.node.residents.insert(key.clone(), resident);
        self.entries.insert(uid, Entry { key, pod: pods.0, wish: wishes.0, task });
        true
    }

    fn gone(&mut self, uid: &str) {
        if let Some(entry) = self.entries.get(uid) {
            entry.wish.send_if_modified(|wish| {
                let by = Instant::now() + GRACE_WHEN_GONE;
                let by = if let Wish::End { by: before, .. } = *wish { by.min(before) } else { by };
                *wish = Wish::End { by, why: Why::Gone };
                true
            });
        }
    }

    /// A pod's task has ended: nothing of the pod stays.
    fn forget(&mut self, ended: &Result<(Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => *id,
            Err(error) => {
                tracing::error!(%error, "a pod's task failed");
                error.id()
            }
        };
        let Some(uid) = self.entries.iter().find(|(_, entry)| entry.task == id).map(|(uid, _)| uid.clone()) else {
            return;
        };
        if let Some(entry) = self.entries.remove(&uid) {
            self.node.residents.remove_if(&entry.key, |_, resident| resident.uid == uid);
        }
        let folder = self.node.pods_folder().join(uid);
        tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder));
    }

    /// Folders of pods that went away while no node ran.
    fn remove_folders_except(&self, present: &HashSet<String>) {
        let (folder, present) = (self.node.pods_folder(), present.clone());
        tokio::task::spawn_blocking(move || {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_name().to_str().is_none_or(|uid| !present.contains(uid)) {
                    let _ = std::fs::remove_dir_all(entry.path());
                }
            }
        });
    }
}

/// The address that a pod's status names.
pub(super) fn address(pod: &Pod) -> Option<IpAddr> {
    pod.status.as_ref()?.pod_ip.as_deref()?.parse().ok()
}
