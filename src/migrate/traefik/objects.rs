//! The objects of all files, by kind, namespace and name.

use super::super::{Remark, Severity, SourceFile};
use serde_json::Value;
use std::collections::BTreeMap;

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
}

/// The groups under which Traefik's own kinds are known.
const GROUPS: [&str; 2] = ["traefik.io/", "traefik.containo.us/"];

impl Object {
    pub(super) fn spec(&self) -> &Value {
        self.value.get("spec").unwrap_or(&Value::Null)
    }

    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.value.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }

    pub(super) fn annotations(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.value.pointer("/metadata/annotations").and_then(Value::as_object).into_iter().flatten()
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
            match serde_saphyr::from_multiple::<Value>(&file.text) {
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

    fn add(&mut self, file: &str, document: Value, remarks: &mut Vec<Remark>) {
        if document.is_null() {
            return;
        }
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, version) = (text("/kind"), text("/apiVersion"));
        if let Some(Value::Array(items)) = document.get("items") {
            items.iter().for_each(|item| self.add(file, item.clone(), remarks));
            return;
        }
        let is_known = GROUPS.iter().any(|group| version.starts_with(group))
            || matches!((version.as_str(), kind.as_str()), ("networking.k8s.io/v1", "Ingress") | ("v1", "Service"));
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let namespace = if namespace.is_empty() { "default".to_owned() } else { namespace };
        if kind.is_empty() || name.is_empty() {
            remarks.push(of_file(file, Severity::Mistake, "a document has no kind or no metadata.name".to_owned()));
            return;
        }
        let object = Object { file: file.to_owned(), kind, namespace, name, value: document };
        if !is_known {
            let message = format!("{version} {} has nothing to do with routes here; it is left as it is", object.kind);
            remarks.push(object.remark(Severity::Note, "", message));
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
        self.all.get(*place)
    }

    pub(super) fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &Object> {
        self.all.iter().filter(move |object| object.kind == kind)
    }
}

fn of_file(file: &str, severity: Severity, message: String) -> Remark {
    Remark { severity, file: file.to_owned(), object: String::new(), field: String::new(), message }
}
