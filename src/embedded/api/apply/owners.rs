//! `metadata.managedFields`: the managers of an object and the fields that each of them owns.

use super::fields::FieldSet;
use serde_json::{Map, Value, json};
use std::fmt;

/// How a manager came to its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// By server-side apply: it says all that it wants each time.
    Apply,
    /// By create, update or patch: it owns what it changed.
    Update,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) manager: String,
    pub(crate) operation: Operation,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
    pub(crate) time: Option<String>,
    pub(crate) fields: FieldSet,
}

impl fmt::Display for Owner {
    /// As conflicts name a manager: `"kubectl-edit" using apps/v1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.manager)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        match self.operation {
            Operation::Apply => Ok(()),
            Operation::Update => write!(f, " using {}", self.api_version),
        }
    }
}

impl Owner {
    /// Whether this is the entry that a write by `manager` goes to. Applies of all versions share one.
    fn is(&self, operation: Operation, manager: &str, api_version: &str, subresource: &str) -> bool {
        self.operation == operation
            && self.manager == manager
            && self.subresource == subresource
            && (operation == Operation::Apply || self.api_version == api_version)
    }

    fn parse(entry: &Value) -> Option<Self> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        let operation = match entry.get("operation").and_then(Value::as_str)? {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        Some(Self {
            manager: text("manager").unwrap_or_default(),
            operation,
            api_version: text("apiVersion").unwrap_or_default(),
            subresource: text("subresource").unwrap_or_default(),
            time: text("time"),
            fields: FieldSet::parse(entry.get("fieldsV1").unwrap_or(&Value::Null)),
        })
    }

    fn written(&self) -> Value {
        let mut entry = json!({
            "manager": self.manager,
            "operation": match self.operation { Operation::Apply => "Apply", Operation::Update => "Update" },
            "apiVersion": self.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.written(),
        });
        if let Value::Object(entry) = &mut entry {
            if let Some(time) = &self.time {
                entry.insert("time".to_owned(), Value::from(time.as_str()));
            }
            if !self.subresource.is_empty() {
                entry.insert("subresource".to_owned(), Value::from(self.subresource.as_str()));
            }
        }
        entry
    }
}

/// A manager that writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) manager: &'a str,
    pub(crate) operation: Operation,
    pub(crate) api_version: &'a str,
    pub(crate) subresource: &'a str,
}

/// All entries of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Owners(Vec<Owner>);

/// More managers than this that wrote without apply are folded into one.
const MOST_UPDATERS: usize = 10;
/// The name of the folded one.
const ANCIENT: &str = "ancient-changes";

impl Owners {
    /// The entries of an object. What is no entry is left out.
    pub(crate) fn of(object: &Value) -> Self {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let mut owners = Self::default();
        for owner in entries.into_iter().flatten().filter_map(Owner::parse) {
            match owners.position(owner.operation, &owner.manager, &owner.api_version, &owner.subresource) {
                Some(same) => same.fields.extend(owner.fields),
                None => owners.0.push(owner),
            }
        }
        owners
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(
        &mut self,
        operation: Operation,
        manager: &str,
        version: &str,
        subresource: &str,
    ) -> Option<&mut Owner> {
        self.0.iter_mut().find(|owner| owner.is(operation, manager, version, subresource))
    }

    /// The entry of a writer; an empty one is made when there is none.
    pub(crate) fn entry(&mut self, writer: Writer<'_>) -> &mut Owner {
        let is_own = |owner: &Owner| owner.is(writer.operation, writer.manager, writer.api_version, writer.subresource);
        let index = self.0.iter().position(is_own).unwrap_or(self.0.len());
        let own = Owner {
            manager: writer.manager.to_owned(),
            operation: writer.operation,
            api_version: writer.api_version.to_owned(),
            subresource: writer.subresource.to_owned(),
            time: None,
            fields: FieldSet::default(),
        };
        if index == self.0.len() {
            self.0.push(own);
        }
        let last = self.0.len().saturating_sub(1);
        // The index is that of the found or of the pushed entry.
        #[expect(clippy::indexing_slicing, reason = "the entry was found or pushed above")]
        &mut self.0[index.min(last)]
    }

    /// All entries but the writer's.
    pub(crate) fn others<'a>(&'a mut self, writer: Writer<'a>) -> impl Iterator<Item = &'a mut Owner> {
        let is_own =
            move |owner: &Owner| owner.is(writer.operation, writer.manager, writer.api_version, writer.subresource);
        self.0.iter_mut().filter(move |owner| !is_own(owner))
    }

    /// Every field that anybody owns.
    pub(crate) fn union(&self) -> FieldSet {
        let mut all = FieldSet::default();
        for owner in &self.0 {
            all.extend(owner.fields.clone());
        }
        all
    }

    /// Takes out entries that own nothing, folds the oldest updaters together, and puts the rest into their order.
    pub(crate) fn tidy(&mut self) {
        self.0.retain(|owner| !owner.fields.is_empty());
        self.sort();
        while self.0.iter().filter(|owner| owner.operation == Operation::Update).count() > MOST_UPDATERS {
            let Some(oldest) =
                self.0.iter().position(|owner| owner.operation == Operation::Update && owner.manager != ANCIENT)
            else {
                break;
            };
            let oldest = self.0.remove(oldest);
            let ancient = self.entry(Writer {
                manager: ANCIENT,
                operation: Operation::Update,
                api_version: &oldest.api_version,
                subresource: &oldest.subresource,
            });
            ancient.fields.extend(oldest.fields);
            ancient.time = oldest.time.max(ancient.time.take());
            self.sort();
        }
    }

    fn sort(&mut self) {
        self.0.sort_by(|a, b| {
            let order = |owner: &Owner| {
                let Owner { operation, time, manager, api_version, subresource, .. } = owner.clone();
                (operation, time, manager, api_version, subresource)
            };
            order(a).cmp(&order(b))
        });
    }

    /// Puts the entries into an object.
    pub(crate) fn write(&self, object: &mut Value) {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            if self.0.is_empty() {
                metadata.remove("managedFields");
            } else {
                let entries = self.0.iter().map(Owner::written).collect();
                metadata.insert("managedFields".to_owned(), Value::Array(entries));
            }
        } else if !self.0.is_empty()
            && let Value::Object(fields) = object
        {
            fields.insert("metadata".to_owned(), Value::Object(Map::new()));
            self.write(object);
        }
    }
}

/// Takes the entries out of an object, and gives them as they were written.
pub(crate) fn take(object: &mut Value) -> Option<Value> {
    object.get_mut("metadata")?.as_object_mut()?.remove("managedFields")
}
