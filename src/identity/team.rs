//! The name of a team.

use crate::model::shown;
use std::fmt;
use std::str::FromStr;

/// A team's name: 1 to 63 of `[a-z0-9-]`, neither begun nor ended by a hyphen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TeamName(String);

/// Why a text is not a team's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the team name {} is not 1 to 63 lower-case letters, digits and hyphens that neither begin nor end with a hyphen",
    shown(.0)
)]
pub struct InvalidTeamName(pub String);

impl TeamName {
    /// The most characters of a team's name.
    pub const MAX_CHARS: usize = 63;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TeamName {
    type Err = InvalidTeamName;

    fn from_str(text: &str) -> Result<Self, InvalidTeamName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let whole = !text.is_empty() && text.len() <= Self::MAX_CHARS && text.bytes().all(allowed);
        let ends = !text.starts_with('-') && !text.ends_with('-');
        if whole && ends { Ok(Self(text.to_owned())) } else { Err(InvalidTeamName(text.to_owned())) }
    }
}

impl fmt::Display for TeamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::TeamName;

    #[test]
    fn a_name_is_letters_digits_and_hyphens() {
        for good in ["web", "web-2", "2", &"a".repeat(63)] {
            assert!(good.parse::<TeamName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "Web", "a b", "a/b", &"a".repeat(64)] {
            assert!(bad.parse::<TeamName>().is_err(), "{bad}");
        }
    }
}
