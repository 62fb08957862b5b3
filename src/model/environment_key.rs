//! The identity of an environment: one user, one class.

use super::{ClassName, UserId};
use std::fmt;

/// Names one environment. A person has at most one of each class.
///
/// It is a pair and stays one: the joined text is for object names only, never for comparing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentKey {
    /// Whose it is.
    pub user: UserId,
    /// Of which class it is.
    pub class: ClassName,
}

impl EnvironmentKey {
    /// The key of `user`'s environment of `class`.
    pub fn new(user: UserId, class: ClassName) -> Self {
        Self { user, class }
    }

    /// The name of the Environment object and of its Service: `<user>-<class>`.
    pub fn object_name(&self) -> String {
        format!("{}-{}", self.user, self.class)
    }

    /// The name of its Deployment: `<user>-<class>-deployment`.
    pub fn deployment_name(&self) -> String {
        format!("{}-{}-deployment", self.user, self.class)
    }

    /// Reads `<user>-<class>` back; the first hyphen ends the user, as user ids have none.
    pub fn from_object_name(name: &str) -> Option<Self> {
        let (user, class) = name.split_once('-')?;
        let key = Self::new(user.parse().ok()?, class.parse().ok()?);
        (key.object_name() == name).then_some(key)
    }
}

impl fmt::Display for EnvironmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.user, self.class)
    }
}

#[cfg(test)]
mod tests {
    use super::EnvironmentKey;

    #[test]
    fn object_names_are_read_back() {
        let key = EnvironmentKey::from_object_name("haimaz-production-2").unwrap();
        assert_eq!((key.user.as_str(), key.class.as_str()), ("haimaz", "production-2"));
        assert_eq!(key.deployment_name(), "haimaz-production-2-deployment");
        assert!(EnvironmentKey::from_object_name("Haimaz-production").is_none());
        assert!(EnvironmentKey::from_object_name("haimaz").is_none());
    }
}
