//! The newest snapshot, for all readers, and what can be asked of it.

use super::contribution::is_within;
use super::{HostClaim, HostRoutes, Problem, RequestView, Rule, SourceKey};
use crate::model::{ClassName, EnvironmentKey, HostPattern, Hostname, reasons};
use arc_swap::{ArcSwap, Guard};
use imbl::shared_ptr::DefaultSharedPtr;
use std::sync::Arc;

/// A map that shares what did not change with the version before it.
pub(super) type SharedMap<K, V> = imbl::GenericHashMap<K, V, foldhash::fast::RandomState, DefaultSharedPtr>;

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
    pub(super) generation: u64,
    pub(super) names: u64,
    pub(super) complete: bool,
    pub(super) exact: SharedMap<Hostname, Arc<HostRoutes>>,
    /// By the parent of the wildcard.
    pub(super) wildcard: SharedMap<Hostname, Arc<HostRoutes>>,
    /// The same, of wildcards that take one label.
    pub(super) one_label: SharedMap<Hostname, Arc<HostRoutes>>,
    /// For hosts that nobody has.
    pub(super) any: Option<Arc<HostRoutes>>,
    pub(super) patterns: Arc<[PersonalHosts]>,
    pub(super) environments: SharedMap<EnvironmentKey, Arc<EnvironmentNote>>,
    pub(super) expired: SharedMap<EnvironmentKey, Arc<ExpiredNote>>,
    /// The Ingresses that are ours, whatever became of their rules.
    pub(super) ingresses: imbl::OrdSet<SourceKey>,
    pub(super) problems: imbl::OrdMap<SourceKey, Arc<[Problem]>>,
}

/// The hosts of a class's environments.
#[derive(Debug, Clone)]
pub struct PersonalHosts {
    /// The class.
    pub class: ClassName,
    /// Its pattern.
    pub pattern: HostPattern,
    /// The domain in which the pattern makes hosts.
    pub domain: Hostname,
    /// The zone in which all of them lie.
    pub zone: Hostname,
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
    /// Whether a request wakes it, where it sleeps.
    pub wakes: bool,
}

/// What the table knows about an environment that has expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiredNote {
    /// Whose it was, and of which class.
    pub key: EnvironmentKey,
    /// When it expired (RFC 3339).
    pub at: Box<str>,
    /// Why: a sentence for people.
    pub message: Box<str>,
}

impl EnvironmentNote {
    /// Whether endpoints may come soon. One that crashes, has no node or no replicas, or is being deleted tells that at
    /// once: nobody should wait for what does not come. A note may be older than the endpoints, so "ready" counts as well.
    pub fn may_come_up(&self) -> bool {
        self.ready || reasons::ON_THE_WAY.contains(&&*self.reason) || (self.is_asleep() && self.wakes)
    }

    /// Whether it sleeps: nothing of it runs, everything is kept.
    pub fn is_asleep(&self) -> bool {
        &*self.reason == reasons::ASLEEP
    }
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
    /// Grows by one with every published table.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Grows whenever a host or a class's zone comes or goes, and stays while only endpoints and rules change: who looks
    /// at the names of all hosts need not look again.
    pub fn names(&self) -> u64 {
        self.names
    }

    /// Whether it was made from complete lists of every kind.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Who gets this request.
    pub fn find(&self, request: &RequestView<'_>) -> Match<'_> {
        let mut known = false;
        for host in self.candidates(request.host) {
            if let Some(rule) = host.find(request) {
                return Match::Rule(rule);
            }
            known = true;
            if host.decides() {
                break;
            }
        }
        match self.personal(request.host) {
            Some(key) => {
                let note = self.environments.get(&key);
                Match::Personal(key, note)
            }
            None if known => Match::NoRule,
            None => Match::NoHost,
        }
    }

    /// The host whose rules decide about requests to `host`: its own name, else the wildcard with the longest parent, else
    /// what takes all hosts.
    pub fn host(&self, host: &str) -> Option<&Arc<HostRoutes>> {
        self.candidates(host).find(|routes| routes.decides())
    }

    /// The hosts that are asked for `host`, until one decides or takes the request.
    pub(super) fn candidates<'s, 'h>(
        &'s self,
        host: &'h str,
    ) -> impl Iterator<Item = &'s Arc<HostRoutes>> + use<'s, 'h> {
        let any = std::iter::once_with(move || self.any.as_ref().filter(|_| !self.is_reserved(host))).flatten();
        self.exact.get(host).into_iter().chain(self.wildcards_of(host)).chain(any)
    }

    /// The wildcards that take `host`, the longest first.
    fn wildcards_of<'s, 'h>(&'s self, host: &'h str) -> impl Iterator<Item = &'s Arc<HostRoutes>> + use<'s, 'h> {
        let none = self.wildcard.is_empty() && self.one_label.is_empty();
        let mut rest = if none { "" } else { host };
        let mut first = true;
        std::iter::from_fn(move || {
            let (_, parent) = rest.split_once('.')?;
            rest = parent;
            let narrow = std::mem::take(&mut first)
                .then(|| self.one_label.get(parent).filter(|_| !self.is_zone(host)))
                .flatten();
            Some(narrow.into_iter().chain(self.wildcard.get(parent)))
        })
        .flatten()
    }

    /// Whether `host` lies in a class's zone.
    fn is_reserved(&self, host: &str) -> bool {
        self.patterns.iter().any(|hosts| is_within(host, hosts.zone.as_str()))
    }

    /// Whether `host` is the name of a class's zone.
    fn is_zone(&self, host: &str) -> bool {
        self.patterns.iter().any(|hosts| hosts.zone.as_str() == host)
    }

    /// Whose personal host it is by a class's pattern, whether there is a route or not.
    pub fn personal(&self, host: &str) -> Option<EnvironmentKey> {
        let host: Hostname = host.parse().ok()?;
        self.patterns.iter().find_map(|hosts| {
            let user = hosts.pattern.user_of(&host, &hosts.domain)?;
            Some(EnvironmentKey::new(user, hosts.class.clone()))
        })
    }

    /// The hosts of every class's environments.
    pub fn personal_hosts(&self) -> &[PersonalHosts] {
        &self.patterns
    }

    /// What is known about an environment.
    pub fn environment(&self, key: &EnvironmentKey) -> Option<&Arc<EnvironmentNote>> {
        self.environments.get(key)
    }

    /// What is known about an environment that has expired, and was not made anew.
    pub fn expired(&self, key: &EnvironmentKey) -> Option<&Arc<ExpiredNote>> {
        let anew = self.environments.get(key).is_some_and(|note| &*note.reason != reasons::DELETING);
        self.expired.get(key).filter(|_| !anew)
    }

    /// All hosts with their rules, in no order.
    pub fn hosts(&self) -> impl Iterator<Item = &Arc<HostRoutes>> {
        self.exact.values().chain(self.wildcard.values()).chain(self.one_label.values()).chain(&self.any)
    }

    /// How many hosts it has.
    pub fn host_count(&self) -> usize {
        self.exact.len() + self.wildcard.len() + self.one_label.len() + usize::from(self.any.is_some())
    }

    /// The Ingresses that are ours, in the order of their keys, whatever became of their rules.
    pub fn ingresses(&self) -> impl Iterator<Item = &SourceKey> {
        self.ingresses.iter()
    }

    /// All that has no effect, by source.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.values().flat_map(|problems| problems.iter())
    }

    /// What has no effect of one source.
    pub fn problems_of(&self, source: &SourceKey) -> &[Problem] {
        self.problems.get(source).map_or(&[], |problems| problems)
    }

    pub(super) fn set_host(&mut self, claim: &HostClaim, routes: Option<Arc<HostRoutes>>) {
        let (map, name) = match claim {
            HostClaim::Exact(host) => (&mut self.exact, host),
            HostClaim::Wildcard(parent) => (&mut self.wildcard, parent),
            HostClaim::OneLabel(parent) => (&mut self.one_label, parent),
            HostClaim::Any => {
                self.any = routes;
                return;
            }
        };
        let comes = routes.is_some();
        let before = match routes {
            Some(routes) => map.insert(name.clone(), routes),
            None => map.remove(name),
        };
        self.names += u64::from(comes != before.is_some());
    }
}
