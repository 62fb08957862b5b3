//! An IngressClass: whether an Ingress is ours.

use crate::resources::labels;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::ResourceExt;
use std::collections::BTreeMap;

/// The class that is taken for ours by its name alone where the classes cannot be read.
const NAME: &str = "doorstep";

/// Every IngressClass that was told of.
#[derive(Debug, Clone, Default)]
pub(super) struct IngressClasses {
    known: BTreeMap<String, Known>,
}

/// What matters of an IngressClass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    is_ours: bool,
    is_default: bool,
}

impl IngressClasses {
    /// Takes a class as it is now, or its end; gives whether this may make an Ingress ours, or not ours any more.
    pub(super) fn set(&mut self, name: &str, class: Option<&IngressClass>) -> bool {
        match class {
            Some(class) => {
                let controller = class.spec.as_ref().and_then(|spec| spec.controller.as_deref());
                let default = class.annotations().get(labels::DEFAULT_INGRESS_CLASS);
                let known = Known {
                    is_ours: controller == Some(labels::INGRESS_CONTROLLER),
                    is_default: default.is_some_and(|value| value == "true"),
                };
                self.known.insert(name.to_owned(), known) != Some(known)
            }
            None => self.known.remove(name).is_some(),
        }
    }

    /// The names of all.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.known.keys()
    }

    /// Whether an Ingress is for us.
    ///
    /// The old annotation goes before `spec.ingressClassName`, as the API's documentation asks for. One without either is
    /// ours only if a class of ours is the default: no other controller is to be disturbed in its own.
    pub(super) fn is_ours(&self, ingress: &Ingress) -> bool {
        let named = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
        let annotated = ingress.annotations().get(labels::OLD_INGRESS_CLASS).map(String::as_str);
        match annotated.or(named) {
            Some(name) => match self.known.get(name) {
                Some(known) => known.is_ours,
                // The old annotation names no object, and without the right to read classes none is known.
                None => name == NAME && (annotated.is_some() || self.known.is_empty()),
            },
            None => self.known.values().any(|known| known.is_ours && known.is_default),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn class(controller: &str, default: bool) -> IngressClass {
        let annotations = json!({"ingressclass.kubernetes.io/is-default-class": default.to_string()});
        let object = json!({"metadata": {"name": "x", "annotations": annotations}, "spec": {"controller": controller}});
        serde_json::from_value(object).unwrap()
    }

    fn ingress(annotation: Option<&str>, name: Option<&str>) -> Ingress {
        let annotations = annotation.map(|name| json!({"kubernetes.io/ingress.class": name})).unwrap_or_default();
        let object = json!({"metadata": {"annotations": annotations}, "spec": {"ingressClassName": name}});
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn an_ingress_is_ours_by_its_class_and_without_one_only_by_default() {
        let mut classes = IngressClasses::default();
        assert!(classes.is_ours(&ingress(None, Some("doorstep"))), "the classes may not be readable");
        assert!(!classes.is_ours(&ingress(None, None)) && !classes.is_ours(&ingress(None, Some("nginx"))));
        assert!(classes.set("front", Some(&class("doorstep.dev/gateway", false))));
        assert!(!classes.set("front", Some(&class("doorstep.dev/gateway", false))), "nothing new");
        classes.set("nginx", Some(&class("k8s.io/ingress-nginx", true)));
        assert!(classes.is_ours(&ingress(None, Some("front"))) && classes.is_ours(&ingress(Some("front"), None)));
        assert!(classes.is_ours(&ingress(Some("doorstep"), None)), "the annotation names no object");
        assert!(!classes.is_ours(&ingress(None, Some("doorstep"))), "there is no such class");
        assert!(!classes.is_ours(&ingress(Some("nginx"), Some("front"))), "the annotation goes first");
        assert!(!classes.is_ours(&ingress(None, None)), "the default is another controller's");
        classes.set("front", Some(&class("doorstep.dev/gateway", true)));
        assert!(classes.is_ours(&ingress(None, None)));
        assert!(classes.set("front", None) && !classes.is_ours(&ingress(None, Some("front"))));
    }
}
