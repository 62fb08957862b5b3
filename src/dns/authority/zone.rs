//! What the zone holds, and what a name has in it (RFC 1034, section 4.3.2; wildcards by RFC 4592).

use super::{AuthorityConfig, Names};
use crate::dns::Ttl;
use crate::model::Hostname;
use hickory_proto::rr::rdata::{A, AAAA, NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// How often a secondary server asks for news, in seconds.
const REFRESH: i32 = 60;
const RETRY: i32 = 15;
/// After so long without news a secondary server answers no more.
const EXPIRE: i32 = 7 * 24 * 3600;
/// How long it may be kept that there is no such name.
const NEGATIVE_TTL: Ttl = 10;

/// Labels from the right, in lower case. A label may hold any byte.
type Labels = Vec<Box<[u8]>>;

/// One state of the zone.
#[derive(Debug, Clone)]
pub struct ZoneData {
    origin: Name,
    name_server: Name,
    serial: u32,
    ttl: Ttl,
    addresses: Vec<IpAddr>,
    /// Every name with addresses. The zone's own name is there only if it is served.
    served: BTreeSet<Labels>,
}

/// What a name has.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found {
    /// Records of the type that was asked for.
    Records(Vec<Record>),
    /// The name is there, and has none of that type.
    NoData,
    /// There is no such name.
    NoName,
    /// The name is not in this zone.
    Outside,
}

impl ZoneData {
    /// The zone with these names.
    pub fn new(config: &AuthorityConfig, names: &Names, serial: u32) -> Option<Self> {
        let origin = absolute(&config.zone)?;
        let name_server = Name::from_ascii("ns").ok()?.append_domain(&origin).ok()?;
        let mut served: BTreeSet<Labels> = names
            .iter()
            .filter(|name| name.is_in(&config.zone))
            .filter_map(|name| Name::from_ascii(format!("{name}.")).ok())
            .map(|name| labels(&name))
            .collect();
        served.insert(labels(&name_server));
        let addresses = config.addresses.clone();
        Some(Self { origin, name_server, serial, ttl: config.ttl, addresses, served })
    }

    /// Whether both have the same names.
    pub fn has_names_of(&self, other: &Self) -> bool {
        self.served == other.served
    }

    /// The number of this state.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    pub(super) fn origin(&self) -> &Name {
        &self.origin
    }

    /// The SOA record. In a negative answer it tells how long that may be kept (RFC 2308).
    pub(super) fn soa(&self, is_negative: bool) -> Record {
        let ttl = if is_negative { NEGATIVE_TTL.min(self.ttl) } else { self.ttl };
        // A mailbox that RFC 2142 asks every zone to have.
        let mailbox = Name::from_ascii("hostmaster").ok().and_then(|name| name.append_domain(&self.origin).ok());
        let mailbox = mailbox.unwrap_or_else(|| self.origin.clone());
        let soa = SOA::new(
            self.name_server.clone(),
            mailbox,
            self.serial,
            REFRESH,
            RETRY,
            EXPIRE,
            NEGATIVE_TTL.min(self.ttl),
        );
        Record::from_rdata(self.origin.clone(), ttl, RData::SOA(soa))
    }

    /// What `name` has of `kind`.
    pub(super) fn find(&self, name: &Name, kind: RecordType) -> Found {
        if !self.origin.zone_of(name) {
            return Found::Outside;
        }
        let wanted = labels(name);
        let is_apex = wanted.len() == labels(&self.origin).len();
        let (is_there, is_served) = self.place(&wanted);
        if !is_there && !is_apex {
            return Found::NoName;
        }
        let mut records = Vec::new();
        if is_apex {
            records.extend([self.soa(false), self.ns()].into_iter().filter(|record| matches(record, kind)));
        }
        if is_served {
            records.extend(self.addresses_at(name).filter(|record| matches(record, kind)));
        }
        if records.is_empty() { Found::NoData } else { Found::Records(records) }
    }

    /// Whether a name is there, and whether it has addresses.
    fn place(&self, wanted: &Labels) -> (bool, bool) {
        if self.served.contains(wanted) {
            return (true, true);
        }
        if self.has_below(wanted) {
            return (true, false);
        }
        // The closest name that is there decides: only a wildcard right below it counts.
        let mut encloser = wanted.clone();
        while encloser.pop().is_some() {
            let is_there = self.served.contains(&encloser) || self.has_below(&encloser);
            if is_there || encloser.len() <= labels(&self.origin).len() {
                encloser.push(Box::from(*b"*"));
                let is_matched = self.served.contains(&encloser);
                return (is_matched, is_matched);
            }
        }
        (false, false)
    }

    fn has_below(&self, above: &Labels) -> bool {
        let next = self.served.range(above.clone()..).find(|name| name.len() > above.len() || *name > above);
        next.is_some_and(|name| name.starts_with(above))
    }

    fn ns(&self) -> Record {
        Record::from_rdata(self.origin.clone(), self.ttl, RData::NS(NS(self.name_server.clone())))
    }

    fn addresses_at<'z>(&'z self, name: &Name) -> impl Iterator<Item = Record> + use<'z> {
        let (name, ttl) = (name.clone(), self.ttl);
        self.addresses.iter().map(move |address| {
            let data = match address {
                IpAddr::V4(address) => RData::A(A(*address)),
                IpAddr::V6(address) => RData::AAAA(AAAA(*address)),
            };
            Record::from_rdata(name.clone(), ttl, data)
        })
    }

    /// Every record in the order of a transfer: the SOA first and last.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let names = self.served.iter().filter_map(name_of);
        let inner = names.flat_map(|name| self.addresses_at(&name));
        [self.soa(false), self.ns()].into_iter().chain(inner).chain([self.soa(false)])
    }
}

fn matches(record: &Record, kind: RecordType) -> bool {
    kind == RecordType::ANY || record.record_type() == kind
}

fn absolute(zone: &Hostname) -> Option<Name> {
    Name::from_ascii(format!("{zone}.")).ok()
}

fn labels(name: &Name) -> Labels {
    let mut labels: Labels = name.iter().map(|label| label.to_ascii_lowercase().into_boxed_slice()).collect();
    labels.reverse();
    labels
}

fn name_of(labels: &Labels) -> Option<Name> {
    let mut name = Name::from_labels(labels.iter().rev().map(|label| &**label)).ok()?;
    name.set_fqdn(true);
    Some(name)
}
