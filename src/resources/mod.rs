//! The custom resources of `doorstep.dev/v1alpha1`, and the spelling of our labels and annotations. Nothing else knows it.

mod class;
mod class_dns;
mod conditions;
mod environment;
mod generated;
pub mod labels;
mod life;
mod quota;
mod rollout;
mod usage;

pub use class::{
    BUILT_IN_PLACEHOLDERS, Class, ClassResources, ClassTemplate, EnvironmentClass, EnvironmentClassSpec,
    EnvironmentClassStatus, InvalidClass, LocalCommand, NameValue, ParameterSpec, Readiness,
};
pub use class_dns::ClassDns;
pub use conditions::{ConditionType, set_condition};
pub use environment::{
    Environment, EnvironmentLife, EnvironmentRollout, EnvironmentSpec, EnvironmentStatus, LifePhase,
};
pub use generated::{MarshalError, crd_yaml};
pub use life::{ClassLife, Hours, Life, WorkingHours};
pub use quota::{Allowance, ClassQuota, Quota, Taken};
pub use rollout::{ClassRollout, Expired, Rollout, RolloutStatus};
pub use usage::{EnvironmentUse, EnvironmentUseSpec, Use};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The API group of our kinds.
pub const GROUP: &str = "doorstep.dev";
/// The version of our kinds.
pub const VERSION: &str = "v1alpha1";

/// The definitions of our kinds, as `deploy/crds` holds them.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![EnvironmentClass::crd(), Environment::crd(), EnvironmentUse::crd()]
}
