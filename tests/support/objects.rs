//! The objects behind the hosts: a Service and an EndpointSlice for each, as the operator and the controllers would make them.

use doorstep::resources::EnvironmentClass;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

/// The port of every endpoint.
pub const PORT: u16 = 8080;
/// How many objects are made at a time.
const AT_A_TIME: usize = 32;
/// The class of all environments.
const CLASS: &str = "integration";

/// The address of the pods' network with this number. The whole network is local in a test's namespace.
pub fn address(number: usize) -> IpAddr {
    let number = u32::try_from(number + 1).unwrap_or(u32::MAX);
    // Not the last block: the API server says that it lives there.
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 244, 0, 0)) + number % (255 << 8)).into()
}

/// When the API server acknowledged a change, and which version it made.
pub struct Acknowledged {
    pub at: Instant,
    pub version: String,
}

impl Acknowledged {
    fn of(object: &impl ResourceExt) -> Self {
        Self { at: Instant::now(), version: object.resource_version().unwrap_or_default() }
    }
}

/// The environments' objects.
#[derive(Clone)]
pub struct Objects {
    services: Api<Service>,
    slices: Api<EndpointSlice>,
    ingresses: Api<Ingress>,
    maps: Api<ConfigMap>,
}

/// The host of a user's environment.
pub fn host(user: &str) -> String {
    format!("front{user}.int.localhost")
}

/// The host of a user's Ingress, outside of every class's zone.
pub fn ingress_host(user: &str) -> String {
    format!("{user}.ingress.test")
}

impl Objects {
    /// Makes what has to be there first: our kinds, a class, and an IngressClass.
    pub async fn prepare(client: &Client) -> Self {
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        for definition in doorstep::resources::definitions() {
            definitions.create(&PostParams::default(), &definition).await.unwrap();
        }
        let class = doorstep::config::read_classes(include_str!("../../config/classes/integration.yaml"), CLASS);
        let classes: Api<EnvironmentClass> = Api::all(client.clone());
        let class = class.unwrap().remove(0);
        // A new kind is served a moment after it was acknowledged.
        while classes.create(&PostParams::default(), &class).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let ingress_class: IngressClass = object(json!({
            "metadata": {"name": "doorstep"}, "spec": {"controller": "doorstep.dev/gateway"},
        }));
        Api::all(client.clone()).create(&PostParams::default(), &ingress_class).await.unwrap();
        Self::of(client)
    }

    /// The same objects by another client: one lives on the runtime that made it.
    pub fn of(client: &Client) -> Self {
        Self {
            services: Api::default_namespaced(client.clone()),
            slices: Api::default_namespaced(client.clone()),
            ingresses: Api::default_namespaced(client.clone()),
            maps: Api::default_namespaced(client.clone()),
        }
    }

    /// Makes many environments at a time; each gets the endpoint of its number.
    pub async fn create_all(&self, users: impl Iterator<Item = (String, usize)>) {
        let create = async |(user, number): (String, usize)| drop(self.create(&user, &[address(number)]).await);
        stream::iter(users).for_each_concurrent(AT_A_TIME, create).await;
    }

    /// Takes many away.
    pub async fn delete_all(&self, users: impl Iterator<Item = String>) {
        let delete = async |user: String| self.delete(&user).await;
        stream::iter(users).for_each_concurrent(AT_A_TIME, delete).await;
    }

    /// Makes an environment's Service and then its slice, which is what makes it answer.
    pub async fn create(&self, user: &str, endpoints: &[IpAddr]) -> Acknowledged {
        let labels = json!({"doorstep.dev/user": user, "doorstep.dev/class": CLASS});
        self.create_service(user, labels).await;
        let created = self.slices.create(&PostParams::default(), &slice(user, endpoints)).await.unwrap();
        Acknowledged::of(&created)
    }

    /// Makes a Service that is nobody's, its slice, and then the Ingress that leads to it.
    pub async fn create_ingress(&self, user: &str, endpoints: &[IpAddr]) -> Acknowledged {
        self.create_service(user, json!({})).await;
        self.slices.create(&PostParams::default(), &slice(user, endpoints)).await.unwrap();
        let ingress: Ingress = object(json!({
            "metadata": {"name": user},
            "spec": {"ingressClassName": "doorstep", "rules": [{"host": ingress_host(user), "http": {"paths": [{
                "path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": name(user), "port": {"name": "http"}}},
            }]}}]},
        }));
        Acknowledged::of(&self.ingresses.create(&PostParams::default(), &ingress).await.unwrap())
    }

    async fn create_service(&self, user: &str, labels: Value) {
        let service: Service = object(json!({
            "metadata": {"name": name(user), "labels": labels},
            "spec": {"ports": [{"name": "http", "port": 80}]},
        }));
        self.services.create(&PostParams::default(), &service).await.unwrap();
    }

    /// Gives an environment other endpoints.
    pub async fn change(&self, user: &str, endpoints: &[IpAddr]) -> Acknowledged {
        let slice = slice(user, endpoints);
        let replaced = self.slices.replace(&slice.name_any(), &PostParams::default(), &slice).await.unwrap();
        Acknowledged::of(&replaced)
    }

    /// Takes an environment away, or an Ingress with what is behind it.
    pub async fn delete(&self, user: &str) {
        drop(self.ingresses.delete(user, &DeleteParams::default()).await);
        drop(self.slices.delete(&format!("{}-bench", name(user)), &DeleteParams::default()).await);
        drop(self.services.delete(&name(user), &DeleteParams::default()).await);
    }

    /// Writes an object of about a slice's size that no gateway looks at.
    pub async fn write_elsewhere(&self, name: &str, value: usize) {
        let map: ConfigMap = object(json!({"metadata": {"name": name}, "data": {"value": value.to_string()}}));
        if self.maps.replace(name, &PostParams::default(), &map).await.is_err() {
            self.maps.create(&PostParams::default(), &map).await.unwrap();
        }
    }
}

fn name(user: &str) -> String {
    format!("{user}-{CLASS}")
}

fn slice(user: &str, endpoints: &[IpAddr]) -> EndpointSlice {
    let name = name(user);
    let ready = |address: &IpAddr| json!({"addresses": [address], "conditions": {"ready": true}});
    let endpoints: Vec<Value> = endpoints.iter().map(ready).collect();
    object(json!({
        "metadata": {"name": format!("{name}-bench"), "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": PORT}],
        "endpoints": endpoints,
    }))
}

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}
