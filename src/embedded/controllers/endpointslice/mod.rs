//! EndpointSlice: the pods behind each Service, with their addresses and conditions.

mod plan;
mod selectors;

use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::plan::Step;
use self::selectors::Selectors;
use super::informer::{Change, Key, key_of};
use super::queue::{Outcome, Queue};
use super::{ControllerError, FIELD_MANAGER, Informers, pods};

/// Label of a slice: the Service it belongs to.
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label of a slice: who writes it.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`] for our slices.
const MANAGED_BY_VALUE: &str = "endpointslice-controller.k8s.io";

const CONCURRENCY: usize = 32;

/// Groups slices of ours by their Service.
pub fn index(slice: &EndpointSlice) -> Vec<String> {
    service_of(slice).map(|(namespace, name)| group(&namespace, &name)).into_iter().collect()
}

fn group(namespace: &str, service: &str) -> String {
    format!("{namespace}/{service}")
}

fn service_of(slice: &EndpointSlice) -> Option<Key> {
    let managed = slice.labels().get(MANAGED_BY).is_some_and(|value| value == MANAGED_BY_VALUE);
    let name = slice.labels().get(SERVICE_NAME).filter(|_| managed)?;
    Some((slice.namespace().unwrap_or_default(), name.clone()))
}

/// Subscribes to what it has to know and starts the work.
pub fn start(client: &Client, informers: &Informers, shutdown: &CancellationToken, tasks: &mut JoinSet<&'static str>) {
    let queue: Arc<Queue<Key>> = Arc::new(Queue::new());
    subscribe(informers, &queue);
    let (client, informers, shutdown) = (client.clone(), informers.clone(), shutdown.clone());
    tasks.spawn(async move {
        informers.services.synced().await;
        informers.pods.synced().await;
        informers.slices.synced().await;
        queue.work(CONCURRENCY, shutdown, |key| look(client.clone(), informers.clone(), key)).await;
        "endpoint slices"
    });
}

fn subscribe(informers: &Informers, queue: &Arc<Queue<Key>>) {
    let selectors = Arc::new(Mutex::new(Selectors::default()));
    let (told, known) = (Arc::clone(queue), Arc::clone(&selectors));
    informers.services.subscribe(move |change| {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let service: &Service = match change {
            Change::Applied { after, .. } => after,
            Change::Deleted(gone) => gone,
        };
        known.remove(&key_of(service));
        if let (Change::Applied { .. }, Some(selector)) = (change, plan::selector(service)) {
            known.insert(key_of(service), selector);
        }
        told.add(key_of(service));
    });
    let told = Arc::clone(queue);
    informers.pods.subscribe(move |change| {
        let known = selectors.lock().unwrap_or_else(PoisonError::into_inner);
        let selecting = |pod: &Pod| known.selecting(&pod.namespace().unwrap_or_default(), pod.labels());
        match change {
            Change::Applied { before: Some(before), after } if !plan::differ(before, after) => {}
            Change::Applied { before, after } => {
                let before = before.filter(|before| before.labels() != after.labels());
                before.into_iter().flat_map(selecting).chain(selecting(after)).for_each(|key| told.add(key));
            }
            Change::Deleted(gone) => selecting(gone).into_iter().for_each(|key| told.add(key)),
        }
    });
    let told = Arc::clone(queue);
    informers.slices.subscribe(move |change| {
        let (before, now) = match change {
            Change::Applied { before, after } => (*before, Some(*after)),
            Change::Deleted(gone) => (Some(*gone), None),
        };
        before.into_iter().chain(now).filter_map(service_of).for_each(|key| told.add(key));
    });
}

async fn look(client: Client, informers: Informers, key: Key) -> Outcome {
    // The slices of a Service that is gone are the garbage collector's.
    let Some(service) = informers.services.object(&key) else { return Ok(None) };
    if service.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let Some(selector) = plan::selector(&service) else { return Ok(None) };
    // Of all labels that a pod must have, the one that the fewest pods have.
    let groups = selector.iter().map(|(name, value)| pods::labelled(&key.0, name, value));
    let smallest = groups.min_by_key(|group| informers.pods.group_size(group)).unwrap_or_default();
    let mut pods = informers.pods.group(&smallest);
    pods.retain(|pod| selector.iter().all(|(name, value)| pod.labels().get(name) == Some(value)));
    let existing = informers.slices.group(&group(&key.0, &key.1));
    let api: Api<EndpointSlice> = Api::namespaced(client, &key.0);
    for step in plan::plan(&service, &pods, &existing) {
        carry_out(&api, step).await?;
    }
    Ok(None)
}

async fn carry_out(api: &Api<EndpointSlice>, step: Step) -> Result<(), ControllerError> {
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match step {
        Step::Create(slice) => match api.create(&parameters, &slice).await {
            Ok(_) => Ok(()),
            // Names follow from what a slice is for, so this one is our own of a moment ago.
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                Err(ControllerError::NotSeenYet { what: format!("EndpointSlice {}", slice.name_any()) })
            }
            Err(error) => Err(ControllerError::api(format!("EndpointSlice {}", slice.name_any()))(error)),
        },
        Step::Update(slice) => match api.replace(&slice.name_any(), &parameters, &slice).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                Err(ControllerError::NotSeenYet { what: format!("deletion of EndpointSlice {}", slice.name_any()) })
            }
            Err(error) => Err(ControllerError::api(format!("EndpointSlice {}", slice.name_any()))(error)),
        },
        Step::Delete { name, uid } => {
            let same = Preconditions { uid, resource_version: None };
            match api.delete(&name, &DeleteParams::default().preconditions(same)).await {
                Ok(_) => Ok(()),
                Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
                Err(error) => Err(ControllerError::api(format!("deletion of EndpointSlice {name}"))(error)),
            }
        }
    }
}
