//! Placeholders with the signatures of the rooms beside this one.
#![allow(missing_docs, clippy::needless_pass_by_value)]

pub mod schema {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    use serde_json::Value;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum FieldErrorReason {
        Invalid,
        Required,
        Unknown,
        Duplicate,
        Forbidden,
        TooLong,
        NotSupported,
        TypeInvalid,
    }
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FieldError {
        pub path: String,
        pub reason: FieldErrorReason,
        pub message: String,
    }
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    pub struct SchemaError(pub String);
    pub struct KindSchema;
    impl KindSchema {
        pub fn custom(_: &CustomResourceDefinition) -> Result<Self, SchemaError> {
            Ok(Self)
        }
        pub fn builtin(_: &str, _: &str, _: &str) -> Option<Self> {
            Some(Self)
        }
        pub fn unknown_fields(&self, _: &Value) -> Vec<String> {
            Vec::new()
        }
        pub fn prune(&self, _: &mut Value) {}
        pub fn default(&self, _: &mut Value) {}
        pub fn validate(&self, _: &Value, _: Option<&Value>) -> Vec<FieldError> {
            Vec::new()
        }
    }
}

pub mod patch {
    use super::schema::KindSchema;
    use serde_json::Value;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    pub struct PatchError(pub String);
    pub fn merge_patch(target: &Value, patch: &Value) -> Value {
        let mut out = target.clone();
        json_patch::merge(&mut out, patch);
        out
    }
    pub fn json_patch(target: &Value, patch: &Value) -> Result<Value, PatchError> {
        let operations: json_patch::Patch =
            serde_json::from_value(patch.clone()).map_err(|e| PatchError(e.to_string()))?;
        let mut out = target.clone();
        json_patch::patch(&mut out, &operations).map_err(|e| PatchError(e.to_string()))?;
        Ok(out)
    }
    pub fn strategic_merge_patch(_: &KindSchema, target: &Value, patch: &Value) -> Result<Value, PatchError> {
        Ok(merge_patch(target, patch))
    }
}

pub mod apply {
    use super::schema::KindSchema;
    use serde_json::Value;

    #[derive(Debug)]
    pub struct Conflict {
        pub field: String,
        pub manager: String,
    }
    #[derive(Debug)]
    pub enum ApplyError {
        Conflicts(Vec<Conflict>),
        Invalid(String),
    }
    pub fn apply(
        _: &KindSchema,
        live: Option<&Value>,
        applied: &Value,
        _manager: &str,
        _force: bool,
        _subresource: &str,
        _now: &str,
    ) -> Result<Value, ApplyError> {
        Ok(live.map_or_else(|| applied.clone(), |live| super::patch::merge_patch(live, applied)))
    }
    pub fn track(_: &KindSchema, _: Option<&Value>, _: &mut Value, _: &str, _: &str, _: &str) {}
}

pub mod openapi {
    use serde_json::Value;

    pub fn v3_document(_: &str) -> Option<Value> {
        None
    }
    pub fn v2_document() -> Value {
        serde_json::json!({"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1.36.0"}, "paths": {}, "definitions": {}})
    }
}
