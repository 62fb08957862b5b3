//! Who keeps a zone: what it must be able to do, and how it fails.

use super::{Owner, RecordName, RecordSet};
use crate::model::Hostname;
use futures::future::BoxFuture;
use std::time::Duration;

/// A record set as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// The set.
    pub set: RecordSet,
    /// Whose it is by its mark; `None` for one without a mark of ours.
    pub owner: Option<Owner>,
    /// What the provider compares before it changes the set: an ETag, or a text that it made from the records.
    pub version: String,
}

/// Records of a kind that we never write, or whose values we cannot read, at a name that we could want.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occupied {
    /// Where they stand.
    pub name: RecordName,
    /// Their kind as zones spell it, like `MX`.
    pub kind: String,
}

/// All that stands in a zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The sets of the kinds that we write.
    pub sets: Vec<Existing>,
    /// Everything else that stands at a name of the form that ours have, but for owner marks.
    pub others: Vec<Occupied>,
}

/// Why a provider did not do what it was asked for. Each sentence names the server or the zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It does not let us: a key, a role or a right is missing. Nothing was changed.
    #[error("{0}")]
    Refused(String),
    /// What is there is not what was listed. Nothing was changed; list again.
    #[error("{0}")]
    Precondition(String),
    /// It asks for fewer calls. Nothing was changed.
    #[error("{said}")]
    Throttled {
        /// How long it wants to be left alone, if it said so.
        after: Option<Duration>,
        /// The sentence.
        said: String,
    },
    /// It cannot be reached, or cannot answer. Nothing was changed.
    #[error("{0}")]
    Unavailable(String),
    /// No answer came after the change was sent: it may have been made or not. List again.
    #[error("{0}")]
    Lost(String),
    /// The zone is not one that it keeps for us, or the record is somebody else's. Nothing was changed.
    #[error("{0}")]
    NotOurs(String),
}

impl ProviderError {
    /// Its name among the reasons of conditions and the labels of metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused(_) => "Refused",
            Self::Precondition(_) => "ChangedMeanwhile",
            Self::Throttled { .. } => "Throttled",
            Self::Unavailable(_) => "Unavailable",
            Self::Lost(_) => "AnswerLost",
            Self::NotOurs(_) => "NotOurs",
        }
    }

    /// Whether the rest of a plan may be tried after it: the failure is this one record's alone.
    pub fn is_of_one_record(&self) -> bool {
        match self {
            Self::Precondition(_) | Self::Lost(_) | Self::NotOurs(_) => true,
            Self::Refused(_) | Self::Throttled { .. } | Self::Unavailable(_) => false,
        }
    }
}

/// Keeps zones. Every change is one compare-and-set at the provider: not a look and then a write.
///
/// A provider tries nothing again by itself where that could do a thing twice. After [`ProviderError::Lost`] the caller lists
/// anew and plans anew, which finds the change made or makes it. What a change gives is the version of the set that it made,
/// so that the next change needs no new listing.
pub trait Provider: Send + Sync + std::fmt::Debug {
    /// All of a zone, once.
    fn list<'p>(&'p self, zone: &'p Hostname) -> BoxFuture<'p, Result<Listing, ProviderError>>;

    /// Makes a set with the owner's mark, only if there is none of its kind at its name, and nothing that forbids it.
    fn create<'p>(
        &'p self,
        zone: &'p Hostname,
        set: &'p RecordSet,
        owner: &'p Owner,
    ) -> BoxFuture<'p, Result<String, ProviderError>>;

    /// Puts `after` in the place of `before`, only if that is unchanged and has the owner's mark. The two have one name; where
    /// their kinds differ, the old set goes with the same change, or right before.
    fn update<'p>(
        &'p self,
        zone: &'p Hostname,
        before: &'p Existing,
        after: &'p RecordSet,
        owner: &'p Owner,
    ) -> BoxFuture<'p, Result<String, ProviderError>>;

    /// Removes a set and its mark, only if it is unchanged and has the owner's mark.
    fn delete<'p>(
        &'p self,
        zone: &'p Hostname,
        before: &'p Existing,
        owner: &'p Owner,
    ) -> BoxFuture<'p, Result<(), ProviderError>>;

    /// Removes marks of the owner whose records are gone, where marks are records of their own; gives how many.
    fn tidy<'p>(&'p self, _zone: &'p Hostname, _owner: &'p Owner) -> BoxFuture<'p, Result<usize, ProviderError>> {
        Box::pin(std::future::ready(Ok(0)))
    }
}
