//! What was done by whom: records that are only ever added, each of which holds the hash of the one before it.
//!
//! A call that changes something leaves two: `begun` before it, with how things stood, and `ended` after it, with what came of
//! it. A call that has no end was cut off; the next start, or another manager, ends it with what is seen then.

mod append;
mod chain;
mod list;
mod mask;
mod retain;
mod verify;

pub use list::{Filter, Order};
pub use mask::mask;
pub use verify::{Fault, Verdict};

use super::Store;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The audit of a store.
pub struct Audit<'a>(pub(super) &'a Store);

/// What a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// A call is about to change something.
    Begun,
    /// It came to an end.
    Ended,
    /// Something was done that is no call, like the restoring of a backup.
    Noted,
    /// The oldest records were taken away, as their time was over.
    Retained,
}

impl Step {
    /// Its word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Ended => "ended",
            Self::Noted => "noted",
            Self::Retained => "retained",
        }
    }
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused; nothing was changed.
    Refused,
    /// It failed.
    Failed,
    /// Its process ended before it did.
    Interrupted,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Done, Self::Refused, Self::Failed, Self::Interrupted];

    /// Its word in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl std::str::FromStr for Outcome {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or(())
    }
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The name that never changes: of an issuer's subject, of a token, of this machine.
    pub subject: String,
    /// The name for people.
    pub name: String,
    /// How it was proved: by a token, by an issuer.
    pub through: String,
}

/// What it was done to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Target {
    /// The path of the call.
    pub path: String,
    /// The user whose environment it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

/// A call that is about to change something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: Who,
    /// From which address.
    pub origin: String,
    /// The id of the request.
    pub request: String,
    /// What: the method and the template of the path.
    pub action: String,
    /// To what.
    pub target: Target,
    /// How things stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// What came of it.
    pub result: Outcome,
    /// The status that was answered.
    pub status: Option<u16>,
    /// How things stand now.
    pub after: Option<Value>,
    /// More about it, in a sentence.
    pub said: Option<String>,
}

/// A call between its two records.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its name.
    pub id: String,
    /// How it began.
    pub begun: Begun,
}

/// One record. Its JSON, in this order of fields, is what is hashed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its number, from 1.
    pub seq: i64,
    /// What it tells.
    pub step: Step,
    /// The call that it belongs to.
    pub call: String,
    /// The process that wrote it.
    pub instance: String,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: Who,
    /// From which address.
    pub origin: String,
    /// The id of the request.
    pub request: String,
    /// What: the method and the template of the path.
    pub action: String,
    /// To what.
    pub target: Target,
    /// How things stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Outcome>,
    /// The status that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How things stand now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// More about it, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// For [`Step::Retained`]: the last record that was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<ChainPlace>,
    /// The hash of the record before it.
    #[serde(default, skip_serializing)]
    pub previous: String,
    /// Its own hash.
    #[serde(default, skip_serializing)]
    pub hash: String,
}

/// A place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainPlace {
    /// The number of a record.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
}

impl std::fmt::Display for ChainPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

/// A text that is no place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not of the form NUMBER:HASH, as a check prints it")]
pub struct InvalidChainPlace;

impl std::str::FromStr for ChainPlace {
    type Err = InvalidChainPlace;

    fn from_str(text: &str) -> Result<Self, InvalidChainPlace> {
        let (seq, hash) = text.split_once(':').ok_or(InvalidChainPlace)?;
        let seq = seq.parse().ok().filter(|seq| *seq > 0).ok_or(InvalidChainPlace)?;
        let is_hash = hash.len() == 64 && hash.bytes().all(|c| c.is_ascii_hexdigit());
        if is_hash { Ok(Self { seq, hash: hash.to_ascii_lowercase() }) } else { Err(InvalidChainPlace) }
    }
}
