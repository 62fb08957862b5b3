//! Reading plain data field by field, so that no mistake hides the next one.

use super::{ConfigError, ConfigErrors};
use crate::model::{did_you_mean, shown};
use serde_json::{Map, Value};
use std::fmt::Display;

/// Where the mistakes of a file are gathered.
#[derive(Debug, Default)]
pub(super) struct Mistakes(Vec<ConfigError>);

impl Mistakes {
    /// How many there are so far.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn add(&mut self, path: &str, message: impl Display) {
        self.0.push(ConfigError { path: path.to_owned(), message: message.to_string() });
    }

    /// The value, if there was no mistake.
    pub(super) fn finish<T>(self, file: &str, value: T) -> Result<T, ConfigErrors> {
        if self.0.is_empty() { Ok(value) } else { Err(ConfigErrors { file: file.to_owned(), errors: self.0 }) }
    }

    /// Notes an error with its place; gives the value of the rest.
    pub(super) fn check<T, E: Display>(&mut self, path: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(path, error)).ok()
    }
}

/// The fields of an object, of which each is taken once; a name that nobody knows is a mistake.
pub(super) struct Fields<'v> {
    path: String,
    fields: Option<&'v Map<String, Value>>,
}

impl<'v> Fields<'v> {
    /// The fields of `value`, whose names must be among `known`.
    pub(super) fn of(value: &'v Value, path: &str, known: &[&str], mistakes: &mut Mistakes) -> Self {
        let fields = value.as_object();
        if fields.is_none() {
            mistakes.add(path, format!("it is {}; it should be an object with {}", kind(value), known.join(", ")));
        }
        for name in fields.into_iter().flat_map(Map::keys).filter(|name| !known.contains(&name.as_str())) {
            let hint = did_you_mean(name, known.iter().copied());
            mistakes.add(&join(path, name), format!("the field {} is not known{hint}", shown(name)));
        }
        Self { path: path.to_owned(), fields }
    }

    /// The path of a field.
    pub(super) fn path(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// A field, if it is there.
    pub(super) fn value(&self, name: &str) -> Option<&'v Value> {
        self.fields?.get(name).filter(|value| !value.is_null())
    }

    /// A text, if it is there.
    pub(super) fn text(&self, name: &str, mistakes: &mut Mistakes) -> Option<&'v str> {
        let value = self.value(name)?;
        let text = value.as_str();
        if text.is_none() {
            mistakes.add(&self.path(name), format!("it is {}; it should be a text", kind(value)));
        }
        text
    }

    /// A list, if it is there: each item with its path.
    pub(super) fn list(&self, name: &str, mistakes: &mut Mistakes) -> Vec<(String, &'v Value)> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            mistakes.add(&self.path(name), format!("it is {}; it should be a list", kind(value)));
            return Vec::new();
        };
        let path = self.path(name);
        items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect()
    }

    /// A list that must be there and not be empty.
    pub(super) fn some_list(&self, name: &str, mistakes: &mut Mistakes) -> Vec<(String, &'v Value)> {
        let list = self.list(name, mistakes);
        let told = self.value(name).is_some_and(|value| !value.is_array());
        if list.is_empty() && !told && self.fields.is_some() {
            mistakes.add(&self.path(name), "at least one is needed");
        }
        list
    }
}

pub(super) fn join(path: &str, name: &str) -> String {
    // A name from a file may be of any length and hold anything.
    let plain = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_graphic());
    let name = if plain { name.to_owned() } else { shown(name) };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// What a value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
