//! What is sent: one event as JSON.

use super::Seen;
use crate::model::{EnvironmentKey, HappeningKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is sent. `id` is the same for everybody who is told, and in each try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The event's name. Who gets it twice knows by it.
    pub id: String,
    /// What happened, like `environment.ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When.
    pub timestamp: Timestamp,
    /// To which environment.
    pub data: Environment,
}

/// The environment of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Whose it is.
    pub user: String,
    /// Of which class.
    pub class: String,
    /// Where it is opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What is to be said of it, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Message {
    /// The message that `kind` happened to `key`, which looked like `seen` then.
    pub fn new(kind: HappeningKind, key: &EnvironmentKey, seen: &Seen, at: Timestamp) -> Self {
        Self {
            id: format!("evt_{:032x}", fastrand::u128(..)),
            kind: format!("environment.{}", kind.as_str()),
            timestamp: at,
            data: Environment {
                user: key.user.to_string(),
                class: key.class.to_string(),
                url: seen.url.clone(),
                expires_at: seen.expires_at,
                message: seen.message.clone(),
            },
        }
    }
}
