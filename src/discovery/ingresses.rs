//! All Ingresses and IngressClasses: an Ingress becomes ours, or stops to be, when a class changes.

use super::certificates::CertificateIndex;
use super::ingress;
use super::ingress_class::IngressClasses;
use crate::routing::{Routes, SourceKey, SourceKind};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use std::collections::{BTreeSet, HashMap};

/// Every Ingress, ours or not, and the classes that tell which.
#[derive(Debug, Default)]
pub(super) struct Ingresses {
    classes: IngressClasses,
    known: HashMap<SourceKey, Ingress>,
    listed: BTreeSet<SourceKey>,
    listed_classes: BTreeSet<String>,
}

impl Ingresses {
    /// Takes what the watch of Ingresses says; gives whether a list is complete by it.
    pub(super) fn ingress(&mut self, event: Event<Ingress>, to: &mut Sinks<'_>) -> bool {
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(ingress) => {
                self.listed.insert(ingress::source(&ingress));
                self.put(ingress, to);
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let gone: Vec<SourceKey> = self.known.keys().filter(|key| !listed.contains(*key)).cloned().collect();
                gone.iter().for_each(|key| self.remove(key, to));
                to.routes.retain(SourceKind::Ingress, &listed);
                return true;
            }
            Event::Apply(ingress) => self.put(ingress, to),
            Event::Delete(ingress) => self.remove(&ingress::source(&ingress), to),
        }
        false
    }

    /// Takes what the watch of IngressClasses says; gives whether a list is complete by it.
    pub(super) fn class(&mut self, event: Event<IngressClass>, to: &mut Sinks<'_>) -> bool {
        let (changed, complete) = match event {
            Event::Init => {
                self.listed_classes.clear();
                (false, false)
            }
            Event::InitApply(class) => {
                let name = class.name_any();
                self.listed_classes.insert(name.clone());
                self.classes.set(&name, Some(&class));
                (false, false)
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed_classes);
                let gone: Vec<String> = self.classes.names().filter(|name| !listed.contains(*name)).cloned().collect();
                gone.iter().for_each(|name| {
                    self.classes.set(name, None);
                });
                (true, true)
            }
            Event::Apply(class) => (self.classes.set(&class.name_any(), Some(&class)), false),
            Event::Delete(class) => (self.classes.set(&class.name_any(), None), false),
        };
        if changed {
            self.known.values().for_each(|ingress| self.apply(ingress, to));
        }
        complete
    }

    /// The IngressClasses.
    pub(super) fn classes(&self) -> &IngressClasses {
        &self.classes
    }

    fn put(&mut self, ingress: Ingress, to: &mut Sinks<'_>) {
        self.apply(&ingress, to);
        self.known.insert(ingress::source(&ingress), ingress);
    }

    fn remove(&mut self, source: &SourceKey, to: &mut Sinks<'_>) {
        self.known.remove(source);
        to.routes.remove(source);
        to.certificates.refer(source, 0, Vec::new());
    }

    fn apply(&self, ingress: &Ingress, to: &mut Sinks<'_>) {
        let source = ingress::source(ingress);
        if !self.classes.is_ours(ingress) {
            to.routes.remove(&source);
            to.certificates.refer(&source, 0, Vec::new());
            return;
        }
        let translated = ingress::translate(ingress, to.certificates.trusted());
        let created = translated.contribution.created;
        to.routes.apply(translated.contribution);
        if !translated.problems.is_empty() {
            to.routes.add_problems(&source, translated.problems);
        }
        to.certificates.refer(&source, created, translated.tls);
    }
}

/// What Ingresses feed.
pub(super) struct Sinks<'w> {
    pub(super) routes: &'w mut Routes,
    pub(super) certificates: &'w mut CertificateIndex,
}
