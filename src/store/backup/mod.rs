//! Backups: one file of JSON lines for both databases, so that a store can also move from one to the other.
//!
//! The first line says what it is, each further one is a row, the last one counts them and has the digest of all before it.
//! It is read at one moment while the manager works on, and it is restored whole or not at all.

mod restore;
mod write;

use super::{StoreError, Verdict};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The form of the file.
const FORMAT: u32 = 1;

/// All tables that a backup holds, each with its columns, in the newest schema. Processes are not kept: they will be dead.
const TABLES: &[(&str, &[&str])] = &[
    (
        "audit",
        &[
            "seq",
            "at",
            "step",
            "call",
            "instance",
            "subject",
            "action",
            "target_user",
            "target_class",
            "request",
            "result",
            "record",
            "previous",
            "hash",
        ],
    ),
    ("audit_head", &["only_one", "seq", "hash"]),
    ("audit_open", &["call", "seq", "instance"]),
    (
        "tokens",
        &[
            "id",
            "hash",
            "subject",
            "name",
            "role",
            "target_user",
            "teams",
            "scopes",
            "created_by",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        ],
    ),
    ("idempotency", &["caller", "name", "fingerprint", "claim", "instance", "claimed_at", "expires_at", "answer"]),
    (
        "webhooks",
        &["id", "url", "events", "target_user", "target_class", "secret", "enabled", "created_by", "created_at"],
    ),
    (
        "deliveries",
        &[
            "id",
            "webhook",
            "event",
            "kind",
            "at",
            "body",
            "state",
            "attempts",
            "next_at",
            "claim",
            "last_at",
            "last_said",
        ],
    ),
    ("told", &["target_user", "target_class", "state"]),
    ("used", &["day", "target_user", "target_class", "awake_ms", "cpu_core_ms", "memory_mib_ms"]),
    ("used_until", &["target_user", "target_class", "until"]),
];

/// The first line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// Always `backup`.
    doorstep: String,
    format: u32,
    schema: i64,
    at: jiff::Timestamp,
}

/// A row.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    table: String,
    columns: Vec<String>,
    row: Vec<serde_json::Value>,
}

/// The last line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    rows: u64,
    sha256: String,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupInfo {
    /// When it was made.
    pub at: jiff::Timestamp,
    /// The schema that it has.
    pub schema: i64,
    /// How many rows it holds.
    pub rows: u64,
}

/// What a check of a store has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Which store.
    pub place: String,
    /// Its schema.
    pub schema: i64,
    /// How many rows each table has.
    pub tables: Vec<(String, i64)>,
    /// What going along the audit has shown.
    pub audit: Verdict,
}

/// The columns that hold numbers; all others hold texts.
const NUMBERS: [&str; 18] = [
    "seq",
    "at",
    "only_one",
    "created_at",
    "expires_at",
    "last_used_at",
    "revoked_at",
    "claimed_at",
    "enabled",
    "attempts",
    "next_at",
    "last_at",
    "awake_ms",
    "cpu_core_ms",
    "memory_mib_ms",
    "until",
    "number",
    "seen",
];

fn is_number(column: &str) -> bool {
    NUMBERS.contains(&column)
}

fn wrong(path: &Path, why: impl Into<String>) -> StoreError {
    StoreError::Backup { path: PathBuf::from(path), why: why.into() }
}
