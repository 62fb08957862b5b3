//! The life of one pod: its init containers one after the other, its containers together, its status, its end.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use dashmap::DashMap;
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodCondition, PodSpec, PodStatus, Volume};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde_json::json;
use tokio::{sync::watch, time::Instant};

use super::{
    Shared,
    addresses::Lease,
    container::{self, Life, Place},
    events::PodEvents,
    logs::ContainerLog,
    status::{ContainerView, PodView, RestartPolicy, State},
    usage::Key,
};

/// The longest wait before the API is asked again.
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// What is to become of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Run,
    /// End its processes, by force at the moment `by`.
    End {
        by: Instant,
        why: Why,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Someone deleted it, and waits for this node to confirm.
    Deleted,
    /// The object is not there any more.
    Gone,
    /// The node ends; the next one runs it again.
    NodeEnds,
}

/// What a pod's containers share.
pub(super) struct Context {
    pub node: Arc<Shared>,
    pub uid: String,
    pub namespace: String,
    pub name: String,
    pub address: IpAddr,
    pub folder: PathBuf,
    pub pod: watch::Receiver<Arc<Pod>>,
    pub wish: watch::Receiver<Wish>,
    pub view: watch::Sender<PodView>,
    pub logs: Arc<DashMap<String, Arc<ContainerLog>>>,
    pub events: PodEvents,
    /// Held as long as the pod lives.
    pub lease: Lease,
}

impl Context {
    pub fn key(&self, container: &str) -> Key {
        Key { namespace: self.namespace.clone(), pod: self.name.clone(), container: container.to_owned() }
    }

    /// The time that the pod's specification gives its processes to end.
    pub fn grace(&self) -> Duration {
        grace(&self.pod.borrow())
    }

    /// Hooks are for a deletion or a restart; a node that ends has no time for them.
    pub fn runs_hooks(&self) -> bool {
        !matches!(*self.wish.borrow(), Wish::End { why: Why::Gone | Why::NodeEnds, .. })
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.node.client.clone(), &self.namespace)
    }

    /// Resolves when nobody wants to hear of the pod any more.
    async fn abandoned(&self) {
        let gone = |wish: &Wish| matches!(wish, Wish::End { why: Why::Gone | Why::NodeEnds, .. });
        let _ = self.wish.clone().wait_for(gone).await;
    }
}

/// The time that a pod's specification gives its processes to end.
pub(super) fn grace(pod: &Pod) -> Duration {
    let seconds = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(30);
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// What the node knows of a pod before it has done anything: the history in its status, and nothing that runs.
pub(super) fn first_view(pod: &Pod, address: IpAddr, host_address: IpAddr) -> PodView {
    let now = Timestamp::now();
    let (spec, status) = (pod.spec.clone().unwrap_or_default(), pod.status.clone().unwrap_or_default());
    let policy = RestartPolicy::of(pod);
    let views = |containers: &[Container], written: Option<Vec<_>>, waiting: &str| -> Vec<ContainerView> {
        let written: Vec<k8s_openapi::api::core::v1::ContainerStatus> = written.unwrap_or_default();
        let view = |container: &Container| {
            let known = written.iter().find(|status| status.name == container.name);
            let mut view = ContainerView::new(&container.name, container.image.as_deref(), known, now);
            view.state = match &view.last {
                Some(ended) if !policy.restarts(ended.exit_code) => State::Ended(ended.clone()),
                _ => State::waiting(waiting),
            };
            view
        };
        containers.iter().map(view).collect()
    };
    let init = spec.init_containers.unwrap_or_default();
    let waiting = if init.is_empty() { "ContainerCreating" } else { "PodInitializing" };
    PodView {
        address: Some(address),
        host_address,
        started_at: status.start_time.map_or(now, |time| time.0),
        init: views(&init, status.init_container_statuses, "ContainerCreating"),
        app: views(&spec.containers, status.container_statuses, waiting),
    }
}

/// Runs a pod to its end.
pub(super) async fn run(context: Context) {
    let spec = context.pod.borrow().spec.clone().unwrap_or_default();
    let (over, is_over) = watch::channel(false);
    let life = async {
        live(&context, &spec).await;
        let _ = context.wish.clone().wait_for(|wish| *wish != Wish::Run).await;
        let _ = over.send(true);
    };
    let told = async {
        tokio::select! {
            () = publish(&context, is_over) => {}
            () = context.abandoned() => {}
        }
    };
    tokio::join!(life, told);
    tokio::select! {
        () = confirm_deletion(&context) => {}
        () = context.abandoned() => {}
    }
    tracing::debug!(pod = %context.name, address = %context.lease.address(), "the pod has ended");
}

async fn live(context: &Context, spec: &PodSpec) {
    let phase = context.pod.borrow().status.as_ref().and_then(|status| status.phase.clone());
    if matches!(phase.as_deref(), Some("Succeeded" | "Failed")) || *context.wish.borrow() != Wish::Run {
        return;
    }
    if let Some(sentence) = unsupported(spec) {
        context.events.warn(None, "FailedToRun", &sentence);
        context.view.send_modify(|view| {
            for container in view.init.iter_mut().chain(&mut view.app) {
                let (reason, message) = ("CreateContainerError".to_owned(), Some(sentence.clone()));
                container.state = State::Waiting { reason, message };
            }
        });
        return;
    }
    let policy = RestartPolicy::of(&context.pod.borrow());
    // A pod that is always restarted still runs each init container to one success.
    let init_policy = if policy == RestartPolicy::Never { policy } else { RestartPolicy::OnFailure };
    for (index, container) in spec.init_containers.iter().flatten().enumerate() {
        if Box::pin(Life::new(context, container, Place::Init(index), init_policy).live()).await != Some(0) {
            return;
        }
    }
    let lives = spec.containers.iter().enumerate();
    join_all(lives.map(|(index, container)| Box::pin(Life::new(context, container, Place::App(index), policy).live())))
        .await;
}

/// Writes the status whenever it changes, until the pod is over and its last status is written.
async fn publish(context: &Context, mut is_over: watch::Receiver<bool>) {
    let mut views = context.view.subscribe();
    let mut pods = context.pod.clone();
    let status = context.pod.borrow().status.clone().unwrap_or_default();
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return;
    }
    let mut conditions: Vec<PodCondition> = status.conditions.unwrap_or_default();
    let mut written: Option<PodStatus> = None;
    let mut retry = Duration::from_millis(50);
    loop {
        let last = *is_over.borrow_and_update();
        let status = {
            let pod = pods.borrow_and_update().clone();
            views.borrow_and_update().status(&pod, &conditions)
        };
        if written.as_ref() != Some(&status) {
            match write(context, &status).await {
                Ok(()) => {
                    conditions = status.conditions.clone().unwrap_or_default();
                    written = Some(status);
                    retry = Duration::from_millis(50);
                }
                Err(error) if is_final(&error) => return,
                Err(error) => {
                    tracing::warn!(pod = %context.name, %error, "the pod's status could not be written");
                    tokio::time::sleep(retry).await;
                    retry = retry.saturating_mul(2).min(LONGEST_RETRY);
                    continue;
                }
            }
        }
        if last {
            return;
        }
        tokio::select! {
            _ = views.changed() => {}
            Ok(()) = pods.changed() => {}
            _ = is_over.changed() => {}
        }
    }
}

async fn write(context: &Context, status: &PodStatus) -> Result<(), kube::Error> {
    // The uid keeps a younger pod of the same name from getting this one's status.
    let patch = json!({"metadata": {"uid": context.uid}, "status": status});
    context.api().patch_status(&context.name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
}

/// Takes the object of a deleted pod away, now that its processes have ended.
async fn confirm_deletion(context: &Context) {
    let mut retry = Duration::from_millis(50);
    let preconditions = Preconditions { uid: Some(context.uid.clone()), resource_version: None };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() }.grace_period(0);
    loop {
        match context.api().delete(&context.name, &parameters).await {
            Ok(_) => return,
            Err(error) if is_final(&error) => return,
            Err(error) => tracing::warn!(pod = %context.name, %error, "a deletion could not be confirmed"),
        }
        tokio::time::sleep(retry).await;
        retry = retry.saturating_mul(2).min(LONGEST_RETRY);
    }
}

/// The object is gone or is another one: asking again would not help.
fn is_final(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 409 | 410))
}

/// Why this node cannot run the pod.
fn unsupported(spec: &PodSpec) -> Option<String> {
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let sidecar = containers.clone().find_map(container::unsupported);
    sidecar.or_else(|| {
        // An API server with service accounts mounts its token everywhere: a process that wants one is told by a real node.
        let is_token = |name: &str| name.starts_with("kube-api-access-");
        let mounted = containers.flat_map(|container| container.volume_mounts.iter().flatten());
        let name = &mounted.map(|mount| &mount.name).find(|name| !is_token(name))?;
        let volume: Option<&Volume> = spec.volumes.iter().flatten().find(|volume| volume.name == **name);
        Some(format!(
            "the volume {} is mounted, and this node mounts none: its containers are processes that see the machine's own folders{}",
            crate::model::shown(name),
            if volume.is_some_and(|volume| volume.empty_dir.is_some()) { "; use HOME or TMPDIR, which are the pod's own" } else { "" }
        ))
    })
}

/// Whether a pod has a name, a namespace and a uid, as every pod of an API server has.
pub(super) fn identity(pod: &Pod) -> Option<(String, String, String)> {
    Some((pod.uid()?, pod.namespace()?, pod.name_any()))
}
