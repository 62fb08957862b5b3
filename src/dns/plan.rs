//! From what is listed to what is desired: a pure function.

use super::{Desired, Existing, Kind, Listing, Owner, RecordName, RecordSet};
use std::collections::{BTreeMap, BTreeSet};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A set that is not there.
    Create(RecordSet),
    /// A set of ours that is otherwise, or of another kind.
    Update {
        /// What is there.
        before: Existing,
        /// What should be.
        after: RecordSet,
    },
    /// A set of ours that nobody wants any more.
    Delete(Existing),
}

impl Change {
    /// The name that it is about.
    pub fn name(&self) -> &RecordName {
        match self {
            Self::Create(set) | Self::Update { after: set, .. } => &set.name,
            Self::Delete(existing) => &existing.set.name,
        }
    }

    /// The kind that it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Create(set) | Self::Update { after: set, .. } => set.kind(),
            Self::Delete(existing) => existing.set.kind(),
        }
    }
}

/// A set that is desired where records of somebody else stand. They are left alone, and it is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} cannot be written: {}", in_the_way(.kind, .owner.as_ref()))]
pub struct Conflict {
    /// What is desired.
    pub wanted: RecordSet,
    /// The kind of what stands there.
    pub kind: String,
    /// Whose that is, if a mark says so.
    pub owner: Option<Owner>,
}

fn in_the_way(kind: &str, owner: Option<&Owner>) -> String {
    match owner {
        Some(owner) => format!("a {kind} record of the owner {owner} stands there; it is left as it is"),
        None => format!("a {kind} record that is not ours stands there; it is left as it is until somebody removes it"),
    }
}

/// What is to be done in a zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The changes in the order in which they are made: what makes room at its name, creations, updates, deletions.
    pub changes: Vec<Change>,
    /// What cannot be written.
    pub conflicts: Vec<Conflict>,
    /// How many sets are as they should be.
    pub unchanged: usize,
    /// How many sets are ours before anything is done.
    pub owned: usize,
}

impl Plan {
    /// The deletions among the changes.
    pub fn deletions(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| matches!(change, Change::Delete(_)))
    }
}

/// What stands at one name.
#[derive(Default)]
struct Place<'l> {
    ours: BTreeMap<Kind, &'l Existing>,
    foreign: BTreeMap<Kind, Option<&'l Owner>>,
    others: BTreeSet<&'l str>,
}

/// The changes that lead from `listing` to `desired`. What does not carry the mark of `owner` is never part of one.
pub fn plan(desired: &Desired, listing: &Listing, owner: &Owner) -> Plan {
    let places = places(listing, owner);
    let names: BTreeSet<&RecordName> = places.keys().copied().chain(desired.iter().map(|set| &set.name)).collect();
    let mut stages = Stages::default();
    let empty = Place::default();
    for name in names {
        let place = places.get(name).unwrap_or(&empty);
        stages.owned += place.ours.len();
        at_one_name(desired.at(name).collect(), place, &mut stages);
    }
    let Stages { room, create, update, beside, delete, conflicts, unchanged, owned } = stages;
    Plan { changes: [room, create, update, beside, delete].concat(), conflicts, unchanged, owned }
}

#[derive(Default)]
struct Stages {
    /// Deletions without which what takes their place cannot be made.
    room: Vec<Change>,
    create: Vec<Change>,
    update: Vec<Change>,
    /// Creations beside a set that another kind made room for.
    beside: Vec<Change>,
    delete: Vec<Change>,
    conflicts: Vec<Conflict>,
    unchanged: usize,
    owned: usize,
}

fn places<'l>(listing: &'l Listing, owner: &Owner) -> BTreeMap<&'l RecordName, Place<'l>> {
    let mut places: BTreeMap<&RecordName, Place<'_>> = BTreeMap::new();
    for existing in &listing.sets {
        let (place, kind) = (places.entry(&existing.set.name).or_default(), existing.set.kind());
        if existing.owner.as_ref() == Some(owner) {
            place.ours.insert(kind, existing);
        } else {
            place.foreign.insert(kind, existing.owner.as_ref());
        }
    }
    for other in &listing.others {
        places.entry(&other.name).or_default().others.insert(&other.kind);
    }
    places
}

fn at_one_name(wanted: Vec<&RecordSet>, place: &Place<'_>, stages: &mut Stages) {
    let (mut possible, mut is_contested) = (Vec::new(), false);
    for set in wanted {
        match conflict(set, place) {
            Some(conflict) => {
                is_contested = true;
                stages.conflicts.push(conflict);
            }
            None => possible.push(set),
        }
    }
    let mut spare = place.ours.clone();
    let (mut missing, mut changed_kind) = (Vec::new(), false);
    for set in possible {
        match spare.remove(&set.kind()) {
            Some(existing) if existing.set == *set => stages.unchanged += 1,
            Some(existing) => stages.update.push(Change::Update { before: existing.clone(), after: set.clone() }),
            None => missing.push(set),
        }
    }
    for set in missing {
        // One of another kind that cannot stay beside it gives its place in the same step; further ones go before.
        let mut in_the_way: Vec<&Existing> = Vec::new();
        spare.retain(|kind, existing| {
            let stays = kind.goes_with(set.kind());
            if !stays {
                in_the_way.push(existing);
            }
            stays
        });
        match in_the_way.pop() {
            Some(before) => {
                changed_kind = true;
                stages.update.push(Change::Update { before: before.clone(), after: set.clone() });
            }
            None if changed_kind => stages.beside.push(Change::Create(set.clone())),
            None => stages.create.push(Change::Create(set.clone())),
        }
        stages.room.extend(in_the_way.into_iter().map(|existing| Change::Delete(existing.clone())));
    }
    if is_contested {
        // To take away what is ours would leave the name to the other record alone.
        return;
    }
    stages.delete.extend(spare.into_values().map(|existing| Change::Delete(existing.clone())));
}

/// The record of somebody else that forbids `set`.
fn conflict(set: &RecordSet, place: &Place<'_>) -> Option<Conflict> {
    let conflict = |kind: &str, owner: Option<&Owner>| Conflict {
        wanted: set.clone(),
        kind: kind.to_owned(),
        owner: owner.cloned(),
    };
    let foreign = place.foreign.iter().find(|(kind, _)| !kind.goes_with(set.kind()));
    let other = place.others.first().filter(|_| set.kind() == Kind::Cname);
    foreign.map(|(kind, owner)| conflict(kind.as_str(), *owner)).or_else(|| other.map(|kind| conflict(kind, None)))
}

#[cfg(test)]
mod tests;
