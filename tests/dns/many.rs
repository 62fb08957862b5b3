//! A thousand environments come, change and go in a random order, while messages get lost and others write as well.

use crate::fault::lossy;
use crate::server::*;
use doorstep::dns::{Keeper, RecordSet, ZoneWanted};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Instant;

const ENVIRONMENTS: usize = 1000;
const ROUNDS: usize = 40;

pub fn wanted(sets: &BTreeMap<String, RecordSet>) -> ZoneWanted {
    let mut wanted = ZoneWanted::default();
    for set in sets.values() {
        wanted.desired.add(set.clone()).unwrap();
    }
    wanted
}

/// Passes until everything is done; gives how many it took.
pub async fn settle(keeper: &mut Keeper, wanted: &ZoneWanted) -> usize {
    let end = Instant::now() + DEADLINE;
    for count in 1.. {
        let pass = keeper.pass(wanted, None, &may()).await;
        if pass.is_done {
            return count;
        }
        assert!(Instant::now() < end, "the zone does not settle: {:?}", pass.failure);
    }
    unreachable!()
}

fn random_set(chance: &mut fastrand::Rng, user: usize) -> RecordSet {
    let value = match chance.u8(0..4) {
        0 => format!("gateway{}.example.test", chance.u8(0..3)),
        1 => format!("fd00::{}", chance.u8(1..9)),
        _ => format!("10.0.0.{}", chance.u8(1..9)),
    };
    set(&format!("frontu{user}"), u32::from(chance.u8(1..4)) * 30, &value)
}

async fn thousand(make: Make, seed: u64) {
    let server = NameServer::start(make);
    let foreign = server.records();
    let (through, losses) = lossy(server.address, 10, seed).await;
    let mut keeper = keeper(&server, through, "one", "one");
    let mut chance = fastrand::Rng::with_seed(seed);
    // Users 7, 8 and 9 want names that others have; everybody else's are free.
    let mut todo: Vec<usize> = (0..ENVIRONMENTS).collect();
    chance.shuffle(&mut todo);
    let mut now: BTreeMap<String, RecordSet> = BTreeMap::new();
    let (mut changed, mut deleted, mut passes) = (0, 0, 0);
    for round in 0..ROUNDS {
        for user in todo.split_off(todo.len().saturating_sub(ENVIRONMENTS / ROUNDS)) {
            now.insert(format!("u{user}"), random_set(&mut chance, user));
        }
        let names: Vec<String> = now.keys().cloned().collect();
        for name in names {
            match chance.u8(0..100) {
                0..=3 => {
                    let user = name[1..].parse().unwrap();
                    now.insert(name, random_set(&mut chance, user));
                    changed += 1;
                }
                4..=6 => {
                    now.remove(&name);
                    deleted += 1;
                }
                _ => {}
            }
        }
        // Somebody else takes a record of ours away, and another one a mark: both are put right, or left to them.
        if round % 8 == 3 {
            let ours = now.values().find(|set| set.kind() == doorstep::dns::Kind::A && !is_foreign(set));
            if let Some(set) = ours {
                server.nsupdate(&format!("update delete {} A", set.name));
                keeper.forget();
            }
        }
        passes += settle(&mut keeper, &wanted(&now)).await;
    }
    let mut expected = foreign.clone();
    expected.extend(now.values().filter(|set| !is_foreign(set)).flat_map(|set| lines(set, "one")));
    let found = server.records();
    let (more, less): (BTreeSet<_>, BTreeSet<_>) =
        (found.difference(&expected).cloned().collect(), expected.difference(&found).cloned().collect());
    assert!(more.is_empty() && less.is_empty(), "{make:?}: too much: {more:?}; too little: {less:?}");
    println!(
        "{make:?}: {ENVIRONMENTS} created, {changed} changed, {deleted} deleted in {passes} passes; {} connections, of which {} \
         questions and {} answers were lost; {} records of ours at the end, {} of others",
        losses.connections.load(Ordering::Relaxed),
        losses.questions.load(Ordering::Relaxed),
        losses.answers.load(Ordering::Relaxed),
        found.len() - foreign.len(),
        foreign.len(),
    );
    // And all of it goes again, without a trace.
    settle(&mut keeper, &ZoneWanted::default()).await;
    assert_eq!(server.records(), foreign, "{make:?}");
}

/// Names at which somebody else's record forbids ours: they are left as they are.
fn is_foreign(set: &RecordSet) -> bool {
    use doorstep::dns::Kind;
    let name = set.name.to_string();
    let is = |user: &str| name == format!("frontu{user}.{ZONE}");
    is("8") || ((is("7") || is("9")) && set.kind() != Kind::Aaaa)
}

#[tokio::test]
async fn the_zone_is_what_is_desired_and_what_others_had_on_bind() {
    thousand(Make::Bind, 11).await;
}

#[tokio::test]
async fn the_zone_is_what_is_desired_and_what_others_had_on_knot() {
    thousand(Make::Knot, 12).await;
}
