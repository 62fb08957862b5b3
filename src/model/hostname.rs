//! Host names as the route table compares them.

use super::shown;
use std::fmt;
use std::str::FromStr;

/// A host name in canonical form: ASCII lower case, no port, no trailing dot, at most 253 characters, each label
/// 1 to 63 of `[a-z0-9-]` with no hyphen at either end (RFC 1123, section 2.1; RFC 9110, section 4.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hostname(Box<str>);

/// Why a text is not a host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a host name: {reason}", shown(text))]
pub struct InvalidHostname {
    /// The text that was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Hostname {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its first label, if more than one label is left of it.
    pub fn parent(&self) -> Option<&str> {
        self.0.split_once('.').map(|(_, parent)| parent)
    }
}

/// What is wrong with `name`, which is in lower case already and has no trailing dot.
fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > 253 {
        return Some("it has more than 253 characters");
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Some("a label between two dots is empty");
        }
        if label.len() > 63 {
            return Some("a label has more than 63 characters");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Some("a label begins or ends with a hyphen");
        }
        if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Some("only letters, digits, hyphens and dots are allowed");
        }
    }
    None
}

impl FromStr for Hostname {
    type Err = InvalidHostname;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        match fault(&name) {
            None => Ok(Self(name.into())),
            Some(reason) => Err(InvalidHostname { text: text.to_owned(), reason }),
        }
    }
}

impl std::borrow::Borrow<str> for Hostname {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Hostname;

    #[test]
    fn names_are_folded_and_lose_the_trailing_dot() {
        assert_eq!("FrontX.Int.Localhost.".parse::<Hostname>().unwrap().as_str(), "frontx.int.localhost");
        assert_eq!("a.b.c".parse::<Hostname>().unwrap().parent(), Some("b.c"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for bad in ["", ".", "a..b", "-a.b", "a-.b", "a_b", "a b", "ü.de", "a:80", &"a".repeat(64)] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad}");
        }
    }
}
