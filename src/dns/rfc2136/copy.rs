//! What a zone held when it was transferred last.

use super::mark;
use crate::dns::{Existing, Kind, Listing, Occupied, Owner, RecordName, RecordSet, Values};
use crate::model::Hostname;
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::collections::{BTreeMap, BTreeSet};

/// A copy of a zone.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    origin: Name,
    soa: SOA,
    records: BTreeMap<Name, Vec<(u32, RData)>>,
}

/// One step of a zone's history (RFC 1995).
#[derive(Debug)]
pub(super) struct Step {
    /// The state that it starts from.
    pub(super) from: u32,
    /// The state that it leads to.
    pub(super) to: SOA,
    pub(super) removed: Vec<Record>,
    pub(super) added: Vec<Record>,
}

/// A history is not that of this copy.
#[derive(Debug)]
pub(super) struct DoesNotFit;

impl Copy {
    /// From a whole transfer; `None` without a SOA record. Beside it how many records stood outside of the zone: those are no
    /// part of it, whoever sent them.
    pub(super) fn whole(origin: &Name, records: Vec<Record>) -> Option<(Self, usize)> {
        let soa = records.iter().find_map(|record| match &record.data {
            RData::SOA(soa) if record.name == *origin => Some(soa.clone()),
            _ => None,
        })?;
        let mut copy = Self { origin: origin.clone(), soa, records: BTreeMap::new() };
        let outside = records.into_iter().filter_map(|record| copy.add(record).err()).count();
        Some((copy, outside))
    }

    pub(super) fn soa(&self) -> &SOA {
        &self.soa
    }

    /// Follows the history.
    pub(super) fn go(&mut self, steps: Vec<Step>) -> Result<(), DoesNotFit> {
        for step in steps {
            if step.from != self.soa.serial {
                return Err(DoesNotFit);
            }
            for record in step.removed {
                self.remove(&record)?;
            }
            for record in step.added {
                // One from outside is no part of the zone.
                let _outside = self.add(record);
            }
            self.soa = step.to;
        }
        Ok(())
    }

    fn add(&mut self, record: Record) -> Result<(), ()> {
        if record.dns_class != DNSClass::IN || !self.origin.zone_of(&record.name) {
            return Err(());
        }
        if record.record_type() == RecordType::SOA {
            return Ok(());
        }
        let place = self.records.entry(record.name.to_lowercase()).or_default();
        if !place.iter().any(|(_, known)| *known == record.data) {
            place.push((record.ttl, record.data));
        }
        Ok(())
    }

    fn remove(&mut self, record: &Record) -> Result<(), DoesNotFit> {
        if record.record_type() == RecordType::SOA || !self.origin.zone_of(&record.name) {
            return Ok(());
        }
        let name = record.name.to_lowercase();
        let place = self.records.get_mut(&name).ok_or(DoesNotFit)?;
        let at = place.iter().position(|(_, known)| *known == record.data).ok_or(DoesNotFit)?;
        place.swap_remove(at);
        if place.is_empty() {
            self.records.remove(&name);
        }
        Ok(())
    }

    /// Whether a mark stands for a set, and whose it is: `Some(None)` for one that names nobody, or several.
    pub(super) fn mark(&self, name: &RecordName, kind: Kind) -> Option<Option<Owner>> {
        let place = self.records.get(&mark::mark_name(name, kind).ok()?.to_lowercase())?;
        let mut texts = place.iter().filter_map(|(_, data)| match data {
            RData::TXT(text) => Some(text),
            _ => None,
        });
        let first = texts.next()?;
        Some(if texts.next().is_some() { None } else { mark::owner_of(first) })
    }

    /// The marks of `owner` whose records are gone.
    pub(super) fn orphans(&self, zone: &Hostname, owner: &Owner) -> Vec<(RecordName, Kind)> {
        let marked = self.records.keys().filter_map(mark::marked);
        marked
            .filter(|(name, kind)| {
                name.is_in(zone)
                    && self.mark(name, *kind).flatten().as_ref() == Some(owner)
                    && !self.kinds_at(name).contains(kind)
            })
            .collect()
    }

    fn kinds_at(&self, name: &RecordName) -> BTreeSet<Kind> {
        let wire = Name::from_ascii(format!("{name}.")).ok();
        let place = wire.and_then(|name| self.records.get(&name));
        place.into_iter().flatten().filter_map(|(_, data)| kind_of(data)).collect()
    }

    /// What a plan needs to know of it.
    pub(super) fn listing(&self, zone: &Hostname) -> Listing {
        let mut listing = Listing::default();
        for (wire, records) in &self.records {
            // A name that is none of ours in form cannot be in our way.
            let Ok(name) = wire.to_ascii().trim_end_matches('.').parse::<RecordName>() else { continue };
            if !name.is_in(zone) {
                continue;
            }
            self.list_name(&name, records, &mut listing);
        }
        listing
    }

    fn list_name(&self, name: &RecordName, records: &[(u32, RData)], listing: &mut Listing) {
        for kind in Kind::ALL {
            let of_kind: Vec<_> = records.iter().filter(|(_, data)| kind_of(data) == Some(kind)).collect();
            let Some(ttl) = of_kind.iter().map(|(ttl, _)| *ttl).min() else { continue };
            match values(kind, of_kind.iter().map(|(_, data)| data)) {
                Some(values) => {
                    let owner = self.mark(name, kind).flatten();
                    let set = RecordSet { name: name.clone(), ttl, values };
                    listing.sets.push(Existing { set, owner, version: String::new() });
                }
                None => listing.others.push(Occupied { name: name.clone(), kind: kind.as_str().to_owned() }),
            }
        }
        let others: BTreeSet<String> = records
            .iter()
            .map(|(_, data)| data.record_type())
            .filter(|kind| !is_of_signing(*kind) && kind_of_type(*kind).is_none())
            .map(|kind| kind.to_string())
            .collect();
        listing.others.extend(others.into_iter().map(|kind| Occupied { name: name.clone(), kind }));
    }
}

/// Kinds that the server itself adds to every name of a signed zone; they stand beside a CNAME as well (RFC 4035, section 2.5).
fn is_of_signing(kind: RecordType) -> bool {
    matches!(kind, RecordType::RRSIG | RecordType::NSEC | RecordType::NSEC3 | RecordType::NSEC3PARAM)
}

fn kind_of(data: &RData) -> Option<Kind> {
    kind_of_type(data.record_type())
}

fn kind_of_type(kind: RecordType) -> Option<Kind> {
    match kind {
        RecordType::A => Some(Kind::A),
        RecordType::AAAA => Some(Kind::Aaaa),
        RecordType::CNAME => Some(Kind::Cname),
        _ => None,
    }
}

/// The values of a set; `None` for a CNAME whose target is of a form that we never write.
fn values<'r>(kind: Kind, data: impl Iterator<Item = &'r RData>) -> Option<Values> {
    let (mut v4, mut v6, mut target) = (BTreeSet::new(), BTreeSet::new(), None);
    for data in data {
        match data {
            RData::A(address) => drop(v4.insert(address.0)),
            RData::AAAA(address) => drop(v6.insert(address.0)),
            RData::CNAME(name) => target = name.0.to_ascii().trim_end_matches('.').parse().ok(),
            _ => return None,
        }
    }
    match kind {
        Kind::A => Some(Values::A(v4)),
        Kind::Aaaa => Some(Values::Aaaa(v6)),
        Kind::Cname => target.map(Values::Cname),
    }
}
