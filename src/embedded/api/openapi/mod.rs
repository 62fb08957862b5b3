//! The OpenAPI documents that `kubectl explain`, `apply` and `diff` read.

use serde_json::{Value, json};

/// The index at `/openapi/v3`.
pub fn v3_index() -> Value {
    json!({"paths": {}})
}

/// The document of a group version such as `api/v1` or `apis/doorstep.dev/v1alpha1`.
pub fn v3_document(_group_version: &str) -> Option<Value> {
    None
}

/// The one document at `/openapi/v2`.
pub fn v2_document() -> Value {
    json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.36.0"}, "paths": {}, "definitions": {}})
}
