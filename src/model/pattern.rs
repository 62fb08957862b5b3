//! The host pattern of a class: `front{user}.int.{domain}`.

use super::{Hostname, InvalidHostname, UserId, shown};
use std::fmt;
use std::str::FromStr;

/// A host pattern: `{user}` exactly once and in the first label, `{domain}` at most once and as the last labels.
///
/// The labels after the first are the pattern's zone. A zone belongs to class patterns alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPattern {
    text: String,
    prefix: String,
    suffix: String,
    /// The labels after the first one, `{domain}` still in place.
    zone: String,
}

/// Why a text is not a host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the host pattern {} {reason}; one that works is front{{user}}.int.{{domain}}", shown(text))]
pub struct InvalidHostPattern {
    /// The text that was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl HostPattern {
    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host of `user` under `domain`.
    pub fn host(&self, user: &UserId, domain: &Hostname) -> Result<Hostname, InvalidHostname> {
        let first = format!("{}{user}{}", self.prefix, self.suffix);
        format!("{first}.{}", self.zone_in(domain)).parse()
    }

    /// The user whose host this is under `domain`, by this pattern.
    pub fn user_of(&self, host: &Hostname, domain: &Hostname) -> Option<UserId> {
        let (first, zone) = host.as_str().split_once('.')?;
        if zone != self.zone_in(domain) {
            return None;
        }
        let user = first.strip_prefix(self.prefix.as_str())?.strip_suffix(self.suffix.as_str())?;
        user.parse().ok()
    }

    /// The zone in which all hosts of this pattern lie, for `domain`.
    pub fn zone(&self, domain: &Hostname) -> Result<Hostname, InvalidHostname> {
        self.zone_in(domain).parse()
    }

    /// Whether some user's host by this pattern may be another user's host by `other`.
    pub fn overlaps(&self, other: &Self) -> bool {
        // What one pattern has beyond the other must be part of the other's user id, so it must be letters and digits.
        let fits = |rest: Option<&str>| rest.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric()));
        let (a, b) = (self, other);
        let prefix = a.prefix.strip_prefix(b.prefix.as_str()).or_else(|| b.prefix.strip_prefix(a.prefix.as_str()));
        let suffix = a.suffix.strip_suffix(b.suffix.as_str()).or_else(|| b.suffix.strip_suffix(a.suffix.as_str()));
        a.zone == b.zone && fits(prefix) && fits(suffix)
    }

    fn zone_in(&self, domain: &Hostname) -> String {
        self.zone.replace("{domain}", domain.as_str())
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHostPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason: &str| Err(InvalidHostPattern { text: text.to_owned(), reason: reason.to_owned() });
        if text.matches("{user}").count() != 1 {
            return refuse("does not hold {user} exactly once");
        }
        let Some((first, zone)) = text.split_once('.') else {
            return refuse("has one label only, so there is no zone to keep for it");
        };
        let Some((prefix, suffix)) = first.split_once("{user}") else {
            return refuse("holds {user} outside its first label");
        };
        let domains = zone.matches("{domain}").count();
        if domains > 1 || (domains == 1 && zone != "{domain}" && !zone.ends_with(".{domain}")) {
            return refuse("holds {domain} elsewhere than at its end");
        }
        let longest = format!("{prefix}{}{suffix}.{}", "u".repeat(UserId::MAX_CHARS), zone.replace("{domain}", "d"));
        if longest.contains(['{', '}']) {
            return refuse("holds a placeholder other than {user} and {domain}");
        }
        if longest.bytes().any(|b| b.is_ascii_uppercase()) {
            return refuse("holds upper-case letters");
        }
        match longest.parse::<Hostname>() {
            Ok(_) => {
                let [text, prefix, suffix, zone] = [text, prefix, suffix, zone].map(str::to_owned);
                Ok(Self { text, prefix, suffix, zone })
            }
            Err(error) => refuse(&format!("makes no host name for a user id of 32 characters: {}", error.reason)),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_host_is_made_and_read_back() {
        let domain: Hostname = "example.com".parse().unwrap();
        let plain = pattern("front{user}.prod.{domain}");
        let second = pattern("front{user}-2.prod.{domain}");
        let user: UserId = "haimaz".parse().unwrap();
        let host = second.host(&user, &domain).unwrap();
        assert_eq!(host.as_str(), "fronthaimaz-2.prod.example.com");
        assert_eq!(second.user_of(&host, &domain), Some(user));
        assert_eq!(plain.user_of(&host, &domain), None);
        assert_eq!(plain.zone(&domain).unwrap().as_str(), "prod.example.com");
    }

    #[test]
    fn patterns_that_could_make_one_host_overlap() {
        let plain = pattern("front{user}.prod.{domain}");
        assert!(!plain.overlaps(&pattern("front{user}-2.prod.{domain}")));
        assert!(!plain.overlaps(&pattern("front{user}.int.{domain}")));
        assert!(plain.overlaps(&plain));
        assert!(plain.overlaps(&pattern("fronta{user}.prod.{domain}")));
        assert!(plain.overlaps(&pattern("{user}x.prod.{domain}")));
        assert!(!plain.overlaps(&pattern("back{user}.prod.{domain}")));
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_its_reason() {
        for (text, reason) in [
            ("front.int.{domain}", "exactly once"),
            ("{user}{user}.int.{domain}", "exactly once"),
            ("front{user}", "one label"),
            ("front.{user}.{domain}", "outside its first label"),
            ("front{user}.{domain}.int", "at its end"),
            ("front{user}.{zone}", "a placeholder other"),
            ("Front{user}.int", "upper-case"),
            ("-{user}.int", "makes no host name"),
        ] {
            let said = text.parse::<HostPattern>().unwrap_err().to_string();
            assert!(said.contains(reason), "{text}: {said}");
        }
    }
}
