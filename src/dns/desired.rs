//! What should be in a zone: record sets without contradiction.

use super::{Kind, RecordName, RecordSet};
use std::collections::BTreeMap;

/// Record sets of which no two contradict one another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    sets: BTreeMap<(RecordName, Kind), RecordSet>,
}

/// A record set contradicts one that is desired already.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{refused} contradicts {kept}, which was wanted first; one of the two has to go")]
pub struct Clash {
    /// The one that was wanted first.
    pub kept: RecordSet,
    /// The one that is left out.
    pub refused: RecordSet,
}

impl Desired {
    /// Adds a set. The same set may be wanted several times.
    pub fn add(&mut self, set: RecordSet) -> Result<(), Box<Clash>> {
        let kept = self.at(&set.name).find(|kept| !kept.kind().goes_with(set.kind())).cloned();
        match kept {
            Some(kept) if kept == set => Ok(()),
            Some(kept) => Err(Box::new(Clash { kept, refused: set })),
            None => {
                self.sets.insert((set.name.clone(), set.kind()), set);
                Ok(())
            }
        }
    }

    /// The set of a name and kind.
    pub fn get(&self, name: &RecordName, kind: Kind) -> Option<&RecordSet> {
        self.sets.get(&(name.clone(), kind))
    }

    /// The sets of a name.
    pub fn at<'d>(&'d self, name: &RecordName) -> impl Iterator<Item = &'d RecordSet> {
        self.sets.range((name.clone(), Kind::A)..=(name.clone(), Kind::Cname)).map(|(_, set)| set)
    }

    /// All sets, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &RecordSet> {
        self.sets.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Values;

    fn set(name: &str, value: &str) -> RecordSet {
        let values = match value.parse() {
            Ok(address) => Values::of_addresses([address]).remove(0),
            Err(_) => Values::Cname(value.parse().unwrap()),
        };
        RecordSet { name: name.parse().unwrap(), ttl: 60, values }
    }

    #[test]
    fn the_same_set_twice_is_one_and_a_contradiction_is_told() {
        let mut desired = Desired::default();
        desired.add(set("a.x", "10.0.0.1")).unwrap();
        desired.add(set("a.x", "10.0.0.1")).unwrap();
        desired.add(set("a.x", "::1")).unwrap();
        assert_eq!(desired.len(), 2);
        let clash = desired.add(set("a.x", "gateway.x")).unwrap_err();
        assert!(clash.to_string().starts_with("a.x 60 CNAME gateway.x contradicts a.x 60 A 10.0.0.1"), "{clash}");
        assert!(desired.add(set("a.x", "10.0.0.2")).is_err());
        desired.add(set("b.x", "gateway.x")).unwrap();
        assert!(desired.add(set("b.x", "::1")).is_err());
        assert_eq!(desired.len(), 3);
    }
}
