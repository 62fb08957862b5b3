//! A record as the API shows it.

use crate::store::{Outcome, Record, Step};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// One record of the audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// Its number, from 1.
    pub seq: i64,
    /// `begun` before a call, `ended` after it; `noted` for what is no call; `retained` where the oldest records went.
    #[schema(example = "begun")]
    pub step: String,
    /// The call that it belongs to: its two records have the same.
    pub call: String,
    /// When (RFC 3339).
    #[schema(format = DateTime)]
    pub at: String,
    /// Who, by the name that never changes.
    pub subject: String,
    /// Who, for people.
    pub name: String,
    /// How it was proved.
    pub through: String,
    /// From which address.
    pub origin: String,
    /// The id of the request.
    pub request: String,
    /// What: the method and the template of the path.
    #[schema(example = "PUT /environments/{user}/{class}")]
    pub action: String,
    /// The path of the call.
    pub path: String,
    /// Whose environment it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// How things stood, with secrets masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What came of it: `done`, `refused`, `failed` or `interrupted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// The status that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How things stand now, with secrets masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
    /// More about it, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// The hash of the record before it; empty for the first one.
    pub previous: String,
    /// Its own hash.
    pub hash: String,
}

/// A page of records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    /// The records, the newest first unless asked otherwise.
    pub items: Vec<AuditRecord>,
    /// The cursor of the next page; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl AuditRecord {
    pub(super) fn of(record: Record) -> Self {
        let said = match (record.step, &record.removed) {
            (Step::Retained, Some(last)) => Some(format!("the records up to {} were taken away", last.seq)),
            _ => record.said,
        };
        Self {
            seq: record.seq,
            step: record.step.as_str().to_owned(),
            call: record.call,
            at: record.at.to_string(),
            subject: record.who.subject,
            name: record.who.name,
            through: record.who.through,
            origin: record.origin,
            request: record.request,
            action: record.action,
            path: record.target.path,
            user: record.target.user,
            class: record.target.class,
            before: record.before,
            result: record.result.map(Outcome::as_str).map(str::to_owned),
            status: record.status,
            after: record.after,
            said,
            previous: record.previous,
            hash: record.hash,
        }
    }
}
