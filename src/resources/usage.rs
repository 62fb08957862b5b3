//! `EnvironmentUse`: what one gateway saw of the use of the environments of a namespace.
//!
//! It is a kind of its own so that a gateway's rights end at it: nothing else of the cluster is for a gateway to write.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What one gateway saw. It writes the whole of it, once a minute at most.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "doorstep.dev",
    version = "v1alpha1",
    kind = "EnvironmentUse",
    plural = "environmentuses",
    shortname = "envuse",
    namespaced,
    derive = "PartialEq",
    doc = "What one gateway saw of the use of environments. Gateways write it, managers read it.",
    printcolumn(name = "Gateway", type_ = "string", json_path = ".spec.gateway"),
    printcolumn(name = "Seen", type_ = "date", json_path = ".spec.seenAt")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentUseSpec {
    /// Which gateway: its machine or pod.
    #[schemars(length(max = 253))]
    pub gateway: String,
    /// When it was written.
    pub seen_at: Time,
    /// Its environments by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 4096))]
    pub environments: BTreeMap<String, Use>,
}

/// The use of one environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Use {
    /// When a pod of it answered a request last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
    /// When a request was refused last as it slept: somebody wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted_at: Option<Time>,
    /// Requests in the minute before it was written.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub requests_per_minute: i64,
    /// Those of them that were answered with a 5xx, by a pod or in its place.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub errors_per_minute: i64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &i64) -> bool {
    *count == 0
}
