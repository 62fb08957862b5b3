//! JSON patch (RFC 6902).

use super::PatchError;
use crate::embedded::api::schema::depth::{DEEPEST, measure};
use json_patch::PatchOperation;
use serde_json::Value;

/// The most operations that one patch may hold, as in a real API server.
const MOST_OPERATIONS: usize = 10_000;
/// The most bytes that all `copy` operations of one patch may copy: a few of them would else fill the memory.
const MOST_COPIED_BYTES: usize = 3 * 1024 * 1024;

/// `target` after the operations of `patch`; none of them is done when one fails.
pub fn json_patch(target: &Value, patch: &Value) -> Result<Value, PatchError> {
    let operations: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|error| PatchError::Malformed(error.to_string()))?;
    if operations.0.len() > MOST_OPERATIONS {
        let count = operations.0.len();
        let said = format!("The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {count}");
        return Err(PatchError::DoesNotApply(said));
    }
    let mut patched = target.clone();
    let mut copied = 0_usize;
    for (index, operation) in operations.0.iter().enumerate() {
        let (depth, bytes) = result(&patched, operation);
        copied = copied.saturating_add(bytes);
        if depth > DEEPEST {
            let said = format!("operation '/{index}' would nest deeper than {DEEPEST} levels");
            return Err(PatchError::DoesNotApply(said));
        }
        if copied > MOST_COPIED_BYTES {
            let said = format!("operation '/{index}': the patch copies more than {MOST_COPIED_BYTES} bytes");
            return Err(PatchError::DoesNotApply(said));
        }
        json_patch::patch(&mut patched, std::slice::from_ref(operation)).map_err(|error| {
            let said = error.to_string();
            // Each operation is a patch of its own here, so that its error calls it the first.
            PatchError::DoesNotApply(said.replacen("'/0'", &format!("'/{index}'"), 1))
        })?;
    }
    Ok(patched)
}

/// How deep the place is that an operation writes, with what it writes, and how many bytes it copies.
fn result(target: &Value, operation: &PatchOperation) -> (usize, usize) {
    let from = |pointer: &str| target.pointer(pointer).map(measure).unwrap_or_default();
    let (depth, bytes) = match operation {
        PatchOperation::Add(add) => (measure(&add.value).0, 0),
        PatchOperation::Replace(replace) => (measure(&replace.value).0, 0),
        PatchOperation::Move(op) => (from(op.from.as_str()).0, 0),
        PatchOperation::Copy(op) => from(op.from.as_str()),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => return (0, 0),
    };
    (operation.path().count() + depth, bytes)
}
