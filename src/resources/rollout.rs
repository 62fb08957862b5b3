//! How a changed class rolls through its environments.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a changed class rolls through its environments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClassRollout {
    /// How many environments are changed at the same time. Without it: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_in_flight: Option<i32>,
    /// With how many failures it stops. Without it: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_failures: Option<i32>,
}

/// The bounds of a roll-out, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollout {
    /// How many environments are changed at the same time.
    pub max_in_flight: usize,
    /// With how many failures it stops.
    pub max_failures: usize,
}

impl Default for Rollout {
    fn default() -> Self {
        Self { max_in_flight: 5, max_failures: 1 }
    }
}

impl Rollout {
    /// Checks `wire`; what is wrong is added to `errors` with its path below `path`.
    pub fn check(wire: Option<&ClassRollout>, path: &str, errors: &mut Vec<(String, String)>) -> Self {
        let Some(wire) = wire else { return Self::default() };
        let mut read = |name: &str, given: Option<i32>, otherwise: usize| match given {
            None => otherwise,
            Some(count) => usize::try_from(count).ok().filter(|count| *count > 0).unwrap_or_else(|| {
                errors.push((format!("{path}.{name}"), format!("{count} is out of range; 1 to 1000 are in it")));
                otherwise
            }),
        };
        let otherwise = Self::default();
        Self {
            max_in_flight: read("maxInFlight", wire.max_in_flight, otherwise.max_in_flight),
            max_failures: read("maxFailures", wire.max_failures, otherwise.max_failures),
        }
    }
}

/// How far a changed class is with its environments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// The generation of the class that is rolled out.
    pub generation: i64,
    /// The environments of the class.
    pub total: i32,
    /// Those that run by this generation, or had nothing to change.
    pub done: i32,
    /// Those that are being changed now.
    pub in_flight: i32,
    /// Those that wait for their turn.
    pub pending: i32,
    /// Those that did not come up with it.
    pub failed: i32,
    /// Their names, twenty at most.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub failures: Vec<String>,
    /// Whether it was stopped by failures: no further environment is changed until the class is changed again.
    pub stopped: bool,
}

/// What is told of an expired environment while its host still says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expired {
    /// Whose it was.
    pub user: String,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
    /// When it expired.
    pub expired_at: Time,
    /// Why, in a sentence.
    pub message: String,
    /// Until when it is told.
    pub forget_at: Time,
}
