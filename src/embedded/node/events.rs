//! Events on pods: the same event again only counts the first one up.

use std::collections::HashMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference, Pod},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::mpsc;

/// Events that wait to be written; more than these are dropped, as nothing may wait for an event.
const QUEUE: usize = 1024;
/// So many different events are remembered for counting.
const REMEMBERED: usize = 4096;

/// Takes events and writes them one after the other.
#[derive(Clone, Debug)]
pub(super) struct Events {
    queue: mpsc::Sender<Occurrence>,
}

/// The events of one pod.
#[derive(Clone, Debug)]
pub(super) struct PodEvents {
    events: Events,
    pod: ObjectReference,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    uid: Option<String>,
    field: Option<String>,
    reason: String,
    message: String,
}

#[derive(Debug)]
struct Occurrence {
    pod: ObjectReference,
    type_: &'static str,
    key: Key,
    at: Timestamp,
}

impl Events {
    pub fn new(client: Client, node: String) -> Self {
        let (queue, occurrences) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(client, node, occurrences));
        Self { queue }
    }

    pub fn of(&self, pod: &Pod) -> PodEvents {
        PodEvents { events: self.clone(), pod: pod.object_ref(&()) }
    }
}

impl PodEvents {
    pub fn tell(&self, container: Option<&str>, reason: &str, message: &str) {
        self.send("Normal", container, reason, message);
    }

    pub fn warn(&self, container: Option<&str>, reason: &str, message: &str) {
        self.send("Warning", container, reason, message);
    }

    fn send(&self, type_: &'static str, container: Option<&str>, reason: &str, message: &str) {
        let field = container.map(|name| format!("spec.containers{{{name}}}"));
        // An event's message may have 1 kB.
        let message: String = message.chars().take(1000).collect();
        let key = Key { uid: self.pod.uid.clone(), field, reason: reason.to_owned(), message };
        let occurrence = Occurrence { pod: self.pod.clone(), type_, key, at: Timestamp::now() };
        if self.events.queue.try_send(occurrence).is_err() {
            tracing::debug!(reason, "an event is dropped: too many wait to be written");
        }
    }
}

async fn write_all(client: Client, node: String, mut occurrences: mpsc::Receiver<Occurrence>) {
    let mut written: HashMap<Key, (String, i32)> = HashMap::new();
    while let Some(occurrence) = occurrences.recv().await {
        if written.len() >= REMEMBERED {
            written.clear();
        }
        let namespace = occurrence.pod.namespace.clone().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
        if let Some((name, count)) = written.get_mut(&occurrence.key) {
            *count = count.saturating_add(1);
            let patch = json!({"count": *count, "lastTimestamp": Time(occurrence.at)});
            if api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.is_ok() {
                continue;
            }
        }
        match api.create(&PostParams::default(), &event(&occurrence, &node)).await {
            Ok(event) => {
                written.insert(occurrence.key, (event.name_any(), 1));
            }
            Err(error) => tracing::debug!(%error, "an event could not be written"),
        }
    }
}

fn event(occurrence: &Occurrence, node: &str) -> Event {
    let Occurrence { pod, type_, key, at } = occurrence;
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{:016x}", pod.name.as_deref().unwrap_or_default(), fastrand::u64(..))),
            namespace: pod.namespace.clone(),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference { field_path: key.field.clone(), ..pod.clone() },
        type_: Some((*type_).to_owned()),
        reason: Some(key.reason.clone()),
        message: Some(key.message.clone()),
        count: Some(1),
        first_timestamp: Some(Time(*at)),
        last_timestamp: Some(Time(*at)),
        source: Some(EventSource { component: Some("doorstep-node".to_owned()), host: Some(node.to_owned()) }),
        reporting_component: Some("doorstep-node".to_owned()),
        reporting_instance: Some(node.to_owned()),
        ..Event::default()
    }
}
