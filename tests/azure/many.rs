//! A thousand environments in random order, with every tenth call refused, lost or overtaken: at the end the zone is exactly
//! what is desired beside what others have there, and no budget was exceeded.

use crate::emulator::{Emulator, Faults, ZONE, spelled};
use crate::zones::{address, alias, owner, provider, zone};
use doorstep::azure::Clock;
use doorstep::dns::{Desired, Guard, Keeper, KeeperConfig, May, ProviderError, RecordSet, Verifier, ZoneWanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const ENVIRONMENTS: usize = 1_000;
/// Between two plans this much happens.
const STEPS_OF_A_PLAN: usize = 60;
const LAG: Duration = Duration::from_secs(5);

/// What others have in the zone: other owners, none, other kinds, and one at a name that an environment wants.
fn make_foreign(emulator: &Emulator, is_private: bool) {
    let of = |owner: Option<&str>, ttl: u32| {
        let mut properties = json!({"ttl": ttl, "aRecords": [{"ipv4Address": "192.0.2.7"}]});
        if let Some(owner) = owner {
            properties["metadata"] = json!({"doorstep-owner": owner, "note": "ours, hands off"});
        }
        properties
    };
    let mut state = emulator.state();
    for (kind, name, properties) in [
        ("A", "vpn", of(None, 300)),
        ("A", "fronttheirs", of(Some("team-two"), 60)),
        ("A", "front-taken", of(None, 60)),
        ("A", "front7x", of(Some("team-one-b"), 60)),
        ("CNAME", "www", json!({"ttl": 60, "cnameRecord": {"cname": "vpn.int.example.com"}})),
        ("TXT", "_acme-challenge", json!({"ttl": 60, "txtRecords": [{"value": ["abc", "def"]}]})),
        ("MX", "@", json!({"ttl": 60, "mxRecords": [{"preference": 10, "exchange": "mail.example.com"}]})),
    ] {
        let etag = state.next();
        let properties = spelled(properties, is_private);
        state.zone(ZONE, is_private).records.put(kind, name, properties, etag, Duration::ZERO);
    }
}

fn has_our_mark(item: &Value) -> bool {
    item["properties"]["metadata"]["doorstep-owner"] == owner().as_str()
}

fn foreign(emulator: &Emulator, is_private: bool) -> Vec<Value> {
    emulator.state().zone(ZONE, is_private).records.all().into_iter().filter(|item| !has_our_mark(item)).collect()
}

/// Name, kind, TTL and values of what is marked as ours.
fn ours(emulator: &Emulator, is_private: bool) -> Vec<String> {
    let all = emulator.state().zone(ZONE, is_private).records.all();
    let told = |item: &Value| {
        let (kind, properties) = (item["type"].as_str().unwrap().rsplit('/').next().unwrap(), &item["properties"]);
        let either = |private: &str, public: &str| &properties[if is_private { private } else { public }];
        let value = match kind {
            "A" => &either("aRecords", "ARecords")[0]["ipv4Address"],
            "AAAA" => &either("aaaaRecords", "AAAARecords")[0]["ipv6Address"],
            _ => &either("cnameRecord", "CNAMERecord")["cname"],
        };
        let (name, ttl) = (item["name"].as_str().unwrap(), either("ttl", "TTL"));
        format!("{name}.{ZONE} {ttl} {kind} {}", value.as_str().unwrap())
    };
    let mut told: Vec<String> = all.iter().filter(|item| has_our_mark(item)).map(told).collect();
    told.sort();
    told
}

/// The record of an environment at one stage of its life; the last stage is that it is gone.
fn record(number: usize, stage: usize) -> Option<RecordSet> {
    let name = format!("front{number}");
    match (stage, number % 4) {
        (1, 0) => Some(alias(&name, "gateway.example.com")),
        (1, 1) => Some(address(&name, &format!("fd00::{number:x}"), 60)),
        (1, _) => Some(address(&name, &format!("10.0.{}.{}", number / 250, number % 250), 60)),
        // A change of the value, of the TTL, of the kind.
        (2, 0) => Some(alias(&name, "gateway-2.example.com")),
        (2, 1) => Some(address(&name, &format!("fd00::{number:x}"), 300)),
        (2, 2) => Some(address(&name, &format!("10.1.{}.{}", number / 250, number % 250), 60)),
        (2, _) => Some(alias(&name, "gateway.example.com")),
        _ => None,
    }
}

/// One pass over the zone by the manager's own keeper; whether nothing was left to do.
async fn pass(keeper: &mut Keeper, wanted: &ZoneWanted, clock: &Clock, tally: &mut BTreeMap<&str, usize>) -> bool {
    let may: May = Arc::new(|| true);
    let pass = keeper.pass(wanted, None, &may).await;
    *tally.entry("changed").or_default() += pass.changed;
    assert!(pass.refused.is_none(), "{:?}", pass.refused);
    let Some(failure) = pass.failure else { return pass.changed == 0 };
    *tally.entry(failure.reason()).or_default() += 1;
    match failure {
        ProviderError::Throttled { after, .. } => clock.sleep(after.unwrap_or(LAG)).await,
        ProviderError::Precondition(_) | ProviderError::Lost(_) | ProviderError::Unavailable(_) => {}
        ProviderError::Refused(_) | ProviderError::NotOurs(_) => panic!("{failure}"),
    }
    false
}

/// A keeper of the zone that lists it anew at each pass, and asks no name server.
fn keeper(emulator: &Emulator, is_private: bool) -> Keeper {
    Keeper::new(KeeperConfig {
        zone: zone(),
        provider: Arc::new(provider(emulator, is_private)),
        authority: Vec::new(),
        owner: owner(),
        guard: Guard { percent: 100, always: 10 },
        period: Duration::ZERO,
        verifier: Verifier::new(&[]),
    })
}

/// Each environment's stages come in order, the environments at random: 1 made, 2 changed, 3 deleted but for each fifth.
fn steps(random: &mut fastrand::Rng) -> Vec<(usize, usize)> {
    let mut numbers: Vec<usize> = (0..ENVIRONMENTS).flat_map(|n| vec![n; if n % 5 == 0 { 2 } else { 3 }]).collect();
    random.shuffle(&mut numbers);
    let mut stages = vec![0; ENVIRONMENTS];
    let step = |number: usize| {
        stages[number] += 1;
        (number, stages[number])
    };
    numbers.into_iter().map(step).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_environments_in_private_dns_with_faults_leave_exactly_what_is_desired_within_the_budgets() {
    a_thousand_environments(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_environments_in_public_dns_with_faults_leave_exactly_what_is_desired_within_the_budgets() {
    a_thousand_environments(false).await;
}

async fn a_thousand_environments(is_private: bool) {
    let emulator = Emulator::start(100).await;
    emulator.state().make_zone(ZONE, is_private);
    make_foreign(&emulator, is_private);
    let foreign_before = foreign(&emulator, is_private);
    let mut random = fastrand::Rng::with_seed(5);
    emulator.state().faults = Faults {
        throttled: 0.10,
        lost_after: 0.10,
        lost_before: 0.02,
        precondition: 0.10,
        unavailable: 0.01,
        lag_seconds: LAG.as_secs(),
    };
    let mut keeper = keeper(&emulator, is_private);
    let mut living: BTreeMap<usize, RecordSet> = BTreeMap::new();
    let mut tally = BTreeMap::new();
    for batch in steps(&mut random).chunks(STEPS_OF_A_PLAN) {
        for (number, stage) in batch {
            match record(*number, *stage) {
                Some(set) => living.insert(*number, set),
                None => living.remove(number),
            };
        }
        pass(&mut keeper, &wanted(&living), &emulator.clock, &mut tally).await;
    }
    let wanted = wanted(&living);
    let mut settled = 0;
    // A listing that lags behind may look done too early: twice, further apart than it lags.
    while settled < 2 {
        emulator.clock.sleep(LAG * 2).await;
        settled = if pass(&mut keeper, &wanted, &emulator.clock, &mut tally).await { settled + 1 } else { 0 };
    }
    told(&emulator, &tally);
    let taken = format!("front-taken.{ZONE}");
    let mut expected: Vec<String> =
        wanted.desired.iter().filter(|set| set.name.to_string() != taken).map(ToString::to_string).collect();
    expected.sort();
    assert_eq!(ours(&emulator, is_private), expected);
    assert_eq!(foreign(&emulator, is_private), foreign_before, "what is not ours is as it was, byte for byte");
    let state = emulator.state();
    assert!(state.seen.iter().all(|seen| seen.path.starts_with("/subscriptions/")));
    assert!(state.violations.is_empty(), "{:?}", state.violations);
    assert!(state.budgets.exceeded.is_empty(), "{:?}", state.budgets.exceeded);
}

fn wanted(living: &BTreeMap<usize, RecordSet>) -> ZoneWanted {
    let mut desired = Desired::default();
    let taken = address("front-taken", "10.9.9.9", 60);
    living.values().cloned().chain([taken]).for_each(|set| desired.add(set).unwrap());
    ZoneWanted { desired, ..ZoneWanted::default() }
}

/// Prints what the run saw, for the record.
fn told(emulator: &Emulator, tally: &BTreeMap<&str, usize>) {
    let state = emulator.state();
    let mut by: BTreeMap<String, usize> = BTreeMap::new();
    for seen in &state.seen {
        *by.entry(format!("{} {} {:?}", seen.method, seen.status, seen.fate)).or_default() += 1;
    }
    println!("calls by method, status and fault: {by:#?}");
    println!("passes' failures and changes: {tally:?}");
    println!(
        "the busiest five minutes: {:?} of 1000 writes, 10000 reads, 500 reads of private DNS",
        state.budgets.busiest()
    );
    println!("over budget: {:?}; {} s of the emulator's clock", state.budgets.exceeded, emulator.clock.now().as_secs());
}
