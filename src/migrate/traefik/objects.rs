//! The objects of all files, by kind, namespace and name.

use super::super::{Remark, Severity, SourceFile};
use super::shape;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// An object, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) file: String,
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) value: Value,
}

/// Everything that was given.
#[derive(Debug, Default)]
pub(super) struct Objects {
    /// In the order of the files.
    pub(super) all: Vec<Object>,
    index: BTreeMap<(String, String, String), usize>,
    /// What was asked for by name: the rest is used by nobody.
    found: RefCell<BTreeSet<usize>>,
}

/// The groups under which Traefik's own kinds are known.
const GROUPS: [&str; 2] = ["traefik.io/", "traefik.containo.us/"];

/// What named the class before there was a field for it.
pub(super) const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
/// The controller that Traefik's IngressClasses name, and the class that is Traefik's without one.
const CONTROLLER: &str = "traefik.io/ingress-controller";
const DEFAULT_CLASS: &str = "traefik";

impl Object {
    pub(super) fn spec(&self) -> &Value {
        self.value.get("spec").unwrap_or(&Value::Null)
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.value.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }

    /// What it says to others than Traefik, which look for it on an Ingress, or on Traefik's objects: cert-manager, external-dns.
    pub(super) fn annotations_of_others(&self) -> Vec<&str> {
        let is_other = |name: &&str| {
            !name.contains("traefik.") && !name.starts_with("kubectl.kubernetes.io/") && *name != CLASS_ANNOTATION
        };
        self.annotations().map(|(name, _)| name.as_str()).filter(is_other).collect()
    }

    pub(super) fn annotations(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.value.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten()
    }

    /// The class that it names: by its own field, or by the annotation that was there before it.
    pub(super) fn class(&self) -> Option<&str> {
        let named = self.spec().get("ingressClassName").and_then(Value::as_str);
        named.or(self.annotation(CLASS_ANNOTATION)).filter(|class| !class.is_empty())
    }

    /// A remark about one of its fields.
    pub(super) fn remark(&self, severity: Severity, field: &str, message: impl Into<String>) -> Remark {
        let object = format!("{} {}/{}", self.kind, self.namespace, self.name);
        Remark { severity, file: self.file.clone(), object, field: field.to_owned(), message: message.into() }
    }
}

impl Objects {
    /// Reads all documents of `files`. Without a namespace an object is in `default`.
    pub(super) fn read(files: &[SourceFile], remarks: &mut Vec<Remark>) -> Self {
        let mut objects = Self::default();
        for file in files {
            match documents(&file.text) {
                Ok(documents) => documents.into_iter().for_each(|document| objects.add(&file.name, document, remarks)),
                Err(error) => {
                    let said = error.to_string();
                    let message = format!("it is no valid YAML: {}", said.lines().next().unwrap_or_default());
                    remarks.push(of_file(&file.name, Severity::Mistake, message));
                }
            }
        }
        objects
    }

    fn add(&mut self, file: &str, mut document: Value, remarks: &mut Vec<Remark>) {
        if document.is_null() {
            return;
        }
        plain_annotations(&mut document);
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, version) = (text("/kind"), text("/apiVersion"));
        if let Some(Value::Array(items)) = document.get("items") {
            items.iter().for_each(|item| self.add(file, item.clone(), remarks));
            return;
        }
        let is_known = GROUPS.iter().any(|group| version.starts_with(group))
            || matches!(
                (version.as_str(), kind.as_str()),
                ("networking.k8s.io/v1", "Ingress" | "IngressClass") | ("v1", "Service")
            );
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let namespace = if namespace.is_empty() { "default".to_owned() } else { namespace };
        if kind.is_empty() || name.is_empty() {
            remarks.push(of_file(file, Severity::Mistake, "a document has no kind or no metadata.name".to_owned()));
            return;
        }
        let object = Object { file: file.to_owned(), kind, namespace, name, value: document };
        if !is_known {
            let (severity, message) = of_other_kind(&version, &object.kind);
            remarks.push(object.remark(severity, "", message));
            return;
        }
        if let Some((field, message)) = shape::fault(&object.kind, object.spec()) {
            remarks.push(object.remark(Severity::Mistake, &field, message));
            return;
        }
        let key = (object.kind.clone(), object.namespace.clone(), object.name.clone());
        if self.index.contains_key(&key) {
            remarks.push(object.remark(Severity::Mistake, "", "it is given twice; the first one counts"));
            return;
        }
        self.index.insert(key, self.all.len());
        self.all.push(object);
    }

    pub(super) fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Object> {
        let place = self.index.get(&(kind.to_owned(), namespace.to_owned(), name.to_owned()))?;
        self.found.borrow_mut().insert(*place);
        self.all.get(*place)
    }

    /// Those of a kind that nobody has asked for by name.
    pub(super) fn unused(&self, kind: &'static str) -> Vec<&Object> {
        let found = self.found.borrow();
        let all = self.all.iter().enumerate().filter(|(place, object)| object.kind == kind && !found.contains(place));
        all.map(|(_, object)| object).collect()
    }

    /// The class of an object that is not Traefik's; `wanted` is. An IngressClass may give Traefik's controller another name,
    /// which Traefik takes where it is not told of one class alone.
    pub(super) fn foreign_class<'o>(&self, object: &'o Object, wanted: &str) -> Option<&'o str> {
        let of_traefik = |class: &str| {
            let named = self.all.iter().filter(|object| object.kind == "IngressClass" && object.name == class);
            let mut controllers = named.filter_map(|object| object.spec().get("controller").and_then(Value::as_str));
            wanted == DEFAULT_CLASS && controllers.any(|controller| controller == CONTROLLER)
        };
        object.class().filter(|class| *class != wanted && !of_traefik(class))
    }

    pub(super) fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &Object> {
        self.all.iter().filter(move |object| object.kind == kind)
    }
}

/// The documents of a file. Of a large cluster they are more than the parser takes without being told; aliases stay bounded.
fn documents(text: &str) -> Result<Vec<Value>, serde_saphyr::Error> {
    let budget = serde_saphyr::budget! { max_documents: 1 << 20, max_nodes: 1 << 24, max_events: 1 << 25 };
    serde_saphyr::from_multiple_with_options(text, serde_saphyr::options! { budget: budget })
}

/// Annotations are texts; `true` and `42` without quotes are meant as such.
fn plain_annotations(document: &mut Value) {
    for value in document.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut).into_iter().flatten() {
        if value.1.is_boolean() || value.1.is_number() {
            *value.1 = Value::String(value.1.to_string());
        }
    }
}

/// What is said of a kind that is not read.
fn of_other_kind(version: &str, kind: &str) -> (Severity, String) {
    match (version.split('/').next().unwrap_or_default(), kind) {
        ("networking.k8s.io" | "extensions", "Ingress") => {
            (Severity::Mistake, format!("no cluster serves {version} any more; give it as networking.k8s.io/v1"))
        }
        ("gateway.networking.k8s.io", _) => {
            (Severity::NoCounterpart, "the Gateway API is not read; write an Ingress or a route of the file".to_owned())
        }
        ("hub.traefik.io", _) => (Severity::NoCounterpart, "what Traefik Hub manages is not translated".to_owned()),
        _ => (Severity::Note, format!("{version} {kind} has nothing to do with routes here; it is left as it is")),
    }
}

fn of_file(file: &str, severity: Severity, message: String) -> Remark {
    Remark { severity, file: file.to_owned(), object: String::new(), field: String::new(), message }
}
