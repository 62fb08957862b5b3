//! `Environment`: one person's environment of one class.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a person asked for: whose environment, of which class, with which parameters.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "doorstep.dev",
    version = "v1alpha1",
    kind = "Environment",
    plural = "environments",
    shortname = "env",
    category = "doorstep",
    namespaced,
    status = "EnvironmentStatus",
    derive = "PartialEq",
    doc = "One person's environment of one class. Its name is <user>-<class>.",
    validation = Rule::new("self.metadata.name == self.spec.user + '-' + self.spec.class")
        .message("the name of an Environment is <spec.user>-<spec.class>"),
    printcolumn(name = "User", type_ = "string", json_path = ".spec.user"),
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.class"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Life", type_ = "string", json_path = ".status.life.phase"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.life.expiresAt", priority = 1),
    printcolumn(name = "Revision", type_ = "integer", json_path = ".status.revision", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentSpec {
    /// Whose environment it is: 1 to 32 of [a-z0-9]. It never changes.
    #[schemars(regex(pattern = r"^[a-z0-9]{1,32}$"), length(min = 1, max = 32), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "spec.user never changes; delete the Environment and create another one"}]))]
    pub user: String,
    /// Of which class it is: the name of an EnvironmentClass. It never changes.
    #[schemars(regex(pattern = r"^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$"), length(min = 1, max = 30), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "spec.class never changes; delete the Environment and create another one"}]))]
    pub class: String,
    /// Values for the parameters that the class declares.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "maxLength": 1024}))]
    pub parameters: BTreeMap<String, String>,
    /// Whether it is to sleep: nothing of it runs, everything is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sleeping: bool,
    /// Whether it is kept from expiring, where its class allows that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Until when it is kept at least, within the bounds of its class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When its pods were asked to be made anew; another time makes them anew again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted_at: Option<Time>,
    /// When it was woken last: what its class says of idle time and hours of work counts from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub woken_at: Option<Time>,
}

/// What the operator saw.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Progressing and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The host name that belongs to this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Where to open it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The number of the ControllerRevision that holds the current parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Pods that are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Pods of any revision that answer their readiness probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// How long it lives, and whether it sleeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<EnvironmentLife>,
    /// Which generation of its class it runs by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<EnvironmentRollout>,
}

/// How an environment lives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentLife {
    /// In which part of its life it is.
    pub phase: LifePhase,
    /// When it expires, if nothing comes in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// When it was used last, as far as that has been noted: to a tenth of the idle times of its class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
    /// When the last warning before it expires was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warned_at: Option<Time>,
    /// How long before its end that warning was due, like 1d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warned_before: Option<String>,
    /// Since when it sleeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asleep_since: Option<Time>,
    /// Whether a request wakes it, where it sleeps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wakes_on_request: bool,
    /// What is to be said of it, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// The parts of an environment's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LifePhase {
    /// It runs, or is to run.
    #[default]
    Active,
    /// It sleeps: nothing of it runs, everything is kept.
    Asleep,
    /// It was warned: it expires soon.
    Expiring,
    /// Its lifetime has ended; it is being deleted.
    Expired,
}

impl LifePhase {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Asleep => "Asleep",
            Self::Expiring => "Expiring",
            Self::Expired => "Expired",
        }
    }
}

/// Which generation of its class an environment runs by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentRollout {
    /// The class's uid.
    pub class_uid: String,
    /// The class's generation.
    pub class_generation: i64,
    /// Whether it has come up with it: true or false, or nothing while that is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<bool>,
}
