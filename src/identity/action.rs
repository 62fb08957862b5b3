//! The kinds of calls, and what each of them needs.

use super::{Role, Scope};

/// A kind of call. Calls that need the same are one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Which environments there are: those within reach.
    ListEnvironments,
    /// What an environment is, and how it is.
    SeeEnvironment,
    /// What the pods of an environment print.
    ReadLogs,
    /// Making an environment, and giving it other parameters or older ones.
    DeployEnvironment,
    /// Restarting, sleeping and waking, extending and pinning: the parameters stay.
    OperateEnvironment,
    /// Deleting an environment.
    DeleteEnvironment,
    /// Changing many environments at once: those within reach.
    ChangeManyEnvironments,
    /// Deleting many environments at once: those within reach.
    DeleteManyEnvironments,
    /// What classes there are.
    SeeClasses,
    /// Making, changing and deleting classes.
    ChangeClasses,
    /// What changes of classes and routes would do.
    Preview,
    /// How a request would be routed, and the table of routes.
    SeeRoutes,
    /// What environments within reach cost, and what of the quotas is used.
    SeeUse,
    /// The stream of events: of environments within reach.
    FollowEvents,
    /// What was done by whom.
    ReadAudit,
    /// Subscriptions of webhooks and what became of their deliveries.
    ManageWebhooks,
    /// The plan of DNS records.
    SeeDns,
    /// Having DNS records written or verified now.
    ChangeDns,
    /// One's own tokens: which there are.
    ListTokens,
    /// One's own tokens: making and revoking them.
    ManageTokens,
    /// Who one is.
    WhoAmI,
    /// What is installed.
    SeeInstallation,
}

/// What a kind of call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concerns {
    /// One environment, whose owner the path names.
    OneEnvironment,
    /// Environments that are chosen by the call: it shows and changes only those within reach.
    WithinReach,
    /// No environment.
    NoEnvironment,
}

/// What a kind of call needs.
struct Needs {
    role: Role,
    scope: Scope,
    concerns: Concerns,
    phrase: &'static str,
}

impl Action {
    /// All kinds.
    pub const ALL: [Self; 22] = [
        Self::ListEnvironments,
        Self::SeeEnvironment,
        Self::ReadLogs,
        Self::DeployEnvironment,
        Self::OperateEnvironment,
        Self::DeleteEnvironment,
        Self::ChangeManyEnvironments,
        Self::DeleteManyEnvironments,
        Self::SeeClasses,
        Self::ChangeClasses,
        Self::Preview,
        Self::SeeRoutes,
        Self::SeeUse,
        Self::FollowEvents,
        Self::ReadAudit,
        Self::ManageWebhooks,
        Self::SeeDns,
        Self::ChangeDns,
        Self::ListTokens,
        Self::ManageTokens,
        Self::WhoAmI,
        Self::SeeInstallation,
    ];

    /// The whole policy, a line for each kind.
    fn needs(self) -> Needs {
        use Concerns::{NoEnvironment, OneEnvironment, WithinReach};
        use Role::{Admin, User, Viewer};
        use Scope::{Administer, Delete, Deploy, Read, Tokens};
        let (role, scope, concerns, phrase) = match self {
            Self::ListEnvironments => (Viewer, Read, WithinReach, "list environments"),
            Self::SeeEnvironment => (Viewer, Read, OneEnvironment, "see an environment"),
            Self::ReadLogs => (Viewer, Read, OneEnvironment, "read the logs of an environment"),
            Self::DeployEnvironment => (User, Deploy, OneEnvironment, "deploy an environment"),
            Self::OperateEnvironment => (User, Deploy, OneEnvironment, "change how an environment runs"),
            Self::DeleteEnvironment => (User, Delete, OneEnvironment, "delete an environment"),
            Self::ChangeManyEnvironments => (User, Deploy, WithinReach, "change many environments"),
            Self::DeleteManyEnvironments => (User, Delete, WithinReach, "delete many environments"),
            Self::SeeClasses => (Viewer, Read, NoEnvironment, "see the classes"),
            Self::ChangeClasses => (Admin, Administer, NoEnvironment, "change classes"),
            Self::Preview => (Viewer, Read, NoEnvironment, "preview changes"),
            Self::SeeRoutes => (Viewer, Read, NoEnvironment, "see the routes"),
            Self::SeeUse => (Viewer, Read, WithinReach, "see costs and quotas"),
            Self::FollowEvents => (Viewer, Read, WithinReach, "follow the events"),
            Self::ReadAudit => (Admin, Administer, NoEnvironment, "read the audit"),
            Self::ManageWebhooks => (Admin, Administer, NoEnvironment, "manage webhooks"),
            Self::SeeDns => (Viewer, Read, NoEnvironment, "see the plan of DNS records"),
            Self::ChangeDns => (Admin, Administer, NoEnvironment, "have DNS records changed"),
            Self::ListTokens => (Viewer, Read, NoEnvironment, "list tokens"),
            Self::ManageTokens => (Viewer, Tokens, NoEnvironment, "make and revoke tokens"),
            Self::WhoAmI => (Viewer, Read, NoEnvironment, "ask who one is"),
            Self::SeeInstallation => (Viewer, Read, NoEnvironment, "see what is installed"),
        };
        Needs { role, scope, concerns, phrase }
    }

    /// The least role that may do it.
    pub fn role(self) -> Role {
        self.needs().role
    }

    /// The scope that a credential needs for it.
    pub fn scope(self) -> Scope {
        self.needs().scope
    }

    /// What it is about.
    pub fn concerns(self) -> Concerns {
        self.needs().concerns
    }

    /// It in words, for sentences: "delete an environment".
    pub fn phrase(self) -> &'static str {
        self.needs().phrase
    }
}
