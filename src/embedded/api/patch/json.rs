//! JSON patch (RFC 6902).

use super::PatchError;
use serde_json::Value;

/// The most operations that one patch may hold, as in a real API server.
const MOST_OPERATIONS: usize = 10_000;

/// `target` after the operations of `patch`; none of them is done when one fails.
pub fn json_patch(target: &Value, patch: &Value) -> Result<Value, PatchError> {
    let operations: json_patch::Patch =
        serde_json::from_value(patch.clone()).map_err(|error| PatchError::Malformed(error.to_string()))?;
    if operations.0.len() > MOST_OPERATIONS {
        let said =
            format!("The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}", operations.0.len());
        return Err(PatchError::DoesNotApply(said));
    }
    let mut patched = target.clone();
    json_patch::patch(&mut patched, &operations).map_err(|error| PatchError::DoesNotApply(error.to_string()))?;
    Ok(patched)
}
