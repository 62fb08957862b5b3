//! The one writer: it owns the index, takes what is queued, and publishes.

use super::certificates::{CertificateConfig, CertificateIndex};
use super::draft::Draft;
use super::ingresses::{Ingresses, Sinks};
use super::last_good::Saved;
use super::status::Kinds;
use super::watches::Change;
use super::{EndpointPolicy, classes, endpoint_slices, environments, secrets, services};
use crate::model::EnvironmentKey;
use crate::resources::{Environment, EnvironmentClass};
use crate::routing::{ClassHosts, Contribution, Problem, Routes, SliceKey, SourceKey, SourceKind, Table};
use crate::telemetry::metrics;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::runtime::watcher::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

pub(super) struct Writer {
    routes: Routes,
    policy: EndpointPolicy,
    classes: BTreeMap<String, ClassHosts>,
    lists: Lists,
    ingresses: Ingresses,
    certificates: CertificateIndex,
    /// The kinds whose first list is not complete yet.
    missing: BTreeSet<SourceKind>,
    /// Those of them that the last good table stands in for, and the time of which it tells.
    from_disk: BTreeMap<SourceKind, Timestamp>,
    kinds: Kinds,
}

/// What a list that is under way has named so far. What it has not named when it is complete is gone.
#[derive(Default)]
struct Lists {
    services: BTreeSet<SourceKey>,
    slices: BTreeSet<SliceKey>,
    classes: BTreeSet<String>,
    environments: BTreeSet<EnvironmentKey>,
}

impl Writer {
    /// The writer of an index that is complete when none of `missing` is missing any more.
    pub(super) fn new(
        routes: Routes,
        policy: EndpointPolicy,
        certificates: CertificateConfig,
        missing: BTreeSet<SourceKind>,
        kinds: Kinds,
    ) -> Self {
        Self {
            routes,
            policy,
            ingresses: Ingresses::default(),
            certificates: CertificateIndex::new(certificates),
            classes: BTreeMap::new(),
            lists: Lists::default(),
            missing,
            from_disk: BTreeMap::new(),
            kinds,
        }
    }

    /// Takes what is queued and publishes, until the queue ends. What `fallback` gives stands in for the kinds whose lists
    /// are not complete by then; when all are, it is not asked any more.
    pub(super) async fn run(
        mut self,
        mut changes: mpsc::UnboundedReceiver<Change>,
        fallback: impl Future<Output = Option<Saved>>,
        table: Arc<Table>,
        published: watch::Sender<u64>,
    ) {
        let mut queue = Vec::new();
        let mut fallback = std::pin::pin!(fallback);
        let mut waiting = true;
        loop {
            tokio::select! {
                count = changes.recv_many(&mut queue, 1024) => {
                    if count == 0 {
                        return;
                    }
                    queue.drain(..).for_each(|change| self.take(change));
                }
                saved = &mut fallback, if waiting && !self.missing.is_empty() => {
                    waiting = false;
                    saved.into_iter().for_each(|saved| self.stand_in(saved));
                }
            }
            if self.missing.iter().all(|kind| self.from_disk.contains_key(kind)) {
                self.routes.mark_complete();
            }
            self.certificates.settle(&mut self.routes);
            self.kinds.settle(&self.missing, &self.from_disk);
            let generation = self.routes.publish(&table);
            metrics::table_published(generation, table.load().host_count(), table.load().problems().count());
            // Nobody may be waiting; then nobody is told.
            let _previous = published.send_replace(generation);
        }
    }

    /// The table as it is now.
    #[cfg(test)]
    pub(super) fn snapshot(&mut self) -> Arc<crate::routing::Snapshot> {
        self.routes.snapshot()
    }

    /// Takes the lists from disk of those kinds that have none yet. Nothing live of these kinds was taken so far, as lists
    /// come whole; and the list that comes takes away what it does not name.
    pub(super) fn stand_in(&mut self, saved: Saved) {
        let Saved { as_of, lists, .. } = saved;
        for (kind, list) in lists {
            if self.missing.contains(&kind) {
                list.into_iter().for_each(|change| self.take(change));
                self.missing.insert(kind);
                self.from_disk.insert(kind, as_of);
            }
        }
    }

    pub(super) fn take(&mut self, change: Change) {
        match change {
            Change::Services(event) => self.service(event),
            Change::Slices(event) => self.slice(event),
            Change::Classes(event) => self.class(event),
            Change::Environments(event) => self.environment(event),
            Change::IngressClasses(event) => self.ingress_class(event),
            Change::Ingresses(event) => self.ingress(event),
            Change::Secrets(event) => self.secret(event),
            Change::File(contributions, problems) => self.file(contributions, problems),
            // Whoever asked may have gone.
            Change::Draft(to) => drop(to.send(self.draft())),
        }
    }

    fn draft(&self) -> Draft {
        let trusted = self.certificates.trusted().map(str::to_owned);
        Draft::new(self.routes.clone(), self.classes.clone(), self.ingresses.classes().clone(), trusted)
    }

    fn service(&mut self, event: Event<Service>) {
        match event {
            Event::Init => self.lists.services.clear(),
            Event::InitApply(service) => {
                self.lists.services.insert(services::source(&service));
                self.apply_service(&service);
            }
            Event::InitDone => {
                let kept = std::mem::take(&mut self.lists.services);
                self.routes.retain_services(&kept.iter().map(services::key_of).collect());
                self.routes.retain(SourceKind::Service, &kept);
                self.missing.remove(&SourceKind::Service);
            }
            Event::Apply(service) => self.apply_service(&service),
            Event::Delete(service) => {
                self.routes.set_service(&services::key(&service), None);
                self.routes.remove(&services::source(&service));
            }
        }
    }

    fn apply_service(&mut self, service: &Service) {
        let source = services::source(service);
        self.routes.set_service(&services::key(service), Some(services::known(service)));
        let (contribution, problems) = services::translate(service);
        match contribution {
            Some(contribution) => self.routes.apply(contribution),
            None => self.routes.remove(&source),
        }
        if !problems.is_empty() {
            self.routes.add_problems(&source, problems);
        }
    }

    fn slice(&mut self, event: Event<EndpointSlice>) {
        match event {
            Event::Init => self.lists.slices.clear(),
            Event::InitApply(slice) => {
                self.lists.slices.insert(endpoint_slices::key(&slice));
                self.apply_slice(&slice);
            }
            Event::InitDone => {
                self.routes.retain_slices(&std::mem::take(&mut self.lists.slices));
                self.missing.remove(&SourceKind::EndpointSlice);
            }
            Event::Apply(slice) => self.apply_slice(&slice),
            Event::Delete(slice) => {
                let key = endpoint_slices::key(&slice);
                self.routes.set_slice(&key, None);
                self.routes.set_problems(&endpoint_slices::source(&key), Vec::new());
            }
        }
    }

    fn apply_slice(&mut self, slice: &EndpointSlice) {
        let key = endpoint_slices::key(slice);
        let (translated, problems) = endpoint_slices::translate(slice, self.policy);
        self.routes.set_slice(&key, translated);
        self.routes.set_problems(&endpoint_slices::source(&key), problems);
    }

    fn class(&mut self, event: Event<EnvironmentClass>) {
        let name = |class: &EnvironmentClass| class.metadata.name.clone().unwrap_or_default();
        match event {
            Event::Init => {
                self.lists.classes.clear();
                return;
            }
            Event::InitApply(class) => {
                self.lists.classes.insert(name(&class));
                self.keep_class(name(&class), &class);
                // All at once when the list is complete: each set of classes looks at every source.
                return;
            }
            Event::InitDone => {
                let kept = std::mem::take(&mut self.lists.classes);
                let gone: Vec<String> = self.classes.keys().filter(|name| !kept.contains(*name)).cloned().collect();
                gone.iter().for_each(|name| self.forget_class(name));
                self.missing.remove(&SourceKind::Class);
            }
            Event::Apply(class) => self.keep_class(name(&class), &class),
            Event::Delete(class) => self.forget_class(&name(&class)),
        }
        self.routes.set_classes(self.classes.values().cloned());
        self.certificates.hosts_changed();
    }

    fn forget_class(&mut self, name: &str) {
        self.classes.remove(name);
        if let Ok(name) = name.parse() {
            self.routes.set_expired(&name, Vec::new());
        }
    }

    fn keep_class(&mut self, name: String, class: &EnvironmentClass) {
        if let Ok(name) = name.parse() {
            self.routes.set_expired(&name, classes::expired(&name, class));
        }
        match classes::translate(class) {
            Some(hosts) => self.classes.insert(name, hosts),
            None => self.classes.remove(&name),
        };
    }

    fn environment(&mut self, event: Event<Environment>) {
        match event {
            Event::Init => self.lists.environments.clear(),
            Event::InitApply(environment) => {
                self.lists.environments.extend(environments::key(&environment));
                self.apply_environment(&environment);
            }
            Event::InitDone => {
                self.routes.retain_environments(&std::mem::take(&mut self.lists.environments));
                self.missing.remove(&SourceKind::Environment);
            }
            Event::Apply(environment) => self.apply_environment(&environment),
            Event::Delete(environment) => {
                if let Some(key) = environments::key(&environment) {
                    self.routes.remove_environment(&key);
                }
            }
        }
    }

    fn apply_environment(&mut self, environment: &Environment) {
        if let Some(note) = environments::translate(environment) {
            self.routes.set_environment(note);
        }
    }

    fn ingress(&mut self, event: Event<Ingress>) {
        let mut to = Sinks { routes: &mut self.routes, certificates: &mut self.certificates };
        if self.ingresses.ingress(event, &mut to) {
            self.missing.remove(&SourceKind::Ingress);
        }
    }

    fn ingress_class(&mut self, event: Event<IngressClass>) {
        let mut to = Sinks { routes: &mut self.routes, certificates: &mut self.certificates };
        if self.ingresses.class(event, &mut to) {
            self.missing.remove(&SourceKind::IngressClass);
        }
    }

    fn secret(&mut self, event: Event<Secret>) {
        match event {
            Event::Init => self.certificates.begin(),
            Event::InitApply(secret) => self.certificates.list(&secret),
            Event::InitDone => {
                self.certificates.end();
                self.missing.remove(&SourceKind::Secret);
            }
            Event::Apply(secret) => self.certificates.put(&secret),
            Event::Delete(secret) => self.certificates.remove(&secrets::key(&secret)),
        }
    }

    fn file(&mut self, contributions: Vec<Contribution>, problems: Vec<Problem>) {
        let kept = contributions.iter().map(|contribution| contribution.source.clone()).collect();
        self.routes.retain(SourceKind::File, &kept);
        contributions.into_iter().for_each(|contribution| self.routes.apply(contribution));
        for problem in problems {
            self.routes.add_problems(&problem.source.clone(), vec![problem]);
        }
        self.missing.remove(&SourceKind::File);
    }
}
