//! The name of a record: a host name, or a wildcard below one.

use crate::model::{Hostname, InvalidHostname};
use std::fmt;
use std::str::FromStr;

/// The name of a record that we write: in lower case, without the dot at its end.
///
/// It orders by its labels from the right, so that a zone's apex comes first and neighbours stand together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordName {
    base: Hostname,
    is_wildcard: bool,
}

/// Why a text is not the name of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; a record's name is a host name, or one below *. like *.int.example.com")]
pub struct InvalidRecordName(InvalidHostname);

impl RecordName {
    /// The wildcard for all names below `parent`.
    pub fn wildcard(parent: Hostname) -> Self {
        Self { base: parent, is_wildcard: true }
    }

    /// Whether it is a wildcard.
    pub fn is_wildcard(&self) -> bool {
        self.is_wildcard
    }

    /// The name, or what is behind `*.` of a wildcard.
    pub fn base(&self) -> &Hostname {
        &self.base
    }

    /// Whether it is `zone` itself or a name below it. A zone ends on a label's boundary: `xexample.com` is not in
    /// `example.com`.
    pub fn is_in(&self, zone: &Hostname) -> bool {
        let rest = self.base.as_str().strip_suffix(zone.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }

    /// The name as it stands in `zone`: `@` at its apex, `frontx.int`, `*.int`. `None` outside of it.
    pub fn relative_to(&self, zone: &Hostname) -> Option<String> {
        if !self.is_in(zone) {
            return None;
        }
        let rest = self.base.as_str().strip_suffix(zone.as_str())?.trim_end_matches('.');
        Some(match (self.is_wildcard, rest) {
            (false, "") => "@".to_owned(),
            (false, rest) => rest.to_owned(),
            (true, "") => "*".to_owned(),
            (true, rest) => format!("*.{rest}"),
        })
    }

    /// The name that stands as `relative` in `zone`: the other way round of [`Self::relative_to`].
    pub fn in_zone(relative: &str, zone: &Hostname) -> Result<Self, InvalidRecordName> {
        match relative {
            "@" | "" => Ok(Self::from(zone.clone())),
            relative => format!("{relative}.{zone}").parse(),
        }
    }

    fn labels(&self) -> impl Iterator<Item = &str> {
        self.base.as_str().rsplit('.').chain(self.is_wildcard.then_some("*"))
    }
}

/// The longest of `zones` in which `name` lies.
pub fn longest_zone<'z>(name: &RecordName, zones: impl IntoIterator<Item = &'z Hostname>) -> Option<&'z Hostname> {
    zones.into_iter().filter(|zone| name.is_in(zone)).max_by_key(|zone| zone.as_str().len())
}

impl From<Hostname> for RecordName {
    fn from(base: Hostname) -> Self {
        Self { base, is_wildcard: false }
    }
}

impl FromStr for RecordName {
    type Err = InvalidRecordName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (is_wildcard, base) = text.strip_prefix("*.").map_or((false, text), |base| (true, base));
        Ok(Self { base: base.parse().map_err(InvalidRecordName)?, is_wildcard })
    }
}

impl PartialOrd for RecordName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RecordName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.labels().cmp(other.labels())
    }
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_wildcard { write!(f, "*.{}", self.base) } else { write!(f, "{}", self.base) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> RecordName {
        text.parse().unwrap()
    }

    fn zone(text: &str) -> Hostname {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_zone_wins_and_only_on_a_label_boundary() {
        let zones = [zone("example.com"), zone("int.example.com"), zone("t.example.com"), zone("com")];
        let of = |text: &str| longest_zone(&name(text), &zones).map(Hostname::as_str);
        assert_eq!(of("frontx.int.example.com"), Some("int.example.com"));
        assert_eq!(of("*.int.example.com"), Some("int.example.com"));
        assert_eq!(of("int.example.com"), Some("int.example.com"));
        assert_eq!(of("xint.example.com"), Some("example.com"));
        assert_eq!(of("xexample.com"), Some("com"));
        assert_eq!(of("example.net"), None);
    }

    #[test]
    fn names_are_told_relative_to_their_zone_and_back() {
        let int = zone("int.example.com");
        for (full, relative) in [
            ("int.example.com", "@"),
            ("*.int.example.com", "*"),
            ("frontx.int.example.com", "frontx"),
            ("*.a.int.example.com", "*.a"),
        ] {
            assert_eq!(name(full).relative_to(&int).as_deref(), Some(relative));
            assert_eq!(RecordName::in_zone(relative, &int), Ok(name(full)));
        }
        assert_eq!(name("frontx.example.com").relative_to(&int), None);
        assert_eq!(name("xint.example.com").relative_to(&int), None);
    }

    #[test]
    fn what_is_no_name_of_ours_is_refused() {
        for bad in ["*", "*.", "a.*.b", "**.a", "_a.b", "", "a..b", "*.*.a"] {
            assert!(bad.parse::<RecordName>().is_err(), "{bad}");
        }
        assert_eq!(name("FrontX.Int.Example.Com.").to_string(), "frontx.int.example.com");
    }

    #[test]
    fn neighbours_stand_together() {
        let mut names = ["b.x", "x", "*.x", "a.y", "a.x"].map(name);
        names.sort();
        assert_eq!(names.map(|name| name.to_string()), ["x", "*.x", "a.x", "b.x", "a.y"]);
    }
}
