//! The index of the one writer: it keeps what every source says and rebuilds only the hosts that a change concerns.

mod claims;
mod compile;

use super::ports::Ports;
use super::services::Services;
use super::{
    Contribution, EnvironmentNote, ExpiredNote, HostClaim, HostRoutes, KnownService, Locality, Problem, Rule,
    ServiceKey, Slice, SliceKey, Snapshot, SourceKey, SourceKind, Table,
};
use crate::model::{ClassName, EnvironmentKey, HostPattern, Hostname};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A class as the index needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassHosts {
    /// Its name.
    pub name: ClassName,
    /// Its host pattern.
    pub pattern: HostPattern,
    /// When it was made, in seconds since 1970: of two whose patterns overlap, the older keeps its own.
    pub created: i64,
}

/// The index. All that it is told is in the next [`Routes::publish`]; a change costs what the hosts concerned cost.
///
/// A clone shares the clusters, so that it may be told of everything but of slices: these would reach the requests.
#[derive(Debug, Clone)]
pub struct Routes {
    domain: Hostname,
    classes: BTreeMap<ClassName, ClassHosts>,
    contributions: HashMap<SourceKey, Applied>,
    claimants: HashMap<HostClaim, BTreeSet<SourceKey>>,
    services: Services,
    ports: Ports,
    /// Problems that a host's own rebuilding found, by host.
    host_problems: HashMap<HostClaim, Vec<Problem>>,
    /// Problems that the translation of a source found.
    own_problems: HashMap<SourceKey, Vec<Problem>>,
    /// Problems with certificates.
    certificate_problems: BTreeMap<SourceKey, Vec<Problem>>,
    next: Snapshot,
}

/// A contribution, and what became of it.
#[derive(Debug, Clone)]
struct Applied {
    contribution: Contribution,
    /// As many as it has groups.
    groups: Vec<AppliedGroup>,
    /// What is wrong with its rules: backends that are not there.
    flawed: Vec<Problem>,
    /// The hosts that it may not have.
    refused: Vec<Problem>,
}

/// A group's rules, and the hosts that it got.
#[derive(Debug, Clone, Default)]
struct AppliedGroup {
    rules: Vec<Arc<Rule>>,
    hosts: Vec<HostClaim>,
}

impl Applied {
    fn hosts(&self) -> impl Iterator<Item = &HostClaim> {
        self.groups.iter().flat_map(|group| &group.hosts)
    }

    /// The rules for `host`.
    fn rules<'a>(&'a self, host: &'a HostClaim) -> impl Iterator<Item = &'a Arc<Rule>> {
        self.groups.iter().filter(|group| group.hosts.contains(host)).flat_map(|group| &group.rules)
    }
}

impl Routes {
    /// An empty index whose class patterns make hosts under `domain`.
    pub fn new(domain: Hostname) -> Self {
        Self {
            domain,
            classes: BTreeMap::new(),
            contributions: HashMap::new(),
            claimants: HashMap::new(),
            services: Services::default(),
            ports: Ports::default(),
            host_problems: HashMap::new(),
            own_problems: HashMap::new(),
            certificate_problems: BTreeMap::new(),
            next: Snapshot::default(),
        }
    }

    /// Takes what a source says now, in the place of what it said before.
    pub fn apply(&mut self, contribution: Contribution) {
        let source = contribution.source.clone();
        let mut touched = self.withdraw(&source);
        self.own_problems.remove(&source);
        self.ports.enter(&contribution);
        if source.kind == SourceKind::Ingress {
            self.next.ingresses.insert(source.clone());
        }
        let (rules, flawed) = self.compile(&contribution);
        let groups = rules.into_iter().map(|rules| AppliedGroup { rules, hosts: Vec::new() }).collect();
        let refused = Vec::new();
        self.contributions.insert(source.clone(), Applied { contribution, groups, flawed, refused });
        touched.extend(self.claim(&source));
        self.rebuild(touched);
    }

    /// How old a source is, where it is known, in seconds since 1970.
    pub fn age_of(&self, source: &SourceKey) -> Option<i64> {
        self.contributions.get(source).map(|applied| applied.contribution.created)
    }

    /// Forgets a source and its problems.
    pub fn remove(&mut self, source: &SourceKey) {
        let touched = self.withdraw(source);
        self.rebuild(touched);
        self.set_problems(source, Vec::new());
    }

    /// Forgets the sources of `kind` that are not among `kept`: what a new, complete list no longer has.
    pub fn retain(&mut self, kind: SourceKind, kept: &BTreeSet<SourceKey>) {
        let gone = |source: &&SourceKey| source.kind == kind && !kept.contains(*source);
        let contributions = self.contributions.keys().filter(gone);
        let all: Vec<SourceKey> = contributions.chain(self.own_problems.keys().filter(gone)).cloned().collect();
        for source in all {
            self.remove(&source);
        }
    }

    /// Says where this gateway runs: endpoints that are meant for it go first. To be said before the first slice.
    pub fn set_locality(&mut self, locality: Locality) {
        self.services.set_locality(locality);
    }

    /// Takes a Service as it is now, or its end (`None`). Rules that name one of its ports lead there, or nowhere, from
    /// now on; no other one is touched.
    pub fn set_service(&mut self, key: &ServiceKey, service: Option<KnownService>) {
        let mut touched = BTreeSet::new();
        for source in self.ports.set(key, service) {
            // Taken out and put back, as compiling asks the whole index.
            let Some(mut applied) = self.contributions.remove(&source) else { continue };
            let (rules, flawed) = self.compile(&applied.contribution);
            applied.groups.iter_mut().zip(rules).for_each(|(group, rules)| group.rules = rules);
            applied.flawed = flawed;
            touched.extend(applied.hosts().cloned());
            self.contributions.insert(source.clone(), applied);
            self.gather_problems(&source);
        }
        self.rebuild(touched);
    }

    /// Forgets the Services that are not among `kept`.
    pub fn retain_services(&mut self, kept: &BTreeSet<ServiceKey>) {
        let gone: Vec<ServiceKey> = self.ports.keys().filter(|key| !kept.contains(key)).cloned().collect();
        for key in gone {
            self.set_service(&key, None);
        }
    }

    /// Takes a slice as it is now, or its end (`None`). No rule is touched.
    pub fn set_slice(&mut self, key: &SliceKey, slice: Option<Slice>) {
        self.services.set_slice(key, slice);
    }

    /// Forgets the slices that are not among `kept`.
    pub fn retain_slices(&mut self, kept: &BTreeSet<SliceKey>) {
        for key in self.services.slice_keys().iter().filter(|key| !kept.contains(key)) {
            self.services.set_slice(key, None);
        }
    }

    /// Takes all classes as they are now. The hosts of their environments and the reserved zones follow.
    pub fn set_classes(&mut self, classes: impl IntoIterator<Item = ClassHosts>) {
        let classes: BTreeMap<_, _> = classes.into_iter().map(|class| (class.name.clone(), class)).collect();
        if classes == self.classes {
            return;
        }
        self.classes = classes;
        self.decide_patterns();
        // Zones and patterns concern every source; classes change seldom.
        let sources: Vec<SourceKey> = self.contributions.keys().cloned().collect();
        let mut touched = BTreeSet::new();
        for source in &sources {
            touched.extend(self.unclaim(source));
            touched.extend(self.claim(source));
        }
        self.rebuild(touched);
    }

    /// Takes what is known about an environment.
    pub fn set_environment(&mut self, note: EnvironmentNote) {
        if self.next.environments.get(&note.key).is_none_or(|known| **known != note) {
            self.next.environments.insert(note.key.clone(), Arc::new(note));
        }
    }

    /// Forgets an environment.
    pub fn remove_environment(&mut self, key: &EnvironmentKey) {
        self.next.environments.remove(key);
    }

    /// Forgets the environments that are not among `kept`.
    pub fn retain_environments(&mut self, kept: &BTreeSet<EnvironmentKey>) {
        let gone: Vec<_> = self.next.environments.keys().filter(|key| !kept.contains(key)).cloned().collect();
        for key in gone {
            self.next.environments.remove(&key);
        }
    }

    /// Takes the environments of a class that have expired, in the place of those before.
    pub fn set_expired(&mut self, class: &ClassName, expired: Vec<ExpiredNote>) {
        let before: Vec<_> = self.next.expired.keys().filter(|key| key.class == *class).cloned().collect();
        for key in before.iter().filter(|key| !expired.iter().any(|note| note.key == **key)) {
            self.next.expired.remove(key);
        }
        for note in expired {
            if self.next.expired.get(&note.key).is_none_or(|known| **known != note) {
                self.next.expired.insert(note.key.clone(), Arc::new(note));
            }
        }
    }

    /// Takes the problems that the translation of a source found, in the place of those before.
    pub fn set_problems(&mut self, source: &SourceKey, problems: Vec<Problem>) {
        if problems.is_empty() {
            self.own_problems.remove(source);
        } else {
            self.own_problems.insert(source.clone(), problems);
        }
        self.gather_problems(source);
    }

    /// Adds problems that the translation of a source found to those that applying it found.
    pub fn add_problems(&mut self, source: &SourceKey, problems: Vec<Problem>) {
        self.own_problems.entry(source.clone()).or_default().extend(problems);
        self.gather_problems(source);
    }

    /// Takes the problems with certificates, in the place of all of those before.
    pub fn set_certificate_problems(&mut self, problems: BTreeMap<SourceKey, Vec<Problem>>) {
        let before = std::mem::replace(&mut self.certificate_problems, problems);
        let after = &self.certificate_problems;
        let changed = |source: &&SourceKey| before.get(*source) != after.get(*source);
        let sources: BTreeSet<SourceKey> = before.keys().chain(after.keys()).filter(changed).cloned().collect();
        sources.iter().for_each(|source| self.gather_problems(source));
    }

    /// The hosts that a source got.
    pub fn hosts_of(&self, source: &SourceKey) -> BTreeSet<HostClaim> {
        self.contributions.get(source).into_iter().flat_map(Applied::hosts).cloned().collect()
    }

    /// Whether no source has this very host, and none of it lies in a class's zone.
    pub fn is_free(&self, claim: &HostClaim) -> bool {
        !self.claimants.contains_key(claim) && !self.next.patterns.iter().any(|hosts| claim.touches(&hosts.zone))
    }

    /// Says that the lists of every kind were complete.
    pub fn mark_complete(&mut self) {
        self.next.complete = true;
    }

    /// The table as it is now.
    pub fn snapshot(&mut self) -> Arc<Snapshot> {
        self.next.generation += 1;
        Arc::new(self.next.clone())
    }

    /// Makes all that was told visible to every reader of `table`; gives the generation.
    pub fn publish(&mut self, table: &Table) -> u64 {
        table.store(self.snapshot());
        self.next.generation
    }

    /// How many services are remembered for their clusters.
    #[cfg(test)]
    pub(super) fn remembered_services(&self) -> usize {
        self.services.remembered()
    }

    /// Takes a contribution out; gives the hosts concerned.
    fn withdraw(&mut self, source: &SourceKey) -> BTreeSet<HostClaim> {
        let touched = self.unclaim(source);
        if let Some(applied) = self.contributions.remove(source) {
            self.ports.leave(&applied.contribution);
            self.next.ingresses.remove(source);
        }
        touched
    }

    fn rebuild(&mut self, hosts: BTreeSet<HostClaim>) {
        for host in hosts {
            let claimants = self.claimants.get(&host).into_iter().flatten();
            let applied = claimants.filter_map(|source| self.contributions.get(source));
            let rules: Vec<_> = applied
                .flat_map(|applied| applied.rules(&host).map(|rule| (applied.contribution.created, rule.clone())))
                .collect();
            let (routes, problems) = match rules.is_empty() {
                true => (None, Vec::new()),
                false => {
                    let (routes, problems) = HostRoutes::new(host.clone(), rules);
                    (Some(Arc::new(routes)), problems)
                }
            };
            self.next.set_host(&host, routes);
            self.set_host_problems(&host, problems);
        }
    }

    fn set_host_problems(&mut self, host: &HostClaim, problems: Vec<Problem>) {
        let sources: BTreeSet<SourceKey> = problems.iter().map(|problem| problem.source.clone()).collect();
        let before = match problems.is_empty() {
            true => self.host_problems.remove(host),
            false => self.host_problems.insert(host.clone(), problems),
        };
        let concerned: BTreeSet<SourceKey> =
            before.into_iter().flatten().map(|problem| problem.source).chain(sources).collect();
        for source in concerned {
            self.gather_problems(&source);
        }
    }

    /// Puts together what is known to be wrong with a source.
    fn gather_problems(&mut self, source: &SourceKey) {
        let own = self.own_problems.get(source).into_iter().flatten();
        let own = own.chain(self.certificate_problems.get(source).into_iter().flatten());
        let applied = self.contributions.get(source);
        let of_backends = applied.into_iter().flat_map(|applied| applied.refused.iter().chain(&applied.flawed));
        // Sorted out, as two groups may have one host.
        let hosts: BTreeSet<&HostClaim> = applied.into_iter().flat_map(Applied::hosts).collect();
        let of_hosts = hosts.into_iter().filter_map(|host| self.host_problems.get(host)).flatten();
        let of_hosts = of_hosts.filter(|problem| problem.source == *source);
        let all: Arc<[Problem]> = own.chain(of_backends).chain(of_hosts).cloned().collect();
        if all.is_empty() {
            self.next.problems.remove(source);
        } else {
            self.next.problems.insert(source.clone(), all);
        }
    }
}
