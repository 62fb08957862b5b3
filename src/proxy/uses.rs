//! What one worker saw of the use of environments, until it hands it over.

use crate::model::EnvironmentKey;
use crate::routing::{Rule, Seen, UsedEnvironment, Uses};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// The worker's own count, by rule: a rule's address is the cheapest key there is, and each entry keeps its rule alive.
#[derive(Default)]
pub(super) struct OwnUses {
    seen: RefCell<HashMap<usize, Entry, foldhash::fast::RandomState>>,
}

struct Entry {
    rule: Arc<Rule>,
    seen: Seen,
    /// Responses of pods that are not over: an open stream is use.
    open: usize,
}

impl OwnUses {
    /// A pod begins to answer a request by `rule`.
    pub(super) fn begin(&self, rule: &Arc<Rule>) {
        self.with(rule, |entry| {
            entry.open += 1;
            entry.seen.used = true;
        });
    }

    /// A request by `rule` is over; `answered` if [`begin`](Self::begin) was called for it.
    pub(super) fn end(&self, rule: &Arc<Rule>, answered: bool, is_error: bool) {
        self.with(rule, |entry| {
            entry.open = entry.open.saturating_sub(usize::from(answered));
            entry.seen.requests += 1;
            entry.seen.errors += u64::from(is_error);
        });
    }

    fn with(&self, rule: &Arc<Rule>, change: impl FnOnce(&mut Entry)) {
        let mut seen = self.seen.borrow_mut();
        let fresh = || Entry { rule: rule.clone(), seen: Seen::default(), open: 0 };
        change(seen.entry(Arc::as_ptr(rule).addr()).or_insert_with(fresh));
    }

    /// Hands over what was seen since the last time.
    pub(super) fn hand_over(&self, uses: &Uses) {
        let mut seen = self.seen.borrow_mut();
        if seen.is_empty() {
            return;
        }
        uses.add(seen.values_mut().filter_map(|entry| {
            let used = Seen { used: entry.seen.used || entry.open > 0, ..std::mem::take(&mut entry.seen) };
            Some((environment(&entry.rule)?, used))
        }));
        seen.retain(|_, entry| entry.open > 0);
    }
}

/// The environment that a rule belongs to.
fn environment(rule: &Rule) -> Option<UsedEnvironment> {
    let key = rule.environment.clone()?;
    Some(UsedEnvironment { namespace: rule.name.source.namespace.clone(), key })
}

/// A request by `rule` was refused as `key` sleeps.
pub(super) fn want(uses: &Uses, rule: Option<&Rule>, key: &EnvironmentKey) {
    // Without its Service, it is not known in which namespace it is; the operator makes the Service before it sleeps.
    let of_key = |rule: &&Rule| rule.environment.as_ref() == Some(key);
    if let Some(environment) = rule.filter(of_key).and_then(environment) {
        uses.want(environment);
    }
}
