//! What the data plane asks of the route table.

use crate::model::EnvironmentKey;
use crate::routing::{EnvironmentNote, Match, RequestView, Rule, Table};
use std::sync::Arc;

/// Who gets a request, in a form that outlives the snapshot.
#[derive(Debug)]
pub(super) enum Decision {
    Rule(Arc<Rule>),
    NoRule,
    Personal(EnvironmentKey, Option<Arc<EnvironmentNote>>),
    NoHost,
}

/// The table as a request sees it.
pub(super) trait Lookup: Send + Sync {
    /// Who gets this request: one load of the newest snapshot.
    fn find(&self, request: &RequestView<'_>) -> Decision;
    /// What is known about an environment.
    fn environment(&self, key: &EnvironmentKey) -> Option<Arc<EnvironmentNote>>;
}

impl Lookup for Table {
    fn find(&self, request: &RequestView<'_>) -> Decision {
        match self.load().find(request) {
            Match::Rule(rule) => Decision::Rule(rule.clone()),
            Match::NoRule => Decision::NoRule,
            Match::Personal(key, note) => Decision::Personal(key, note.cloned()),
            Match::NoHost => Decision::NoHost,
        }
    }

    fn environment(&self, key: &EnvironmentKey) -> Option<Arc<EnvironmentNote>> {
        self.load().environment(key).cloned()
    }
}
