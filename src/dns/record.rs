//! Record sets of the kinds that we write, and whose they are.

use super::RecordName;
use crate::model::shown;
use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The kinds of records that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// Another name.
    Cname,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::A, Self::Aaaa, Self::Cname];

    /// The kind as zones spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
        }
    }

    /// Whether sets of both kinds may stand at one name (RFC 1034, section 3.6.2: a CNAME stands alone).
    pub fn goes_with(self, other: Self) -> bool {
        self != other && self != Self::Cname && other != Self::Cname
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the records of a set hold. No set is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Values {
    /// IPv4 addresses.
    A(BTreeSet<Ipv4Addr>),
    /// IPv6 addresses.
    Aaaa(BTreeSet<Ipv6Addr>),
    /// The one name.
    Cname(RecordName),
}

impl Values {
    /// The sets that these addresses make: of one kind or of both.
    pub fn of_addresses(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<Self> {
        let (mut v4, mut v6) = (BTreeSet::new(), BTreeSet::new());
        for address in addresses {
            match address {
                IpAddr::V4(address) => v4.insert(address),
                IpAddr::V6(address) => v6.insert(address),
            };
        }
        let v4 = (!v4.is_empty()).then_some(Self::A(v4));
        v4.into_iter().chain((!v6.is_empty()).then_some(Self::Aaaa(v6))).collect()
    }

    /// Their kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::A(_) => Kind::A,
            Self::Aaaa(_) => Kind::Aaaa,
            Self::Cname(_) => Kind::Cname,
        }
    }

    /// Each as a text, in order.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::A(addresses) => addresses.iter().map(ToString::to_string).collect(),
            Self::Aaaa(addresses) => addresses.iter().map(ToString::to_string).collect(),
            Self::Cname(target) => vec![target.to_string()],
        }
    }
}

/// So many values of a set stand in a sentence.
const SHOWN_VALUES: usize = 8;

/// How long a record may be kept, in seconds: 1 to 2147483647 (RFC 2181, section 8).
pub type Ttl = u32;

/// All records of one name and kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordSet {
    /// Where it stands.
    pub name: RecordName,
    /// How long it may be kept.
    pub ttl: Ttl,
    /// What it holds.
    pub values: Values,
}

impl RecordSet {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.values.kind()
    }
}

impl fmt::Display for RecordSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.values.texts();
        let more = texts.len().saturating_sub(SHOWN_VALUES);
        let shown = texts.into_iter().take(SHOWN_VALUES).collect::<Vec<_>>().join(" ");
        write!(f, "{} {} {} {shown}", self.name, self.ttl, self.kind())?;
        if more > 0 { write!(f, " and {more} more") } else { Ok(()) }
    }
}

/// Whose a record is: the name of one installation. Installations that share a zone have different ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(Box<str>);

/// Why a text is not an owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not an owner of records; 1 to 63 lower-case letters, digits and hyphens are, like team-cluster", shown(.0))]
pub struct InvalidOwner(String);

impl Owner {
    /// The owner.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Owner {
    type Err = InvalidOwner;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let is_one = (1..=63).contains(&text.len()) && text.bytes().all(fits);
        if is_one { Ok(Self(text.into())) } else { Err(InvalidOwner(text.to_owned())) }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_make_a_set_for_each_family() {
        let addresses = ["::1", "10.0.0.2", "10.0.0.1"].map(|a| a.parse::<IpAddr>().unwrap());
        let made = Values::of_addresses(addresses);
        assert_eq!(made.iter().map(Values::kind).collect::<Vec<_>>(), [Kind::A, Kind::Aaaa]);
        assert_eq!(made[0].texts(), ["10.0.0.1", "10.0.0.2"]);
        assert!(Values::of_addresses([]).is_empty());
    }

    #[test]
    fn an_owner_can_stand_in_every_mark() {
        assert!("team-cluster-2".parse::<Owner>().is_ok());
        for bad in ["", "A", "a b", "a,b", "a=b", "a\"b", "ü", &"a".repeat(64)] {
            assert!(bad.parse::<Owner>().is_err(), "{bad}");
        }
    }
}
