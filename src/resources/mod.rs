//! The custom resources of `doorstep.dev/v1alpha1`, and the spelling of our labels and annotations. Nothing else knows it.

mod class;
mod conditions;
mod environment;
mod generated;
pub mod labels;

pub use class::{
    BUILT_IN_PLACEHOLDERS, Class, ClassDns, ClassResources, ClassTemplate, EnvironmentClass, EnvironmentClassSpec,
    EnvironmentClassStatus, InvalidClass, LocalCommand, NameValue, ParameterSpec, Readiness,
};
pub use conditions::{ConditionType, set_condition};
pub use environment::{Environment, EnvironmentSpec, EnvironmentStatus};
pub use generated::{MarshalError, crd_yaml};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The API group of our kinds.
pub const GROUP: &str = "doorstep.dev";
/// The version of our kinds.
pub const VERSION: &str = "v1alpha1";

/// The definitions of our kinds, as `deploy/crds` holds them.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![EnvironmentClass::crd(), Environment::crd()]
}
