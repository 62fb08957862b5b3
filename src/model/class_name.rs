//! The name of an environment class.

use super::shown;
use std::fmt;
use std::str::FromStr;

/// A class name: 1 to 30 of `[a-z0-9-]`, begun with a letter and not ended by a hyphen.
///
/// Thirty, so that `<user>-<class>` fits into the 63 characters of a Service's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassName(String);

/// Why a text is not a class name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the class name {} is not 1 to 30 lower-case letters, digits and hyphens that begin with a letter and do not end with a hyphen",
    shown(.0)
)]
pub struct InvalidClassName(pub String);

impl ClassName {
    /// The most characters of a class name.
    pub const MAX_CHARS: usize = 30;
    /// The name as a regular expression, for schemas.
    pub const PATTERN: &'static str = "^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClassName {
    type Err = InvalidClassName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let valid = !text.is_empty()
            && text.len() <= Self::MAX_CHARS
            && text.chars().all(allowed)
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-');
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidClassName(text.to_owned())) }
    }
}

impl fmt::Display for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::ClassName;

    #[test]
    fn names_follow_the_rule_of_labels() {
        for good in ["integration", "production-2", "a", &"a".repeat(30)] {
            assert!(good.parse::<ClassName>().is_ok(), "{good}");
        }
        for bad in ["", "2prod", "-a", "a-", "A", "a.b", "a/b", &"a".repeat(31)] {
            assert!(bad.parse::<ClassName>().is_err(), "{bad}");
        }
    }
}
