//! The kinds of which a manager has one watch each, whoever asks.

use super::{Feeder, Kept, Packed, Shared, watch};
use crate::resources::labels::INGRESS_FIELD_MANAGER;
use crate::resources::{Environment, EnvironmentClass, labels};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::Api;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Whole objects stand in the annotation of kubectl.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The kinds that several want to know of.
#[derive(Debug, Clone)]
pub struct SharedKinds {
    /// The environments.
    pub environments: Arc<Shared<Environment>>,
    /// The classes.
    pub classes: Arc<Shared<EnvironmentClass>>,
    /// All Services.
    pub services: Arc<Shared<Packed<Service>>>,
    /// All Ingresses, without what they ask for: which addresses they tell, and whether we wrote them.
    pub ingresses: Arc<Shared<Ingress>>,
    /// The EndpointSlices of the Services that are gateways.
    pub slices: Arc<Shared<EndpointSlice>>,
    /// The pods of environments, of whose containers only the names and resources are kept.
    pub pods: Arc<Shared<Packed<Pod>>>,
    /// The Services that are gateways, by namespace and name.
    gateways: BTreeSet<(String, String)>,
}

impl Default for SharedKinds {
    fn default() -> Self {
        Self::new(BTreeSet::new())
    }
}

impl SharedKinds {
    /// Nothing is known yet. Of EndpointSlices those of `gateways`, Services by namespace and name, are kept.
    pub fn new(gateways: BTreeSet<(String, String)>) -> Self {
        Self {
            environments: Shared::new(),
            classes: Shared::new(),
            services: Shared::new(),
            ingresses: Shared::new(),
            slices: Shared::new(),
            pods: Shared::new(),
            gateways,
        }
    }

    /// Feeds the environments.
    pub fn environments(&self) -> Feeder<Environment, Environment> {
        Feeder::new(&self.environments, |object| Some(plain(object)))
    }

    /// Feeds the classes.
    pub fn classes(&self) -> Feeder<EnvironmentClass, EnvironmentClass> {
        Feeder::new(&self.classes, |object| Some(plain(object)))
    }

    /// Feeds the Services.
    pub fn services(&self) -> Feeder<Service, Packed<Service>> {
        Feeder::new(&self.services, |object| Packed::of(&plain(object)))
    }

    /// Feeds the Ingresses.
    pub fn ingresses(&self) -> Feeder<Ingress, Ingress> {
        Feeder::new(&self.ingresses, |object| Some(ingress(object)))
    }

    /// Feeds the EndpointSlices of gateways.
    pub fn slices(&self) -> Feeder<EndpointSlice, EndpointSlice> {
        Feeder::new(&self.slices, of_services(self.gateways.clone()))
    }

    /// Asks for lists that begin after this, of all by which an operator acts.
    pub fn renew(&self) {
        self.environments.renew();
        self.classes.renew();
        self.services.renew();
        self.ingresses.renew();
        self.pods.renew();
    }

    /// Feeds the pods of environments in a namespace, or in all, until `end`.
    pub fn watch_pods(&self, client: &Client, namespace: Option<&str>, end: &CancellationToken) {
        let client = client.clone();
        let api = namespace.map_or_else(|| Api::all(client.clone()), |name| Api::namespaced(client.clone(), name));
        let config = watcher::Config::default().labels(&format!("{},{}", labels::USER, labels::CLASS));
        let feeder = Feeder::new(&self.pods, |object| Packed::of(&pod(object)));
        tokio::spawn(end.clone().run_until_cancelled_owned(watch(feeder, api, config)));
    }

    /// Feeds environments, classes and Services by watches of their own, until `end`: for a test without discovery.
    pub fn watch(&self, client: &Client, end: &CancellationToken) {
        let (environments, classes, services) = (self.environments(), self.classes(), self.services());
        let (client, end) = (client.clone(), end.clone());
        tokio::spawn(async move {
            let all = watcher::Config::default;
            let together = futures::future::join3(
                watch(environments, Api::all(client.clone()), all()),
                watch(classes, Api::all(client.clone()), all()),
                watch(services, Api::all(client.clone()), all()),
            );
            Box::pin(end.run_until_cancelled_owned(together)).await
        });
    }
}

/// An object without what nobody reads of any.
pub fn plain<K: ResourceExt>(mut object: K) -> K {
    object.managed_fields_mut().clear();
    if let Some(annotations) = &mut object.meta_mut().annotations {
        annotations.remove(LAST_APPLIED);
    }
    object
}

/// What it asks for is discovery's business. What we wrote is known by our name among its managers.
fn ingress(mut ingress: Ingress) -> Ingress {
    ingress.spec = None;
    ingress.annotations_mut().clear();
    ingress.managed_fields_mut().retain(|fields| fields.manager.as_deref() == Some(INGRESS_FIELD_MANAGER));
    ingress
}

/// Keeps the EndpointSlices of these Services, by namespace and name.
fn of_services(services: BTreeSet<(String, String)>) -> impl Fn(EndpointSlice) -> Option<EndpointSlice> {
    move |slice| {
        let service = slice.labels().get(labels::SERVICE_NAME).cloned().unwrap_or_default();
        let place = (Kept::namespace(&slice).to_owned(), service);
        services.contains(&place).then(|| plain(slice))
    }
}

/// How it is stands in its status, and what it uses in the requests of its containers.
fn pod(object: Pod) -> Pod {
    let mut pod = plain(object);
    pod.annotations_mut().clear();
    let containers = pod.spec.take().map(|spec| spec.containers).unwrap_or_default();
    let plain = |container: Container| Container {
        name: container.name,
        resources: container.resources,
        ..Container::default()
    };
    pod.spec = Some(PodSpec { containers: containers.into_iter().map(plain).collect(), ..PodSpec::default() });
    pod
}
