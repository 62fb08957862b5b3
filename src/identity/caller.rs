//! Somebody who calls, known by what the request presented.

use super::{Action, Concerns, Denied, Role, Scopes, TeamName};
use crate::model::{EnvironmentKey, UserId};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// By what a caller is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Through {
    /// The token of the data folder.
    DataFolder,
    /// A token that Doorstep made, by its id.
    OwnToken(Arc<str>),
    /// A token of an OpenID Connect issuer, by the issuer's name in the identity file.
    Issuer(Arc<str>),
    /// A token of the cluster.
    Kubernetes,
    /// A client certificate.
    Certificate,
}

impl Through {
    /// The kind of it, for labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::DataFolder => "data-folder",
            Self::OwnToken(_) => "token",
            Self::Issuer(_) => "issuer",
            Self::Kubernetes => "kubernetes",
            Self::Certificate => "certificate",
        }
    }
}

impl fmt::Display for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer(name) => write!(f, "issuer/{name}"),
            Self::OwnToken(id) => write!(f, "token/{id}"),
            Self::DataFolder | Self::Kubernetes | Self::Certificate => f.write_str(self.kind()),
        }
    }
}

/// Over whose environments somebody has power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's.
    Everyone,
    /// Those of these people; of nobody when there are none.
    People(Arc<BTreeSet<UserId>>),
}

/// Nobody's: who forgets to say whose lets nobody in.
impl Default for Reach {
    fn default() -> Self {
        Self::People(Arc::default())
    }
}

impl Reach {
    /// The reach to some people.
    pub fn people(people: impl IntoIterator<Item = UserId>) -> Self {
        Self::People(Arc::new(people.into_iter().collect()))
    }

    /// Whether the environments of `user` are within it.
    pub fn has(&self, user: &UserId) -> bool {
        match self {
            Self::Everyone => true,
            Self::People(people) => people.contains(user),
        }
    }

    fn sentence(&self, user: Option<&UserId>) -> String {
        match (self, user) {
            (Self::People(people), _) if people.is_empty() => {
                "you act for no user, as no user id is known of you; an administrator can give you one".to_owned()
            }
            (Self::People(people), Some(user)) if people.len() == 1 => format!("you are {user}"),
            _ => "you may act for the people of your teams only".to_owned(),
        }
    }
}

/// Somebody who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is, the same for ever and unlike everybody else: `issuer/NAME/SUBJECT`, `certificate/SUBJECT`, `local`. A
    /// token that was made here has the subject of its maker.
    pub subject: String,
    /// Who it is, for people.
    pub name: String,
    /// Whose environments are meant by "mine".
    pub user: Option<UserId>,
    /// What the caller may do.
    pub role: Role,
    /// The teams that the caller belongs to.
    pub teams: Vec<TeamName>,
    /// What the credential is for.
    pub scopes: Scopes,
    /// By what the caller is known.
    pub through: Through,
    /// Over whose environments the caller has power.
    pub reach: Reach,
    /// Until when the credential holds, where it ends.
    pub expires_at: Option<Timestamp>,
}

impl Caller {
    /// Who has the token of the data folder: whoever can read it owns the installation.
    pub fn local() -> Self {
        Self {
            subject: "local".to_owned(),
            name: "the owner of the data folder".to_owned(),
            user: None,
            role: Role::Admin,
            teams: Vec::new(),
            scopes: Scopes::All,
            through: Through::DataFolder,
            reach: Reach::Everyone,
            expires_at: None,
        }
    }

    /// Whether the caller may do `action` to any environment at all.
    pub fn may_ever(&self, action: Action) -> Result<(), Denied> {
        let (needs, has) = (action.role(), self.role);
        if has < needs {
            return Err(Denied::Role { action, needs, has });
        }
        if !self.scopes.has(action.scope()) {
            return Err(Denied::Scope { action, needs: action.scope() });
        }
        Ok(())
    }

    /// Whether the caller may do `action`, to the environment `key` where it is about one.
    pub fn may(&self, action: Action, key: Option<&EnvironmentKey>) -> Result<(), Denied> {
        self.may_ever(action)?;
        match (action.concerns(), key) {
            (Concerns::OneEnvironment, None) => Err(Denied::NoEnvironmentNamed { action }),
            (_, Some(key)) if !self.reach.has(&key.user) => {
                Err(Denied::NotYours { key: key.clone(), reach: self.reach.sentence(self.user.as_ref()) })
            }
            (Concerns::OneEnvironment | Concerns::WithinReach | Concerns::NoEnvironment, _) => Ok(()),
        }
    }

    /// Whether the environments of `user` are shown to the caller, and changed with many others.
    pub fn reaches(&self, user: &UserId) -> bool {
        self.reach.has(user)
    }

    /// Whether the caller has power over everybody's environments.
    pub fn reaches_everyone(&self) -> bool {
        self.reach == Reach::Everyone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Scope;

    fn caller(role: Role, reach: Reach) -> Caller {
        Caller { role, reach, user: Some("haimaz".parse().unwrap()), ..Caller::local() }
    }

    fn key(user: &str) -> EnvironmentKey {
        EnvironmentKey::new(user.parse().unwrap(), "integration".parse().unwrap())
    }

    fn own() -> Reach {
        Reach::people(["haimaz".parse().unwrap()])
    }

    #[test]
    fn a_user_has_power_over_the_own_environments_alone() {
        let user = caller(Role::User, own());
        for action in Action::ALL.into_iter().filter(|action| action.concerns() == Concerns::OneEnvironment) {
            assert_eq!(user.may(action, Some(&key("haimaz"))), Ok(()), "{action:?}");
            let denied = user.may(action, Some(&key("other"))).unwrap_err().to_string();
            assert_eq!(denied, "other-integration is of the user other, and you are haimaz");
            assert!(user.may(action, None).is_err(), "no environment, no right: {action:?}");
        }
    }

    #[test]
    fn a_viewer_sees_everything_and_changes_nothing() {
        let viewer = caller(Role::Viewer, Reach::Everyone);
        for action in Action::ALL {
            let may = viewer.may(action, Some(&key("other"))).is_ok();
            assert_eq!(may, action.scope() == Scope::Read || action == Action::ManageTokens, "{action:?}");
        }
    }

    #[test]
    fn a_role_may_do_all_that_a_smaller_one_may() {
        for action in Action::ALL {
            let may: Vec<bool> = Role::ALL
                .into_iter()
                .map(|role| caller(role, Reach::Everyone).may(action, Some(&key("x"))).is_ok())
                .collect();
            assert!(may.is_sorted(), "{action:?}: {may:?}");
            assert_eq!(may.last(), Some(&true), "an administrator may do everything: {action:?}");
        }
    }

    #[test]
    fn a_scope_takes_away_and_gives_nothing() {
        let deploy = Caller { scopes: Scopes::of([Scope::Deploy]), ..caller(Role::User, own()) };
        assert_eq!(deploy.may(Action::DeployEnvironment, Some(&key("haimaz"))), Ok(()));
        let said = deploy.may(Action::DeleteEnvironment, Some(&key("haimaz"))).unwrap_err().to_string();
        assert_eq!(said, "this token may not delete an environment; it takes one with the scope delete");
        let all = Caller { scopes: Scopes::of(Scope::ALL), ..caller(Role::User, own()) };
        assert!(matches!(all.may(Action::ChangeClasses, None), Err(Denied::Role { .. })));
    }

    #[test]
    fn somebody_without_a_user_id_reaches_nobody() {
        let nobody = Caller { user: None, ..caller(Role::User, Reach::people([])) };
        let said = nobody.may(Action::SeeEnvironment, Some(&key("haimaz"))).unwrap_err().to_string();
        assert!(said.contains("no user id is known of you"), "{said}");
        assert!(!nobody.reaches(&"haimaz".parse().unwrap()));
    }
}
