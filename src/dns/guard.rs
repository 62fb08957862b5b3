//! A plan that deletes much is not carried out before somebody has confirmed it.

use super::{Change, Plan};
use crate::model::Hostname;
use sha2::{Digest, Sha256};

/// How much a plan may delete unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// In hundredths of the records that are ours.
    pub percent: u8,
    /// So many are always allowed, so that small zones do not ask for every step.
    pub always: usize,
}

impl Default for Guard {
    fn default() -> Self {
        Self { percent: 30, always: 10 }
    }
}

/// A plan that deletes more than may be deleted unasked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the plan for {zone} deletes {deletes} of our {owned} record sets, and more than {percent} % are not deleted unasked; \
     look at it with doorstep dns plan, and confirm it with doorstep dns plan --confirm {fingerprint}"
)]
pub struct Refused {
    /// The zone.
    pub zone: Hostname,
    /// How many it deletes.
    pub deletes: usize,
    /// How many are ours.
    pub owned: usize,
    /// The share that is allowed.
    pub percent: u8,
    /// What has to be given to confirm exactly these deletions.
    pub fingerprint: String,
}

impl Guard {
    /// Refuses `plan` if it deletes too much and `confirmed` is not the fingerprint of its deletions.
    pub fn check(&self, zone: &Hostname, plan: &Plan, confirmed: Option<&str>) -> Result<(), Refused> {
        let deletes = plan.deletions().count();
        if deletes <= self.always || deletes * 100 <= plan.owned * usize::from(self.percent) {
            return Ok(());
        }
        let fingerprint = fingerprint(zone, plan);
        if confirmed == Some(fingerprint.as_str()) {
            return Ok(());
        }
        Err(Refused { zone: zone.clone(), deletes, owned: plan.owned, percent: self.percent, fingerprint })
    }
}

/// Names exactly the deletions of a plan: another record more or less makes another one.
fn fingerprint(zone: &Hostname, plan: &Plan) -> String {
    let mut hash = Sha256::new();
    hash.update(zone.as_str());
    for change in plan.deletions() {
        if let Change::Delete(existing) = change {
            let set = &existing.set;
            hash.update(format!("\n{} {} {} {}", set.name, set.ttl, set.kind(), set.values.texts().join(" ")));
        }
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
