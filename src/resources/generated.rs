//! The definitions of our kinds as files.

use super::definitions;

/// A definition could not be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("the definition {file} cannot be written as YAML: {said}")]
pub struct MarshalError {
    /// The file that it was for.
    pub file: String,
    /// What the writer said.
    pub said: String,
}

/// The files of `deploy/crds`: name and content.
pub fn crd_yaml() -> Result<Vec<(String, String)>, MarshalError> {
    definitions()
        .into_iter()
        .map(|definition| {
            let file = format!("{}.yaml", definition.metadata.name.clone().unwrap_or_default());
            let fail = |said: String| MarshalError { file: file.clone(), said };
            // By way of a JSON value: its maps are sorted, so the file does not depend on the order of fields in types.
            let value = serde_json::to_value(&definition).map_err(|error| fail(error.to_string()))?;
            let text = serde_saphyr::to_string(&value).map_err(|error| fail(error.to_string()))?;
            let head =
                "# Generated from src/resources; DOORSTEP_UPDATE=1 cargo test --test generated writes it anew.\n";
            Ok((file, format!("{head}{text}")))
        })
        .collect()
}
