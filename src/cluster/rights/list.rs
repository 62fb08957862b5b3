//! The list: the least that works, and what does not work without it.

use Need::{Blocks, Degrades, Optional};
use Place::{Cluster, Environments, Gateways, Lease, Tokens, Watched};
use Role::{Gateway, Manager};
use Verb::{Create, Delete, Get, List, Patch, Update, Watch};

/// Who needs a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// `doorstep gateway`.
    Gateway,
    /// `doorstep manager`.
    Manager,
}

impl Role {
    /// The role's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Manager => "manager",
        }
    }
}

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// One object is read.
    Get,
    /// All objects are read.
    List,
    /// Changes are followed.
    Watch,
    /// An object is made, by a server-side apply too.
    Create,
    /// An object is replaced.
    Update,
    /// An object is patched or applied.
    Patch,
    /// An object is deleted.
    Delete,
}

impl Verb {
    /// The verb as RBAC spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// Where a right is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// Wherever routes come from: in all namespaces, or in the one that is looked at.
    Watched,
    /// In the namespace of the environments.
    Environments,
    /// In the namespace of the Lease.
    Lease,
    /// In the namespaces of the gateways' Services, where these are not looked at anyway.
    Gateways,
    /// Of objects that have no namespace.
    Cluster,
    /// Of the whole cluster, where its tokens are taken.
    Tokens,
}

/// How much it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    /// Without it the role cannot do what it is for.
    Blocks,
    /// Without it a part does not work.
    Degrades,
    /// It may be left out on purpose, as what it is about may not be there.
    Optional,
}

/// Something that a role does in the cluster.
#[derive(Debug, PartialEq, Eq)]
pub struct Right {
    /// Who.
    pub role: Role,
    /// Where.
    pub place: Place,
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The plural, with a subresource after a slash.
    pub resource: &'static str,
    /// What.
    pub verbs: &'static [Verb],
    /// How much it is needed.
    pub need: Need,
    /// What does not work without it: the end of a sentence.
    pub without: &'static str,
}

const fn right(
    (role, place, need): (Role, Place, Need),
    group: &'static str,
    resource: &'static str,
    verbs: &'static [Verb],
    without: &'static str,
) -> Right {
    Right { role, place, group, resource, verbs, need, without }
}

/// Every right. Watches list first. A server-side apply of what is not there yet creates it, so `patch` goes with `create`.
pub const RIGHTS: &[Right] = &[
    right((Gateway, Watched, Blocks), "", "services", &[List, Watch], "routes of Services cannot be read"),
    right(
        (Gateway, Watched, Blocks),
        "discovery.k8s.io",
        "endpointslices",
        &[List, Watch],
        "it is not known which pods answer",
    ),
    right(
        (Gateway, Watched, Blocks),
        "doorstep.dev",
        "environments",
        &[List, Watch],
        "it is not known why an environment does not answer",
    ),
    right(
        (Gateway, Cluster, Blocks),
        "doorstep.dev",
        "environmentclasses",
        &[List, Watch],
        "personal hosts are not known",
    ),
    right(
        (Gateway, Watched, Blocks),
        "networking.k8s.io",
        "ingresses",
        &[List, Watch],
        "routes of Ingresses cannot be read",
    ),
    right(
        (Gateway, Cluster, Degrades),
        "networking.k8s.io",
        "ingressclasses",
        &[List, Watch],
        "only Ingresses of the class doorstep are served",
    ),
    right((Gateway, Watched, Degrades), "", "secrets", &[List, Watch], "no certificate of a Secret is served"),
    right(
        (Gateway, Watched, Degrades),
        "doorstep.dev",
        "environmentuses",
        &[Create, Patch],
        "it is not noted when environments are used, so that none sleeps or expires for want of use, nor wakes by a request",
    ),
    right((Manager, Watched, Blocks), "", "services", &[List, Watch], "it is not known whether a host is routed"),
    right(
        (Manager, Watched, Blocks),
        "discovery.k8s.io",
        "endpointslices",
        &[List, Watch],
        "it is not known which pods answer",
    ),
    right((Manager, Watched, Blocks), "doorstep.dev", "environments", &[List, Watch], "no environment is seen"),
    right((Manager, Cluster, Blocks), "doorstep.dev", "environmentclasses", &[List, Watch], "no class is known"),
    right((Manager, Watched, Degrades), "", "services", &[Get], "a refused host is not told on its Service"),
    right((Manager, Watched, Degrades), "", "services/status", &[Patch], "a refused host is not told on its Service"),
    right(
        (Manager, Watched, Blocks),
        "networking.k8s.io",
        "ingresses",
        &[List, Watch],
        "it is not known whether a host is routed",
    ),
    right(
        (Manager, Cluster, Degrades),
        "networking.k8s.io",
        "ingressclasses",
        &[List, Watch],
        "only Ingresses of the class doorstep are known",
    ),
    right((Manager, Watched, Degrades), "", "secrets", &[List, Watch], "it is not known which certificates are served"),
    right(
        (Manager, Watched, Degrades),
        "networking.k8s.io",
        "ingresses",
        &[Get],
        "what is wrong with an Ingress is not told on it",
    ),
    right(
        (Manager, Watched, Degrades),
        "networking.k8s.io",
        "ingresses/status",
        &[Patch],
        "Ingresses do not tell the gateway's address",
    ),
    right(
        (Manager, Watched, Degrades),
        "",
        "secrets",
        &[Get],
        "what is wrong with a certificate is not told on its Secret",
    ),
    right(
        (Manager, Watched, Degrades),
        "discovery.k8s.io",
        "endpointslices",
        &[Get],
        "a refused address is not told on its EndpointSlice",
    ),
    right((Manager, Watched, Degrades), "events.k8s.io", "events", &[Create, Patch], "no events are written"),
    right((Manager, Environments, Blocks), "", "services", &[Create, Patch], "environments get no Service"),
    right((Manager, Environments, Blocks), "", "pods", &[List, Watch], "it is not known how an environment's pods are"),
    right(
        (Manager, Environments, Blocks),
        "apps",
        "deployments",
        &[List, Watch, Create, Patch],
        "environments get no Deployment",
    ),
    right(
        (Manager, Environments, Blocks),
        "apps",
        "controllerrevisions",
        &[List, Watch, Create, Patch],
        "environments get no revisions",
    ),
    right(
        (Manager, Environments, Degrades),
        "apps",
        "controllerrevisions",
        &[Delete],
        "revisions older than the newest ten stay",
    ),
    right(
        (Manager, Environments, Blocks),
        "doorstep.dev",
        "environments/status",
        &[Patch],
        "nothing can be told of an environment",
    ),
    right(
        (Manager, Environments, Blocks),
        "doorstep.dev",
        "environments",
        &[Get, Create, Update],
        "environments cannot be deployed by the API",
    ),
    right(
        (Manager, Environments, Degrades),
        "doorstep.dev",
        "environments",
        &[Delete],
        "environments cannot be deleted by the API, and do not expire",
    ),
    right(
        (Manager, Environments, Degrades),
        "doorstep.dev",
        "environments",
        &[Patch],
        "a request does not wake a sleeping environment",
    ),
    right(
        (Manager, Environments, Degrades),
        "doorstep.dev",
        "environmentuses",
        &[List, Watch],
        "it is not known when environments are used",
    ),
    right(
        (Manager, Environments, Degrades),
        "doorstep.dev",
        "environmentuses",
        &[Delete],
        "what gateways noted that are gone stays",
    ),
    right(
        (Manager, Environments, Degrades),
        "",
        "configmaps",
        &[Get, Create, Patch],
        "a DNS plan that deletes much cannot be confirmed",
    ),
    right((Manager, Environments, Degrades), "", "pods/log", &[Get], "logs cannot be shown"),
    right((Manager, Environments, Degrades), "events.k8s.io", "events", &[List], "events cannot be shown"),
    right(
        (Manager, Environments, Optional),
        "metrics.k8s.io",
        "pods",
        &[List],
        "CPU and memory of pods cannot be shown",
    ),
    right(
        (Manager, Cluster, Blocks),
        "doorstep.dev",
        "environmentclasses",
        &[Get],
        "environments cannot be deployed by the API",
    ),
    right(
        (Manager, Cluster, Degrades),
        "doorstep.dev",
        "environmentclasses",
        &[Create, Update, Delete],
        "classes cannot be changed by the API",
    ),
    right(
        (Manager, Cluster, Degrades),
        "doorstep.dev",
        "environmentclasses/status",
        &[Patch],
        "nothing can be told of a class",
    ),
    right(
        (Manager, Lease, Blocks),
        "coordination.k8s.io",
        "leases",
        &[Get, Create, Update],
        "no manager can be elected to bring environments up",
    ),
    right(
        (Manager, Gateways, Blocks),
        "discovery.k8s.io",
        "endpointslices",
        &[List, Watch],
        "it is not known which gateways there are, and nothing becomes ready",
    ),
    right((Manager, Gateways, Degrades), "", "services", &[Get], "Ingresses do not tell the gateway's address"),
    right(
        (Manager, Tokens, Degrades),
        "authentication.k8s.io",
        "tokenreviews",
        &[Create],
        "nobody is known by a token of the cluster",
    ),
];
