//! The last good table: what the watches said, slimmed, in a file of the data folder, for a start without the API server.
//!
//! Watches → [`Note`]s → [`keep`], a task beside the writer → `file`. At a start without the cluster, [`read`] gives the
//! objects back as lists. What is in memory comes from live watches alone, so the file never descends from itself.

mod file;
mod keeper;

pub(super) use file::{Saved, read};
pub(super) use keeper::keep;

use crate::routing::SourceKind;
use kube::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use tokio::sync::mpsc::UnboundedSender;

/// Where the last good table is kept, and of which cluster it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastGoodConfig {
    /// The file. It is written beside and renamed, so its folder must be writable.
    pub path: PathBuf,
    /// The cluster's name, like its URL: a file of another cluster is refused.
    pub cluster: String,
}

/// The file, and what it must be of.
#[derive(Debug, Clone)]
pub(super) struct LastGood {
    pub(super) path: PathBuf,
    pub(super) of: Identity,
}

/// What a table is of. Objects seen by other means would make routes that are nobody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) cluster: String,
    pub(super) namespaces: String,
    pub(super) domain: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, namespaces, domain } = self;
        let shown = crate::model::shown;
        write!(f, "cluster {}, namespaces {}, domain {}", shown(cluster), shown(namespaces), shown(domain))
    }
}

/// Namespace and name.
type Name = (Box<str>, Box<str>);
/// The slimmed objects of one kind, as JSON.
type Listed = BTreeMap<Name, Box<[u8]>>;
/// Those of all kinds that were listed.
type Objects = BTreeMap<SourceKind, Listed>;

/// What the keeper is told.
pub(super) enum Note {
    /// These are all objects of the kind.
    List(SourceKind, Listed),
    /// This object is new, or changed.
    Put(SourceKind, Name, Box<[u8]>),
    /// This one is gone.
    Remove(SourceKind, Name),
}

/// The watches' end of the way to the keeper, if there is one.
#[derive(Debug, Clone)]
pub(super) struct Notes(pub(super) Option<UnboundedSender<Note>>);

impl Notes {
    /// These are all objects of the kind.
    pub(super) fn list<K: Resource<DynamicType = ()> + Serialize>(&self, kind: SourceKind, objects: &[K]) {
        if let Some(sender) = &self.0 {
            let listed = objects.iter().filter_map(|object| Some((name(object), json(object)?))).collect();
            // The keeper ends with everything else.
            let _ended = sender.send(Note::List(kind, listed));
        }
    }

    /// This object is new, or changed.
    pub(super) fn put<K: Resource<DynamicType = ()> + Serialize>(&self, kind: SourceKind, object: &K) {
        if let Some(sender) = &self.0
            && let Some(json) = json(object)
        {
            let _ended = sender.send(Note::Put(kind, name(object), json));
        }
    }

    /// This one is gone.
    pub(super) fn remove<K: Resource<DynamicType = ()>>(&self, kind: SourceKind, object: &K) {
        if let Some(sender) = &self.0 {
            let _ended = sender.send(Note::Remove(kind, name(object)));
        }
    }
}

fn name<K: Resource>(object: &K) -> Name {
    let metadata = object.meta();
    let text = |text: &Option<String>| text.clone().unwrap_or_default().into_boxed_str();
    (text(&metadata.namespace), text(&metadata.name))
}

/// An object that was read from JSON can be written as JSON; should one not be, it alone is not kept.
fn json<K: Serialize>(object: &K) -> Option<Box<[u8]>> {
    serde_json::to_vec(object).ok().map(Vec::into_boxed_slice)
}

/// Why the last good table cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum LastGoodError {
    #[error("it cannot be read ({0}); mend its permissions, or delete it")]
    Unreadable(std::io::Error),
    #[error("it is no file; give one with --last-good, or take away what is in its place")]
    NotAFile,
    #[error("it has {0} bytes, and more than {max} are not read; delete it", max = file::MAX_BYTES)]
    TooLarge(u64),
    #[error("it does not begin as one does, so it is cut off or something else; delete it")]
    NotOurs,
    #[error("it has the format {0}, and this program reads {known}; delete it", known = file::VERSION)]
    Version(String),
    #[error("its content does not match the SHA-256 in its first line, so it is cut off or altered; delete it")]
    Damaged,
    #[error("it is of {theirs}, and this gateway is for {ours}; delete it, or give another with --last-good")]
    Foreign { theirs: Box<Identity>, ours: Box<Identity> },
    #[error("its line {line} is no {what}; delete it")]
    Object { line: usize, what: String },
    #[error("{0}; it is tried again")]
    NotWritten(std::io::Error),
    #[error("it would have more than {max} bytes, and such a file is not read; it stays as it was", max = file::MAX_BYTES)]
    TooMuch,
}

#[cfg(test)]
mod tests;
