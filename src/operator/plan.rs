//! May this environment exist as it is written? Its class and its values, checked.

use super::classes::ClassBook;
use crate::model::{ClassName, EnvironmentKey, Hostname, Parameters, UserId, reasons, shown};
use crate::resources::{Class, Environment};
use std::sync::Arc;

/// An environment whose every part was checked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whose it is, and of which class.
    pub key: EnvironmentKey,
    /// Its class.
    pub class: Arc<Class>,
    /// The values, with the defaults of the class.
    pub parameters: Parameters,
    /// Its host.
    pub host: Hostname,
}

/// Why an environment cannot be brought up until somebody changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A word for programs.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

/// Checks `environment` against its class.
pub fn plan(environment: &Environment, classes: &ClassBook, domain: &Hostname) -> Result<Plan, Refusal> {
    let key = key(environment)?;
    let class = classes.class(&environment.spec.class)?;
    let parameters = Parameters::check(key.class.as_str(), &class.parameters, &environment.spec.parameters);
    let parameters = parameters.map_err(|errors| {
        let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Refusal { reason: reasons::INVALID_PARAMETERS, message: said.join("; ") }
    })?;
    let host = class.host.host(&key.user, domain);
    let host = host.map_err(|error| Refusal { reason: reasons::INVALID_CLASS, message: error.to_string() })?;
    Ok(Plan { key, class, parameters, host })
}

/// A real API server checks all this by the schema; an object written before the schema was there is not.
fn key(environment: &Environment) -> Result<EnvironmentKey, Refusal> {
    let refuse = |message: String| Refusal { reason: reasons::INVALID_NAME, message };
    let spec = &environment.spec;
    let user = spec.user.parse::<UserId>().map_err(|error| refuse(error.to_string()))?;
    let class = spec.class.parse::<ClassName>().map_err(|error| refuse(error.to_string()))?;
    let key = EnvironmentKey::new(user, class);
    let name = environment.metadata.name.as_deref().unwrap_or_default();
    if key.object_name() != name || key.user.as_str() != spec.user {
        return Err(refuse(format!("the Environment {} has to be named {}", shown(name), key.object_name())));
    }
    Ok(key)
}
