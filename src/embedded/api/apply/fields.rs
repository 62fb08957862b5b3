//! Sets of fields (`FieldsV1`): who owns what, as a tree by path step.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// A field or a key of a map.
    Field(String),
    /// An item of a list map: its keys, as JSON in the order of their names.
    Key(String),
    /// An item of a set, as JSON.
    Value(String),
    /// An item by its position. We never write it, and keep what others wrote.
    Index(u64),
}

impl Step {
    /// The step of an item of a list map.
    pub(crate) fn key(parts: &BTreeMap<&str, &Value>) -> Self {
        let parts: Vec<String> = parts.iter().map(|(name, value)| format!("{}:{value}", Value::from(*name))).collect();
        Self::Key(format!("{{{}}}", parts.join(",")))
    }

    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => {
                let keys: BTreeMap<String, Value> = serde_json::from_str(rest).ok()?;
                Some(Self::key(&keys.iter().map(|(name, value)| (name.as_str(), value)).collect()))
            }
            "v" => serde_json::from_str::<Value>(rest).ok().map(|value| Self::Value(value.to_string())),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{keys}"),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }
}

impl fmt::Display for Step {
    /// As conflicts print it: `.containers`, `[name="front"]`, `[="x"]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let keys: BTreeMap<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(f, "[={value}]"),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// What a set says of one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entry {
    member: bool,
    below: FieldSet,
}

/// A set of paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet(BTreeMap<Step, Entry>);

impl FieldSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts in a path of one step, and paths that go on from it.
    pub(crate) fn insert(&mut self, step: Step, member: bool, below: Self) {
        if member || !below.is_empty() {
            let entry = self.0.entry(step).or_default();
            entry.member |= member;
            entry.below.extend(below);
        }
    }

    pub(crate) fn has(&self, step: &Step) -> bool {
        self.0.get(step).is_some_and(|entry| entry.member)
    }

    /// The paths that go on from `step`. None: there are none.
    pub(crate) fn below(&self, step: &Step) -> Option<&Self> {
        self.0.get(step).map(|entry| &entry.below).filter(|below| !below.is_empty())
    }

    /// Puts in all of `other`.
    pub(crate) fn extend(&mut self, other: Self) {
        for (step, entry) in other.0 {
            self.insert(step, entry.member, entry.below);
        }
    }

    /// What is in both.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut both = Self::default();
        for (step, entry) in &self.0 {
            if let Some(same) = other.0.get(step) {
                both.insert(step.clone(), entry.member && same.member, entry.below.intersection(&same.below));
            }
        }
        both
    }

    /// Takes out the paths of `other`; what goes on from them stays.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.0.retain(|step, entry| {
            if let Some(gone) = other.0.get(step) {
                entry.member &= !gone.member;
                entry.below.subtract(&gone.below);
            }
            entry.member || !entry.below.is_empty()
        });
    }

    /// Takes out the fields of this name, and those inside them.
    pub(crate) fn forget(&mut self, path: &[&str]) {
        let Some((first, rest)) = path.split_first() else { return };
        let step = Step::Field((*first).to_owned());
        if rest.is_empty() {
            self.0.remove(&step);
        } else if let Some(entry) = self.0.get_mut(&step) {
            entry.below.forget(rest);
            if !entry.member && entry.below.is_empty() {
                self.0.remove(&step);
            }
        }
    }

    /// Takes out the path itself, not what goes on from it.
    pub(crate) fn forget_member(&mut self, name: &str) {
        let mut only = Self::default();
        only.insert(Step::Field(name.to_owned()), true, Self::default());
        self.subtract(&only);
    }

    /// Every path, as conflicts print it.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect(&mut String::new(), &mut found);
        found
    }

    fn collect(&self, path: &mut String, found: &mut Vec<String>) {
        for (step, entry) in &self.0 {
            let length = path.len();
            path.push_str(&step.to_string());
            if entry.member {
                found.push(path.clone());
            }
            entry.below.collect(path, found);
            path.truncate(length);
        }
    }

    /// From the JSON of `fieldsV1`. Steps that nobody understands are left out.
    pub(crate) fn parse(fields: &Value) -> Self {
        let mut set = Self::default();
        for (name, below) in fields.as_object().into_iter().flatten() {
            if let Some(step) = Step::parse(name) {
                let leaf = below.as_object().is_none_or(Map::is_empty);
                let member = leaf || below.get(".").is_some();
                set.insert(step, member, Self::parse(below));
            }
        }
        set
    }

    /// The JSON of `fieldsV1`.
    pub(crate) fn written(&self) -> Value {
        let mut fields = Map::new();
        for (step, entry) in &self.0 {
            let mut below = entry.below.written();
            if let Value::Object(below) = &mut below
                && entry.member
                && !below.is_empty()
            {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            fields.insert(step.written(), below);
        }
        Value::Object(fields)
    }
}
