//! The newest snapshot, for all readers, and what can be asked of it.

use super::{RequestView, Rule};
use crate::model::EnvironmentKey;
use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;

/// Where every reader finds the newest snapshot. There is one writer.
#[derive(Debug, Default)]
pub struct Table {
    current: ArcSwap<Snapshot>,
}

impl Table {
    /// The newest snapshot: one load per request, kept until the request is routed.
    pub fn load(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Makes `snapshot` the newest one.
    pub fn store(&self, snapshot: Arc<Snapshot>) {
        self.current.store(snapshot);
    }
}

/// One consistent table. Cloning shares all that did not change.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    complete: bool,
}

/// What the table knows about an environment beside its routes: why its host may not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentNote {
    /// Whose environment it is.
    pub key: EnvironmentKey,
    /// Whether its `Ready` condition is true.
    pub ready: bool,
    /// The reason of its `Ready` condition, like `Starting` or `CrashLoopBackOff`.
    pub reason: Box<str>,
    /// The message of its `Ready` condition: a sentence for people.
    pub message: Box<str>,
}

/// The answer to "who gets this request?".
#[derive(Debug)]
pub enum Match<'s> {
    /// This rule takes it.
    Rule(&'s Arc<Rule>),
    /// The host is known, but none of its rules takes the request.
    NoRule,
    /// The host is a personal one by a class's pattern, and has no route: its environment does not exist, or is not
    /// that far yet.
    Personal(EnvironmentKey, Option<&'s Arc<EnvironmentNote>>),
    /// Nobody has this host.
    NoHost,
}

impl Snapshot {
    /// Whether it was made from complete lists of every kind.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Who gets this request.
    pub fn find(&self, _request: &RequestView<'_>) -> Match<'_> {
        Match::NoHost
    }

    /// What is known about an environment.
    pub fn environment(&self, _key: &EnvironmentKey) -> Option<&Arc<EnvironmentNote>> {
        None
    }
}
