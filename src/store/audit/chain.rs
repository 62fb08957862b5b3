//! The hash of a record: over the hash before it and its own text, so that a record vouches for all that came before.

use super::{Record, Step};
use sha2::{Digest as _, Sha256};

/// Keeps these hashes apart from all others, and from those of a later form.
const DOMAIN: &str = "doorstep audit 1";

/// The hash of a record's text after `previous`.
pub(super) fn hash(previous: &str, text: &str) -> String {
    let mut hasher = Sha256::new();
    // Neither the domain nor a hash holds a line's end, so no two different inputs are the same bytes.
    for part in [DOMAIN, "\n", previous, "\n", text] {
        hasher.update(part.as_bytes());
    }
    crate::store::hex(&hasher.finalize())
}

/// The text of a record that is hashed and kept.
pub(super) fn text(record: &Record) -> String {
    // Texts, numbers and JSON: there is nothing in it that has no JSON.
    serde_json::to_string(record).unwrap_or_default()
}

/// The parts that stand in columns of their own: step, call, instance, subject, action, user, class, request, result.
pub(super) fn columns(record: &Record) -> (Step, [Option<String>; 8]) {
    let some = |text: &str| Some(text.to_owned());
    let columns = [
        some(&record.call),
        some(&record.instance),
        some(&record.who.subject),
        some(&record.action),
        record.target.user.clone(),
        record.target.class.clone(),
        some(&record.request),
        record.result.map(|result| result.as_str().to_owned()),
    ];
    (record.step, columns)
}
