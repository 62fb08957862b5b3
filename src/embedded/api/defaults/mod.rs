//! Defaults of built-in kinds that clients and controllers rely on.

use super::failure::Outcome;
use super::kinds::Kind;
use super::service::Api;
use serde_json::Value;

/// Fills what was not given.
pub(crate) fn fill(_: &Api, _: &Kind, _: &mut Value, _old: Option<&Value>) -> Outcome<()> {
    Ok(())
}
