//! Events: what a person would want to know, once each.

use crate::cluster::BoundedRecorder;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Reporter};

/// A reason and a note longer than this would be refused by the API server.
const MAX_NOTE_CHARS: usize = 1000;

/// The same for the action, in bytes; a character of ours has at most three of them.
const MAX_ACTION_CHARS: usize = 128 / 3;

/// Publishes events. One that cannot be published is logged: nothing depends on it.
#[derive(Clone)]
pub struct Events {
    recorder: BoundedRecorder,
}

impl Events {
    /// Events by `doorstep-operator`.
    pub fn new(client: Client) -> Self {
        let name = crate::resources::labels::OPERATOR_FIELD_MANAGER;
        let reporter = Reporter { controller: name.to_owned(), instance: Some(name.to_owned()) };
        Self { recorder: BoundedRecorder::new(client, reporter) }
    }

    /// Something went as it should.
    pub async fn tell(&self, about: &ObjectReference, reason: &str, note: &str) {
        self.publish(EventType::Normal, about, reason, note).await;
    }

    /// Somebody may have to do something.
    pub async fn warn(&self, about: &ObjectReference, reason: &str, note: &str) {
        self.publish(EventType::Warning, about, reason, note).await;
    }

    async fn publish(&self, type_: EventType, about: &ObjectReference, reason: &str, note: &str) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note.chars().take(MAX_NOTE_CHARS).collect()),
            // The recorder counts events up that are equal but for their note, under the note of the first. So that each
            // note is told, it stands here too, as far as the field takes it.
            action: note.chars().take(MAX_ACTION_CHARS).collect(),
            secondary: None,
        };
        if let Err(error) = self.recorder.next().publish(&event, about).await {
            tracing::warn!(reason, object = about.name, %error, "an event could not be written");
        }
    }
}
