//! A copy of the index, to see what would be if something were applied. Nothing of it reaches a request.

use super::ingress_class::IngressClasses;
use super::watches::Change;
use super::{classes, ingress, services};
use crate::resources::EnvironmentClass;
use crate::routing::{ClassHosts, Routes, Snapshot, SourceKey};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// Where copies of the index are to be had.
#[derive(Clone)]
pub struct Drafts(UnboundedSender<Change>);

impl std::fmt::Debug for Drafts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Drafts")
    }
}

impl Drafts {
    pub(super) fn new(changes: UnboundedSender<Change>) -> Self {
        Self(changes)
    }

    /// A copy of the index as it is now. None when discovery has ended.
    pub async fn draft(&self) -> Option<Draft> {
        let (to, copy) = oneshot::channel();
        self.0.send(Change::Draft(to)).ok()?;
        copy.await.ok()
    }
}

/// A copy of the index.
#[derive(Debug)]
pub struct Draft {
    routes: Routes,
    classes: BTreeMap<String, ClassHosts>,
    ingress_classes: IngressClasses,
    trusted: Option<String>,
}

impl Draft {
    pub(super) fn new(
        routes: Routes,
        classes: BTreeMap<String, ClassHosts>,
        ingress_classes: IngressClasses,
        trusted: Option<String>,
    ) -> Self {
        Self { routes, classes, ingress_classes, trusted }
    }

    /// The table, with all that was applied so far.
    pub fn snapshot(&mut self) -> Arc<Snapshot> {
        self.routes.snapshot()
    }

    /// Applies a Service. One that is there already keeps its age.
    pub fn service(&mut self, service: &Service) -> SourceKey {
        let source = services::source(service);
        self.routes.set_service(&services::key(service), Some(services::known(service)));
        let (contribution, problems) = services::translate(service);
        match contribution {
            Some(mut contribution) => {
                contribution.created = self.routes.age_of(&source).unwrap_or(contribution.created);
                self.routes.apply(contribution);
            }
            None => self.routes.remove(&source),
        }
        if !problems.is_empty() {
            self.routes.add_problems(&source, problems);
        }
        source
    }

    /// Applies an Ingress. One that is there already keeps its age. `None` where it is not for this gateway.
    pub fn ingress(&mut self, ingress: &Ingress) -> Option<SourceKey> {
        let source = ingress::source(ingress);
        if !self.ingress_classes.is_ours(ingress) {
            self.routes.remove(&source);
            return None;
        }
        let mut translated = ingress::translate(ingress, self.trusted.as_deref());
        translated.contribution.created = self.routes.age_of(&source).unwrap_or(translated.contribution.created);
        self.routes.apply(translated.contribution);
        if !translated.problems.is_empty() {
            self.routes.add_problems(&source, translated.problems);
        }
        Some(source)
    }

    /// Applies a class. One that is there already keeps its age. `false` where it is not valid.
    pub fn class(&mut self, class: &EnvironmentClass) -> bool {
        let name = class.metadata.name.clone().unwrap_or_default();
        let translated = classes::translate(class);
        let valid = translated.is_some();
        match translated {
            Some(mut hosts) => {
                hosts.created = self.classes.get(&name).map_or(hosts.created, |known| known.created);
                self.classes.insert(name, hosts);
            }
            None => drop(self.classes.remove(&name)),
        }
        self.routes.set_classes(self.classes.values().cloned());
        valid
    }
}
