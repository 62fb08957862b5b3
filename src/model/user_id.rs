//! The id of a person, as it stands in host names and object names.

use super::shown;
use std::fmt;
use std::str::FromStr;

/// A user id: 1 to 32 of `[a-z0-9]`, folded to lower case when parsed.
///
/// It has no hyphen, because `front{user}-2.prod` would let one user's id produce another user's host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(String);

/// Why a text is not a user id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUserId {
    /// Nothing was given.
    #[error("the user id is empty; give 1 to 32 letters and digits, like haimaz")]
    Empty,
    /// Longer than [`UserId::MAX_CHARS`].
    #[error("the user id {} has {chars} characters; 32 are the most", shown(text))]
    TooLong {
        /// The text that was given.
        text: String,
        /// Its length.
        chars: usize,
    },
    /// A character that has no place in a user id.
    #[error(
        "the user id {} has {found:?}; only the letters a to z and the digits 0 to 9 are allowed, with no hyphen",
        shown(text)
    )]
    Character {
        /// The text that was given.
        text: String,
        /// The first character that is not allowed.
        found: char,
    },
}

impl UserId {
    /// The most characters of a user id.
    pub const MAX_CHARS: usize = 32;
    /// The id as a regular expression, for schemas.
    pub const PATTERN: &'static str = "^[a-z0-9]{1,32}$";

    /// The id in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = InvalidUserId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(InvalidUserId::Empty);
        }
        if let Some(found) = text.chars().find(|c| !c.is_ascii_alphanumeric()) {
            return Err(InvalidUserId::Character { text: text.to_owned(), found });
        }
        if text.len() > Self::MAX_CHARS {
            return Err(InvalidUserId::TooLong { text: text.to_owned(), chars: text.len() });
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::UserId;

    fn refusal(text: &str) -> String {
        text.parse::<UserId>().unwrap_err().to_string()
    }

    #[test]
    fn upper_case_is_folded() {
        assert_eq!("HaimAZ".parse::<UserId>().unwrap().as_str(), "haimaz");
        assert_eq!("7".parse::<UserId>().unwrap().as_str(), "7");
    }

    #[test]
    fn what_is_not_an_id_is_refused_with_its_reason() {
        assert!(refusal("").contains("is empty"));
        assert!(refusal("a-b").contains("has '-'"));
        assert!(refusal("Ünï").contains("has 'Ü'"));
        assert!(refusal("../x").contains("has '.'"));
        assert!(refusal(&"a".repeat(33)).contains("has 33 characters; 32 are the most"));
    }
}
