//! A zone is kept by the rules, whatever its provider does.

use super::*;
use crate::dns::Values;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::sync::Mutex;

/// A zone in memory that compares before it sets, and fails when it is told to.
#[derive(Debug, Default)]
struct Memory {
    sets: Mutex<Vec<Existing>>,
    /// How the next calls fail, and whether the change is made all the same.
    faults: Mutex<Vec<(ProviderError, bool)>>,
    listings: Mutex<usize>,
}

impl Memory {
    fn change(
        &self,
        make: impl FnOnce(&mut Vec<Existing>) -> Result<(), ProviderError>,
    ) -> Result<String, ProviderError> {
        let fault = self.faults.lock().unwrap().pop();
        if let Some((error, is_made)) = fault {
            if is_made {
                make(&mut self.sets.lock().unwrap())?;
            }
            return Err(error);
        }
        make(&mut self.sets.lock().unwrap()).map(|()| "v".to_owned())
    }
}

fn at(sets: &[Existing], set: &RecordSet) -> Option<usize> {
    sets.iter().position(|there| there.set.name == set.name && there.set.kind() == set.kind())
}

fn changed() -> ProviderError {
    ProviderError::Precondition("it is not what was listed".to_owned())
}

impl Provider for Memory {
    fn list<'p>(&'p self, _: &'p Hostname) -> BoxFuture<'p, Result<Listing, ProviderError>> {
        *self.listings.lock().unwrap() += 1;
        let sets = self.sets.lock().unwrap().clone();
        async move { Ok(Listing { sets, others: Vec::new() }) }.boxed()
    }

    fn create<'p>(
        &'p self,
        _: &'p Hostname,
        set: &'p RecordSet,
        owner: &'p Owner,
    ) -> BoxFuture<'p, Result<String, ProviderError>> {
        let made = self.change(|sets| {
            if at(sets, set).is_some() {
                return Err(changed());
            }
            sets.push(Existing { set: set.clone(), owner: Some(owner.clone()), version: "v".to_owned() });
            Ok(())
        });
        async move { made }.boxed()
    }

    fn update<'p>(
        &'p self,
        _: &'p Hostname,
        before: &'p Existing,
        after: &'p RecordSet,
        _: &'p Owner,
    ) -> BoxFuture<'p, Result<String, ProviderError>> {
        let made = self.change(|sets| {
            let at = sets.iter().position(|there| there == before).ok_or_else(changed)?;
            sets[at].set = after.clone();
            Ok(())
        });
        async move { made }.boxed()
    }

    fn delete<'p>(
        &'p self,
        _: &'p Hostname,
        before: &'p Existing,
        _: &'p Owner,
    ) -> BoxFuture<'p, Result<(), ProviderError>> {
        let made = self.change(|sets| {
            let at = sets.iter().position(|there| there == before).ok_or_else(changed)?;
            sets.remove(at);
            Ok(())
        });
        async move { made.map(drop) }.boxed()
    }
}

fn set(name: &str, value: &str) -> RecordSet {
    RecordSet { name: name.parse().unwrap(), ttl: 60, values: Values::of_addresses([value.parse().unwrap()]).remove(0) }
}

fn wanted(names: impl IntoIterator<Item = usize>) -> ZoneWanted {
    let mut wanted = ZoneWanted::default();
    for i in names {
        wanted.desired.add(set(&format!("a{i}.x"), "10.0.0.1")).unwrap();
    }
    wanted
}

fn keeper(memory: &Arc<Memory>) -> Keeper {
    Keeper::new(KeeperConfig {
        zone: "x".parse().unwrap(),
        provider: memory.clone(),
        authority: Vec::new(),
        owner: "ours".parse().unwrap(),
        guard: Guard::default(),
        period: Duration::from_secs(300),
        verifier: Verifier::new(&[]),
    })
}

fn may(write: bool) -> May {
    Arc::new(move || write)
}

async fn pass(keeper: &mut Keeper, wanted: &ZoneWanted) -> Pass {
    keeper.pass(wanted, None, &may(true)).await
}

#[tokio::test]
async fn one_listing_serves_many_changes() {
    let memory = Arc::new(Memory::default());
    let mut keeper = keeper(&memory);
    for count in 1..20 {
        let done = pass(&mut keeper, &wanted(0..count)).await;
        assert!(done.is_done && done.changed == 1, "{done:?}");
    }
    assert_eq!((*memory.listings.lock().unwrap(), memory.sets.lock().unwrap().len()), (1, 19));
}

#[tokio::test]
async fn a_lost_answer_makes_nothing_twice_and_leaves_nothing_out() {
    for is_made in [true, false] {
        let memory = Arc::new(Memory::default());
        let mut keeper = keeper(&memory);
        memory.faults.lock().unwrap().push((ProviderError::Lost("no answer came".to_owned()), is_made));
        let first = pass(&mut keeper, &wanted(0..3)).await;
        assert!(!first.is_done && first.changed == 2, "the others are made all the same: {first:?}");
        let lost = first.states.values().filter(|state| matches!(state, SetState::Failed { reason: "AnswerLost", .. }));
        assert_eq!(lost.count(), 1);
        let second = pass(&mut keeper, &wanted(0..3)).await;
        assert!(second.is_done && second.changed == usize::from(!is_made), "{second:?}");
        assert_eq!((memory.sets.lock().unwrap().len(), *memory.listings.lock().unwrap()), (3, 2));
    }
}

#[tokio::test]
async fn a_provider_that_throttles_is_left_alone_for_the_rest_of_the_pass() {
    let memory = Arc::new(Memory::default());
    let mut keeper = keeper(&memory);
    let throttled = ProviderError::Throttled { after: Some(Duration::from_secs(9)), said: "too many calls".to_owned() };
    memory.faults.lock().unwrap().push((throttled.clone(), false));
    let first = pass(&mut keeper, &wanted(0..5)).await;
    assert_eq!((first.changed, first.failure), (0, Some(throttled)));
    assert!(first.states.values().all(|state| matches!(state, SetState::Failed { reason: "Throttled", .. })));
    assert!(pass(&mut keeper, &wanted(0..5)).await.is_done);
    assert_eq!(*memory.listings.lock().unwrap(), 1, "nothing was changed, so nothing is listed anew");
}

#[tokio::test]
async fn a_plan_that_deletes_much_waits_whole_for_its_confirmation() {
    let memory = Arc::new(Memory::default());
    let mut keeper = keeper(&memory);
    assert!(pass(&mut keeper, &wanted(0..40)).await.is_done);
    let less = wanted(30..41);
    let refused = pass(&mut keeper, &less).await;
    let fingerprint = refused.refused.as_ref().unwrap().fingerprint.clone();
    assert_eq!(memory.sets.lock().unwrap().len(), 40, "nothing was done");
    let new = ("a40.x".parse().unwrap(), Kind::A);
    assert!(matches!(&refused.states[&new], SetState::Failed { reason: "PlanRefused", .. }));
    let done = keeper.pass(&less, Some(&fingerprint), &may(true)).await;
    assert!(done.is_done && done.refused.is_none(), "{done:?}");
    assert_eq!(memory.sets.lock().unwrap().len(), 11);
}

#[tokio::test]
async fn a_name_whose_class_cannot_be_read_is_left_as_it_is() {
    let memory = Arc::new(Memory::default());
    let mut keeper = keeper(&memory);
    assert!(pass(&mut keeper, &wanted(0..3)).await.is_done);
    let mut less = wanted(0..1);
    less.kept.insert("a1.x".parse().unwrap());
    assert_eq!(pass(&mut keeper, &less).await.changed, 1);
    assert!(at(&memory.sets.lock().unwrap(), &set("a1.x", "10.0.0.1")).is_some());
}

#[tokio::test]
async fn nothing_is_written_by_one_that_leads_no_more() {
    let memory = Arc::new(Memory::default());
    let mut keeper = keeper(&memory);
    let pass = keeper.pass(&wanted(0..3), None, &may(false)).await;
    assert_eq!((pass.changed, pass.is_done), (0, false));
    assert!(memory.sets.lock().unwrap().is_empty());
}
