//! Objects in the form that was asked for.

use super::events;
use super::kinds::Kind;
use super::request::Form;
use super::store::Object;
use super::table::Table;
use bytes::Bytes;
use serde_json::{Value, json};

/// One object, as the given kind of it and in the given form.
pub(crate) fn object(kind: &Kind, form: Form, object: &Object) -> Bytes {
    match form {
        Form::Object if events::is_new_group(kind) => Bytes::from(events::to_new_group(&object.value).to_string()),
        Form::Object => object.wire(),
        Form::Metadata => Bytes::from(metadata(&object.value).to_string()),
        Form::Table(include) => {
            let mut table = Table::new(kind, include);
            table.row(&object.value);
            Bytes::from(table.finish(resource_version(&object.value), None, None).to_string())
        }
    }
}

/// One object that is not kept, such as the result of a dry run.
pub(crate) fn value(kind: &Kind, form: Form, value: &Value) -> Bytes {
    match form {
        Form::Object if events::is_new_group(kind) => Bytes::from(events::to_new_group(value).to_string()),
        Form::Object => Bytes::from(value.to_string()),
        Form::Metadata => Bytes::from(metadata(value).to_string()),
        Form::Table(include) => {
            let mut table = Table::new(kind, include);
            table.row(value);
            Bytes::from(table.finish(resource_version(value), None, None).to_string())
        }
    }
}

fn resource_version(value: &Value) -> &str {
    super::json::text(value, "/metadata/resourceVersion")
}

/// An object's metadata alone (`PartialObjectMetadata`).
pub(crate) fn metadata(value: &Value) -> Value {
    json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": value.get("metadata").cloned().unwrap_or_default(),
    })
}
