//! Keeps one zone: lists it once, brings it to what is desired, and looks whether that resolves.

use super::rfc2136::ServerAddress;
use super::verify::{Verdict, told, wanted};
use super::{
    Change, Desired, Existing, Guard, Kind, Listing, Owner, Plan, Provider, ProviderError, RecordName, RecordSet,
    Refused, Verifier, plan,
};
use crate::model::Hostname;
use crate::telemetry::metrics;
use futures::StreamExt as _;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How many sets are asked for at the same time.
const QUESTIONS: usize = 16;

/// Whether this process may write now.
pub type May = Arc<dyn Fn() -> bool + Send + Sync>;

/// Which set a state is about.
pub type SetKey = (RecordName, Kind);

/// How a desired set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetState {
    /// It is there, and it resolves.
    Resolves(String),
    /// It is there, and does not resolve yet, or nobody could be asked.
    Written {
        /// What is told of it.
        said: String,
        /// Whether that is all that can be known, as no server is named that could be asked.
        is_enough: bool,
    },
    /// It is not there.
    Failed {
        /// Why, for programs.
        reason: &'static str,
        /// Why, for people.
        said: String,
    },
}

/// What a zone needs to be kept.
#[derive(Debug, Clone)]
pub struct KeeperConfig {
    /// The zone.
    pub zone: Hostname,
    /// Who keeps it.
    pub provider: Arc<dyn Provider>,
    /// The servers that are asked whether a record is there.
    pub authority: Vec<ServerAddress>,
    /// Whose records we write.
    pub owner: Owner,
    /// How much is deleted unasked.
    pub guard: Guard,
    /// How long a listing counts.
    pub period: Duration,
    /// Asks whether a record resolves.
    pub verifier: Verifier,
}

/// Keeps one zone.
#[derive(Debug)]
pub struct Keeper {
    config: KeeperConfig,
    /// What is known to be there, with what we changed since.
    known: Option<Known>,
    verified: HashSet<RecordSet>,
}

#[derive(Debug)]
struct Known {
    listing: Listing,
    since: Instant,
}

/// What one pass over a zone has come to.
#[derive(Debug, Default)]
pub struct Pass {
    /// Every desired set.
    pub states: BTreeMap<SetKey, SetState>,
    /// The plan was not carried out, as it deletes too much.
    pub refused: Option<Refused>,
    /// What kept the pass from being carried out whole.
    pub failure: Option<ProviderError>,
    /// How many changes were made.
    pub changed: usize,
    /// Whether everything is as it should be, as far as it can be known.
    pub is_done: bool,
}

/// What is desired in a zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ZoneWanted {
    /// The sets.
    pub desired: Desired,
    /// Names that are left as they are, as it cannot be known what they should hold.
    pub kept: BTreeSet<RecordName>,
}

impl Keeper {
    /// A keeper that knows nothing yet.
    pub fn new(config: KeeperConfig) -> Self {
        Self { config, known: None, verified: HashSet::new() }
    }

    /// What it was made with.
    pub fn config(&self) -> &KeeperConfig {
        &self.config
    }

    /// What would be done now, without doing it.
    pub async fn plan(&mut self, wanted: &ZoneWanted) -> Result<Plan, ProviderError> {
        self.list().await?;
        Ok(self.plan_known(wanted))
    }

    fn plan_known(&self, wanted: &ZoneWanted) -> Plan {
        let empty = Listing::default();
        let listing = self.known.as_ref().map_or(&empty, |known| &known.listing);
        let mut plan = plan(&wanted.desired, listing, &self.config.owner);
        plan.changes.retain(|change| !(matches!(change, Change::Delete(_)) && wanted.kept.contains(change.name())));
        plan
    }

    async fn list(&mut self) -> Result<(), ProviderError> {
        let is_fresh = self.known.as_ref().is_some_and(|known| known.since.elapsed() < self.config.period);
        if is_fresh {
            return Ok(());
        }
        let listed = self.config.provider.list(&self.config.zone).await;
        metrics::dns_listed(&self.config.zone, listed.as_ref().err().map_or("done", ProviderError::reason));
        self.known = Some(Known { listing: listed?, since: Instant::now() });
        // What somebody changed meanwhile has to resolve anew.
        self.verified.clear();
        Ok(())
    }

    /// Lists again at the next pass, whatever the age of the last listing.
    pub fn forget(&mut self) {
        self.known = None;
    }

    /// Brings the zone to what is desired. `confirmed` names deletions that somebody has confirmed; `may` is asked before each
    /// change whether this process still may write.
    pub async fn pass(&mut self, wanted: &ZoneWanted, confirmed: Option<&str>, may: &May) -> Pass {
        let mut pass = Pass::default();
        if let Err(failure) = self.list().await {
            self.all_failed(wanted, &failure, &mut pass);
            pass.failure = Some(failure);
            return pass;
        }
        let plan = self.plan_known(wanted);
        for conflict in &plan.conflicts {
            let key = (conflict.wanted.name.clone(), conflict.wanted.kind());
            pass.states.insert(key, SetState::Failed { reason: "Conflict", said: conflict.to_string() });
        }
        match self.config.guard.check(&self.config.zone, &plan, confirmed) {
            Err(refused) => {
                for change in plan.changes.iter().filter(|change| !matches!(change, Change::Delete(_))) {
                    let state = SetState::Failed { reason: "PlanRefused", said: refused.to_string() };
                    pass.states.insert((change.name().clone(), change.kind()), state);
                }
                pass.refused = Some(refused);
            }
            Ok(()) => self.carry_out(plan.changes, &mut pass, may).await,
        }
        self.verify(wanted, &mut pass).await;
        if pass.failure.is_none() && pass.refused.is_none() && may() {
            pass.failure = self.config.provider.tidy(&self.config.zone, &self.config.owner).await.err();
        }
        self.count(&pass);
        pass.is_done = pass.failure.is_none()
            && pass.refused.is_none()
            && pass.states.values().all(|state| match state {
                SetState::Resolves(_) | SetState::Written { is_enough: true, .. } => true,
                // A conflict stays until somebody removes the record: the next listing looks for that.
                SetState::Failed { reason, .. } => *reason == "Conflict",
                SetState::Written { is_enough: false, .. } => false,
            });
        pass
    }

    fn all_failed(&self, wanted: &ZoneWanted, failure: &ProviderError, pass: &mut Pass) {
        for set in wanted.desired.iter() {
            let state = SetState::Failed { reason: failure.reason(), said: failure.to_string() };
            pass.states.insert((set.name.clone(), set.kind()), state);
        }
    }

    async fn carry_out(&mut self, changes: Vec<Change>, pass: &mut Pass, may: &May) {
        let mut is_stale = false;
        let mut changes = changes.into_iter();
        while let Some(change) = changes.next() {
            if !may() {
                pass.failure
                    .get_or_insert(ProviderError::Unavailable("another manager leads, or may lead by now".to_owned()));
                return;
            }
            let Err(failure) = self.make(&change).await else {
                pass.changed += 1;
                continue;
            };
            tracing::warn!(zone = %self.config.zone, name = %change.name(), %failure, "a record could not be changed");
            is_stale |= failure.is_of_one_record();
            not_made(&change, &failure, pass);
            if !failure.is_of_one_record() {
                changes.by_ref().for_each(|change| not_made(&change, &failure, pass));
            }
            pass.failure.get_or_insert(failure);
        }
        if is_stale {
            self.forget();
        }
    }

    /// Makes one change, and notes it in what is known.
    async fn make(&mut self, change: &Change) -> Result<(), ProviderError> {
        let KeeperConfig { zone, provider, owner, .. } = &self.config;
        let (kind, made) = match change {
            Change::Create(set) => ("create", provider.create(zone, set, owner).await.map(Some)),
            Change::Update { before, after } => ("update", provider.update(zone, before, after, owner).await.map(Some)),
            Change::Delete(before) => ("delete", provider.delete(zone, before, owner).await.map(|()| None)),
        };
        metrics::dns_changed(kind, made.as_ref().err().map_or("done", ProviderError::reason));
        let version = made?;
        let Some(known) = &mut self.known else { return Ok(()) };
        let gone = match change {
            Change::Create(_) => None,
            Change::Update { before, .. } | Change::Delete(before) => Some(before),
        };
        if let Some(gone) = gone {
            known
                .listing
                .sets
                .retain(|existing| (&existing.set.name, existing.set.kind()) != (&gone.set.name, gone.set.kind()));
        }
        if let (Change::Create(set) | Change::Update { after: set, .. }, Some(version)) = (change, version) {
            self.verified.remove(set);
            known.listing.sets.push(Existing { set: set.clone(), owner: Some(owner.clone()), version });
        }
        Ok(())
    }

    /// Asks for the sets that are there and were not seen to resolve yet.
    async fn verify(&mut self, wanted_sets: &ZoneWanted, pass: &mut Pass) {
        self.verified.retain(|set| wanted_sets.desired.get(&set.name, set.kind()) == Some(set));
        let mut unknown = Vec::new();
        for set in wanted_sets.desired.iter() {
            let key = (set.name.clone(), set.kind());
            if pass.states.contains_key(&key) {
                continue;
            }
            if self.verified.contains(set) {
                let said = format!("{} resolves to {}", set.name, wanted(&set.values));
                pass.states.insert(key, SetState::Resolves(said));
            } else {
                unknown.push(set.clone());
            }
        }
        let config = self.config.clone();
        let states: Vec<(RecordSet, SetState)> = futures::stream::iter(unknown)
            .map(move |set| {
                let (verifier, authority) = (config.verifier.clone(), config.authority.clone());
                async move {
                    let state = look(&verifier, &authority, &set).await;
                    (set, state)
                }
            })
            .buffer_unordered(QUESTIONS)
            .collect()
            .await;
        for (set, state) in states {
            if matches!(state, SetState::Resolves(_)) {
                self.verified.insert(set.clone());
            }
            pass.states.insert((set.name.clone(), set.kind()), state);
        }
    }

    fn count(&self, pass: &Pass) {
        let of = |fits: fn(&SetState) -> bool| pass.states.values().filter(|state| fits(state)).count();
        let counts = [
            ("resolves", of(|state| matches!(state, SetState::Resolves(_)))),
            ("written", of(|state| matches!(state, SetState::Written { .. }))),
            ("conflict", of(|state| matches!(state, SetState::Failed { reason, .. } if *reason == "Conflict"))),
            ("failed", of(|state| matches!(state, SetState::Failed { reason, .. } if *reason != "Conflict"))),
        ];
        metrics::dns_record_sets(&self.config.zone, &counts);
    }
}

fn not_made(change: &Change, failure: &ProviderError, pass: &mut Pass) {
    match change {
        Change::Create(set) | Change::Update { after: set, .. } => {
            let state = SetState::Failed { reason: failure.reason(), said: failure.to_string() };
            pass.states.insert((set.name.clone(), set.kind()), state);
        }
        // Nobody waits for it but the next pass.
        Change::Delete(_) => {}
    }
}

/// Whether a set resolves.
pub(super) async fn look(verifier: &Verifier, authority: &[ServerAddress], set: &RecordSet) -> SetState {
    if !authority.is_empty() {
        match verifier.at_authority(authority, set).await {
            Verdict::Right => {}
            Verdict::Wrong(found) => {
                let said = format!("{set} is written; its authority still answers {}", told(&found));
                return SetState::Written { said, is_enough: false };
            }
            Verdict::Unknown(why) => {
                return SetState::Written { said: format!("{set} is written; {why}"), is_enough: false };
            }
        }
    }
    let resolvers = verifier.at_resolvers(set).await;
    if authority.is_empty() && resolvers.is_empty() {
        return SetState::Written {
            said: format!("{set} is written; no server is named that could be asked"),
            is_enough: true,
        };
    }
    for (resolver, verdict) in resolvers {
        let what = match verdict {
            Verdict::Right => continue,
            Verdict::Wrong(found) => format!("the resolver {resolver} still answers {}", told(&found)),
            Verdict::Unknown(why) => why,
        };
        return SetState::Written { said: format!("{set} is written; {what}"), is_enough: false };
    }
    SetState::Resolves(format!("{} resolves to {}", set.name, wanted(&set.values)))
}

#[cfg(test)]
mod tests;
