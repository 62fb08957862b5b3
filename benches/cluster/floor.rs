//! What no gateway can be faster than: a bare watcher of the same objects, which does nothing but note the time.

use futures::StreamExt;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::pin::pin;
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// An object's version, which the API server gives to one change alone.
type Version = String;

/// The watcher.
pub struct Floor(UnboundedReceiver<(Version, Instant)>);

impl Floor {
    /// Starts it; it has seen the objects of now before this returns.
    pub async fn start(client: &Client) -> Self {
        let (sender, receiver) = unbounded_channel();
        let (ready, mut listed) = unbounded_channel();
        tokio::spawn(watch::<Service>(client.clone(), sender.clone(), ready.clone()));
        tokio::spawn(watch::<EndpointSlice>(client.clone(), sender.clone(), ready.clone()));
        tokio::spawn(watch::<Ingress>(client.clone(), sender, ready));
        for _ in 0..3 {
            assert!(listed.recv().await.is_some(), "the watcher ended");
        }
        Self(receiver)
    }

    /// When this version of an object was seen.
    pub async fn seen(&mut self, version: &str) -> Instant {
        loop {
            let (seen, when) = self.0.recv().await.expect("the watcher has ended");
            if seen == version {
                return when;
            }
        }
    }
}

async fn watch<K>(client: Client, seen: UnboundedSender<(Version, Instant)>, listed: UnboundedSender<()>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut events = pin!(watcher::watcher(Api::<K>::all(client), watcher::Config::default()));
    while let Some(event) = events.next().await {
        // It ends with the benchmark.
        let Ok(event) = event else { return };
        match event {
            Event::Apply(object) => {
                drop(seen.send((object.resource_version().unwrap_or_default(), Instant::now())));
            }
            Event::InitDone => drop(listed.send(())),
            Event::Init | Event::InitApply(_) | Event::Delete(_) => {}
        }
    }
}
