//! Objects as rows and columns (`meta.k8s.io/v1` Table), as `kubectl get` prints them.

mod builtin;
mod custom;
mod duration;
mod pods;

use super::json;
use super::kinds::Kind;
use super::present;
use super::request::Include;
use serde_json::{Map, Value, json};

/// A column: its name, type, format and priority (0 is shown always, more with `-o wide`).
pub(crate) struct Column {
    name: String,
    kind: &'static str,
    format: &'static str,
    priority: i32,
    description: String,
}

impl Column {
    fn new(name: &str, priority: i32) -> Self {
        let (kind, format) = if name == "Name" { ("string", "name") } else { ("string", "") };
        Self { name: name.to_owned(), kind, format, priority, description: String::new() }
    }

    fn integer(name: &str, priority: i32) -> Self {
        Self { kind: "integer", ..Self::new(name, priority) }
    }

    fn to_value(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format, "description": self.description,
            "priority": self.priority,
        })
    }
}

/// A table that rows are put into.
pub(crate) struct Table<'a> {
    kind: &'a Kind,
    include: Include,
    rows: Vec<Value>,
    columns: bool,
}

impl<'a> Table<'a> {
    pub(crate) fn new(kind: &'a Kind, include: Include) -> Self {
        Self { kind, include, rows: Vec::new(), columns: true }
    }

    /// Leaves the columns out: the reader knows them already.
    pub(crate) fn without_columns(&mut self) {
        self.columns = false;
    }

    /// Adds an object.
    pub(crate) fn row(&mut self, object: &Value) {
        let cells = if self.kind.is_custom() {
            custom::cells(self.kind, object)
        } else {
            builtin::cells(&self.kind.info, object)
        };
        let mut row = json!({"cells": cells});
        match self.include {
            Include::None => {}
            Include::Metadata => json::set(&mut row, &["object"], present::metadata(object)),
            Include::Object => json::set(&mut row, &["object"], object.clone()),
        }
        self.rows.push(row);
    }

    /// The whole.
    pub(crate) fn finish(self, revision: &str, next: Option<&str>, left: Option<u64>) -> Value {
        let columns =
            if self.kind.is_custom() { custom::columns(self.kind) } else { builtin::columns(&self.kind.info) };
        let columns: Vec<Value> = columns.iter().filter(|_| self.columns).map(Column::to_value).collect();
        let mut metadata = Map::from_iter([("resourceVersion".to_owned(), Value::from(revision))]);
        if let Some(next) = next {
            metadata.insert("continue".to_owned(), Value::from(next));
        }
        if let Some(left) = left {
            metadata.insert("remainingItemCount".to_owned(), Value::from(left));
        }
        json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            "columnDefinitions": columns, "rows": self.rows,
        })
    }
}

/// How long ago the time at a pointer was, as people read it.
fn age(object: &Value, pointer: &str) -> Value {
    match json::text(object, pointer).parse::<jiff::Timestamp>() {
        Ok(then) => Value::from(duration::short(jiff::Timestamp::now().duration_since(then).as_secs())),
        Err(_) => Value::from("<unknown>"),
    }
}

/// The text at a pointer, or a mark that there is none.
fn text_or(object: &Value, pointer: &str, none: &str) -> Value {
    match json::text(object, pointer) {
        "" => Value::from(none),
        text => Value::from(text),
    }
}
