//! What a credential is for: less than what its holder may do.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// One purpose of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every call that only looks.
    Read,
    /// Making and changing environments.
    Deploy,
    /// Deleting environments.
    Delete,
    /// Making and revoking tokens.
    Tokens,
    /// What concerns the installation as a whole: classes, webhooks, DNS, audit.
    Administer,
}

/// Why a text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a scope; scopes are read, deploy, delete, tokens and administer", crate::model::shown(.0))]
pub struct UnknownScope(pub String);

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 5] = [Self::Read, Self::Deploy, Self::Delete, Self::Tokens, Self::Administer];

    /// The scope as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Deploy => "deploy",
            Self::Delete => "delete",
            Self::Tokens => "tokens",
            Self::Administer => "administer",
        }
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The scopes of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scopes {
    /// All that the role may.
    All,
    /// These alone.
    Only(BTreeSet<Scope>),
}

impl Scopes {
    /// The scopes of a list in which nothing stands for all.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        let only: BTreeSet<Scope> = scopes.into_iter().collect();
        if only.is_empty() { Self::All } else { Self::Only(only) }
    }

    /// Whether `scope` is among them.
    pub fn has(&self, scope: Scope) -> bool {
        match self {
            Self::All => true,
            Self::Only(only) => only.contains(&scope),
        }
    }

    /// Whether all of `other` is among them.
    pub fn include(&self, other: &Self) -> bool {
        match other {
            Self::All => Scope::ALL.into_iter().all(|scope| self.has(scope)),
            Self::Only(only) => only.iter().all(|scope| self.has(*scope)),
        }
    }

    /// Each by name.
    pub fn names(&self) -> Vec<String> {
        Scope::ALL.into_iter().filter(|scope| self.has(*scope)).map(|scope| scope.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_scopes_are_included_in_more() {
        let (read, both) = (Scopes::of([Scope::Read]), Scopes::of([Scope::Read, Scope::Deploy]));
        assert!(Scopes::All.include(&both) && both.include(&read));
        assert!(!read.include(&both) && !both.include(&Scopes::All));
        assert!(Scopes::of(Scope::ALL).include(&Scopes::All));
        assert_eq!(Scopes::of([]), Scopes::All);
    }

    #[test]
    fn scopes_are_written_as_they_are_read() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        assert!("write".parse::<Scope>().is_err());
    }
}
