//! UPDATE messages (RFC 2136): prerequisites first, then what is to be changed.

use super::{mark, wire_name, zone_name};
use crate::dns::{Kind, Owner, ProviderError, RecordName, RecordSet, Ttl, Values};
use crate::model::Hostname;
use hickory_proto::op::{Message, OpCode, Query};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// How long a mark may be kept. It is one for all: where a mark stays, not every server takes another time to live for it.
const MARK_TTL: Ttl = 300;

/// An UPDATE in the making.
#[derive(Debug)]
pub(super) struct Update {
    zone: Name,
    prerequisites: Vec<Record>,
    changes: Vec<Record>,
}

type Built = Result<(), ProviderError>;

impl Update {
    pub(super) fn of(zone: &Hostname) -> Result<Self, ProviderError> {
        Ok(Self { zone: zone_name(zone)?, prerequisites: Vec::new(), changes: Vec::new() })
    }

    /// Requires that nothing stands where `set` goes: for a CNAME nothing at all, for an address no CNAME and none of its kind.
    pub(super) fn is_free_for(&mut self, set: &RecordSet) -> Built {
        let name = wire_name(&set.name.to_string())?;
        match set.kind() {
            // "Name is not in use" (section 2.4.5).
            Kind::Cname => self.prerequisites.push(empty(name, RecordType::ANY, DNSClass::NONE)),
            kind @ (Kind::A | Kind::Aaaa) => {
                for absent in [record_type(kind), RecordType::CNAME] {
                    self.prerequisites.push(empty(name.clone(), absent, DNSClass::NONE));
                }
            }
        }
        Ok(())
    }

    /// Requires that there is no set of the kind of `set`.
    pub(super) fn has_none(&mut self, set: &RecordSet) -> Built {
        let name = wire_name(&set.name.to_string())?;
        self.prerequisites.push(empty(name, record_type(set.kind()), DNSClass::NONE));
        Ok(())
    }

    /// Requires exactly these records (section 2.4.2: the times to live are not compared).
    pub(super) fn is_as_listed(&mut self, set: &RecordSet) -> Built {
        self.prerequisites.extend(records(set, 0)?);
        Ok(())
    }

    /// Requires exactly the owner's mark.
    pub(super) fn has_mark(&mut self, set: &RecordSet, owner: &Owner) -> Built {
        let place = mark::mark_name(&set.name, set.kind())?;
        self.prerequisites.push(Record::from_rdata(place, 0, RData::TXT(mark::mark(owner))));
        Ok(())
    }

    /// Requires that there is no mark.
    pub(super) fn has_no_mark(&mut self, set: &RecordSet) -> Built {
        let place = mark::mark_name(&set.name, set.kind())?;
        self.prerequisites.push(empty(place, RecordType::TXT, DNSClass::NONE));
        Ok(())
    }

    pub(super) fn put(&mut self, set: &RecordSet) -> Built {
        self.changes.extend(records(set, set.ttl)?);
        Ok(())
    }

    pub(super) fn put_mark(&mut self, set: &RecordSet, owner: &Owner) -> Built {
        let place = mark::mark_name(&set.name, set.kind())?;
        self.changes.push(Record::from_rdata(place, MARK_TTL, RData::TXT(mark::mark(owner))));
        Ok(())
    }

    pub(super) fn remove(&mut self, set: &RecordSet) -> Built {
        let name = wire_name(&set.name.to_string())?;
        self.changes.push(empty(name, record_type(set.kind()), DNSClass::ANY));
        Ok(())
    }

    pub(super) fn remove_mark(&mut self, set: &RecordSet) -> Built {
        let place = mark::mark_name(&set.name, set.kind())?;
        self.changes.push(empty(place, RecordType::TXT, DNSClass::ANY));
        Ok(())
    }

    /// Removes a mark without a record, if it is the owner's and there is still no record.
    pub(super) fn forget_mark(&mut self, name: &RecordName, kind: Kind, owner: &Owner) -> Built {
        let place = mark::mark_name(name, kind)?;
        self.prerequisites.push(Record::from_rdata(place.clone(), 0, RData::TXT(mark::mark(owner))));
        self.prerequisites.push(empty(wire_name(&name.to_string())?, record_type(kind), DNSClass::NONE));
        self.changes.push(empty(place, RecordType::TXT, DNSClass::ANY));
        Ok(())
    }

    pub(super) fn into_message(self) -> Message {
        let mut zone = Query::query(self.zone, RecordType::SOA);
        zone.set_query_class(DNSClass::IN);
        let mut message = Message::query();
        message.metadata.op_code = OpCode::Update;
        message.metadata.recursion_desired = false;
        // The sections of an UPDATE stand where those of a query do (section 2).
        message.add_query(zone);
        message.insert_answers(self.prerequisites);
        message.insert_authorities(self.changes);
        message
    }
}

fn empty(name: Name, kind: RecordType, class: DNSClass) -> Record {
    let mut record = Record::update0(name, 0, kind);
    record.dns_class = class;
    record
}

pub(super) fn record_type(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Cname => RecordType::CNAME,
    }
}

fn records(set: &RecordSet, ttl: u32) -> Result<Vec<Record>, ProviderError> {
    let name = wire_name(&set.name.to_string())?;
    let data: Vec<RData> = match &set.values {
        Values::A(addresses) => addresses.iter().map(|address| RData::A(A(*address))).collect(),
        Values::Aaaa(addresses) => addresses.iter().map(|address| RData::AAAA(AAAA(*address))).collect(),
        Values::Cname(target) => vec![RData::CNAME(CNAME(wire_name(&target.to_string())?))],
    };
    Ok(data.into_iter().map(|data| Record::from_rdata(name.clone(), ttl, data)).collect())
}
