//! The classes that ship with Doorstep.

use crate::resources::{EnvironmentClass, labels};
use kube::api::{Api, PostParams};

/// The shipped classes: file name and content, as they stand in `config/classes`.
pub const SHIPPED: [(&str, &str); 4] = [
    ("integration.yaml", include_str!("../../config/classes/integration.yaml")),
    ("staging.yaml", include_str!("../../config/classes/staging.yaml")),
    ("production.yaml", include_str!("../../config/classes/production.yaml")),
    ("production-2.yaml", include_str!("../../config/classes/production-2.yaml")),
];

/// Why the shipped classes could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A file is no class; the build's own tests guard against it.
    #[error("the shipped class {file} does not parse: {said}")]
    Parse {
        /// The file.
        file: &'static str,
        /// What the parser said.
        said: String,
    },
    /// The cluster did not take it.
    #[error("the shipped class {file} could not be created: {source}")]
    Create {
        /// The file.
        file: &'static str,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

/// Creates the shipped classes that are missing. A class that is there is never touched: it is the administrator's.
pub async fn install_shipped(client: kube::Client) -> Result<(), InstallError> {
    let api: Api<EnvironmentClass> = Api::all(client);
    let params = PostParams { field_manager: Some(labels::OPERATOR_FIELD_MANAGER.to_owned()), ..PostParams::default() };
    for (file, text) in SHIPPED {
        let class = parse(text).map_err(|said| InstallError::Parse { file, said })?;
        match api.create(&params, &class).await {
            Ok(_) => tracing::info!(file, "shipped class created"),
            Err(kube::Error::Api(answer)) if answer.code == 409 => {}
            Err(source) => return Err(InstallError::Create { file, source: Box::new(source) }),
        }
    }
    Ok(())
}

/// Reads a class from YAML.
pub(super) fn parse(text: &str) -> Result<EnvironmentClass, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Class;

    #[test]
    fn the_shipped_classes_are_valid_and_named_as_their_files() {
        for (file, text) in SHIPPED {
            let class = parse(text).unwrap_or_else(|said| panic!("{file}: {said}"));
            let class = Class::try_from(&class).unwrap_or_else(|said| panic!("{file}: {said}"));
            assert_eq!(format!("{}.yaml", class.name), file);
            let names: Vec<&str> = class.parameters.iter().map(|p| p.name.as_str()).collect();
            assert_eq!(names, ["TAG_FRONT", "TAG_ASSETS", "VERSION"]);
        }
    }
}
