//! The compiled form of a schema: a tree of nodes that validation, pruning, patches and apply walk beside an object.

use super::rules::Rule;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Shape {
    /// Whatever there is: below `x-kubernetes-preserve-unknown-fields`.
    #[default]
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    IntOrString,
}

impl Shape {
    /// The type as schemas and messages name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::IntOrString => "integer,string",
        }
    }
}

/// How the items of a list are told apart (`x-kubernetes-list-type`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum ListType {
    /// The list is one value.
    #[default]
    Atomic,
    /// Scalars, each at most once.
    Set,
    /// Objects, told apart by the values of these fields.
    Map(Vec<String>),
}

/// What a strategic merge patch does with a field (`x-kubernetes-patch-strategy` and `-merge-key`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PatchStrategy {
    /// Items merge instead of being replaced.
    pub(crate) merge: bool,
    /// The field that tells items apart, for lists of objects.
    pub(crate) key: Option<String>,
    /// `$retainKeys` is understood.
    pub(crate) retain_keys: bool,
}

/// A regular expression and how it was written.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    pub(crate) regex: Regex,
}

/// What a value has to keep beside its type.
#[derive(Debug, Clone, Default)]
pub(crate) struct Limits {
    pub(crate) required: Vec<String>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) format: Option<String>,
    pub(crate) allowed: Option<Vec<Value>>,
    pub(crate) length: Range<u64>,
    pub(crate) items: Range<u64>,
    pub(crate) properties: Range<u64>,
    pub(crate) number: Range<f64>,
    pub(crate) exclusive_min: bool,
    pub(crate) exclusive_max: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) any_of: Vec<Arc<Node>>,
    pub(crate) one_of: Vec<Arc<Node>>,
    pub(crate) all_of: Vec<Arc<Node>>,
    pub(crate) not: Option<Arc<Node>>,
}

/// Bounds, both of them inclusive.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Range<T> {
    pub(crate) min: Option<T>,
    pub(crate) max: Option<T>,
}

/// One node of a schema.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) shape: Shape,
    pub(crate) nullable: bool,
    pub(crate) preserve_unknown: bool,
    pub(crate) properties: BTreeMap<String, Arc<Node>>,
    pub(crate) additional: Option<Arc<Node>>,
    pub(crate) items: Option<Arc<Node>>,
    pub(crate) list: ListType,
    pub(crate) atomic: bool,
    pub(crate) patch: PatchStrategy,
    pub(crate) limits: Limits,
    pub(crate) default: Option<Value>,
    pub(crate) rules: Vec<Rule>,
}

/// Where the schema says nothing more: anything goes, and nothing is merged by key.
pub(crate) static UNKNOWN: Node = Node::anything();

impl Node {
    pub(crate) const fn anything() -> Self {
        Self {
            shape: Shape::Any,
            nullable: true,
            preserve_unknown: true,
            properties: BTreeMap::new(),
            additional: None,
            items: None,
            list: ListType::Atomic,
            atomic: false,
            patch: PatchStrategy { merge: false, key: None, retain_keys: false },
            limits: Limits {
                required: Vec::new(),
                pattern: None,
                format: None,
                allowed: None,
                length: Range { min: None, max: None },
                items: Range { min: None, max: None },
                properties: Range { min: None, max: None },
                number: Range { min: None, max: None },
                exclusive_min: false,
                exclusive_max: false,
                multiple_of: None,
                any_of: Vec::new(),
                one_of: Vec::new(),
                all_of: Vec::new(),
                not: None,
            },
            default: None,
            rules: Vec::new(),
        }
    }

    /// The node of a field: its own, else that of additional properties. None: the field is unknown.
    pub(crate) fn known_field(&self, name: &str) -> Option<&Node> {
        self.properties.get(name).or(self.additional.as_ref()).map(Arc::as_ref)
    }

    /// The node of a field, [`UNKNOWN`] where the schema has none.
    pub(crate) fn field(&self, name: &str) -> &Node {
        self.known_field(name).unwrap_or(&UNKNOWN)
    }

    /// Whether the schema names this field; keys of a map are not named.
    pub(crate) fn names(&self, field: &str) -> bool {
        self.properties.contains_key(field)
    }

    /// The node of a list's items.
    pub(crate) fn item(&self) -> &Node {
        self.items.as_deref().unwrap_or(&UNKNOWN)
    }

    /// Whether fields that the schema does not name stay.
    pub(crate) fn keeps_unknown(&self) -> bool {
        self.preserve_unknown || self.shape == Shape::Any
    }
}
