//! The one writer: it owns the index, takes what is queued, and publishes.

use super::watches::{self, Change};
use super::{DiscoveryConfig, EndpointPolicy, classes, endpoint_slices, environments, file, services};
use crate::model::EnvironmentKey;
use crate::resources::{Environment, EnvironmentClass};
use crate::routing::{ClassHosts, Contribution, Problem, Routes, SliceKey, SourceKey, SourceKind, Table};
use crate::telemetry::metrics;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Discovery at work.
#[derive(Debug, Clone)]
pub struct Discovery {
    generation: watch::Receiver<u64>,
    table: Arc<Table>,
}

impl Discovery {
    /// Waits until the first complete table is published. Ends early, with `false`, when discovery ends.
    pub async fn ready(&mut self) -> bool {
        let table = self.table.clone();
        self.generation.wait_for(|_| table.load().is_complete()).await.is_ok()
    }

    /// The generation of the newest published table.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.clone()
    }
}

pub(super) fn start(config: DiscoveryConfig, table: Arc<Table>, shutdown: &CancellationToken) -> Discovery {
    let (sender, receiver) = mpsc::unbounded_channel();
    let (published, generation) = watch::channel(0);
    let mut missing = BTreeSet::new();
    if let Some(client) = &config.client {
        // Environments too: without their notes, a host that is being created would be told to be nobody's.
        missing.extend([SourceKind::Service, SourceKind::EndpointSlice, SourceKind::Class, SourceKind::Environment]);
        watches::start(client, &config.namespaces, &sender, shutdown);
    }
    if let Some(path) = config.routes {
        missing.insert(SourceKind::File);
        let send = move |contributions, problems| sender.send(Change::File(contributions, problems)).is_ok();
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(file::watch_file(path, send)));
    }
    let mut routes = Routes::new(config.domain);
    routes.set_locality(config.locality);
    let writer =
        Writer { routes, policy: config.endpoint_policy, classes: BTreeMap::new(), lists: Lists::default(), missing };
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(writer.run(receiver, table.clone(), published)));
    Discovery { generation, table }
}

struct Writer {
    routes: Routes,
    policy: EndpointPolicy,
    classes: BTreeMap<String, ClassHosts>,
    lists: Lists,
    /// The kinds whose first list is not complete yet.
    missing: BTreeSet<SourceKind>,
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
    async fn run(
        mut self,
        mut changes: mpsc::UnboundedReceiver<Change>,
        table: Arc<Table>,
        published: watch::Sender<u64>,
    ) {
        let mut queue = Vec::new();
        while changes.recv_many(&mut queue, 1024).await > 0 {
            for change in queue.drain(..) {
                self.take(change);
            }
            if self.missing.is_empty() {
                self.routes.mark_complete();
            }
            let generation = self.routes.publish(&table);
            metrics::table_published(generation, table.load().host_count(), table.load().problems().count());
            // Nobody may be waiting; then nobody is told.
            let _previous = published.send_replace(generation);
        }
    }

    fn take(&mut self, change: Change) {
        match change {
            Change::Services(event) => self.service(event),
            Change::Slices(event) => self.slice(event),
            Change::Classes(event) => self.class(event),
            Change::Environments(event) => self.environment(event),
            Change::File(contributions, problems) => self.file(contributions, problems),
        }
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
                self.classes.retain(|name, _| kept.contains(name));
                self.missing.remove(&SourceKind::Class);
            }
            Event::Apply(class) => self.keep_class(name(&class), &class),
            Event::Delete(class) => {
                self.classes.remove(&name(&class));
            }
        }
        self.routes.set_classes(self.classes.values().cloned());
    }

    fn keep_class(&mut self, name: String, class: &EnvironmentClass) {
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
