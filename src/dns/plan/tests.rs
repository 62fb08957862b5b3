//! Rules of the plan, by example and by property.

use super::*;
use crate::dns::{Guard, Occupied, Values};
use crate::model::Hostname;
use proptest::prelude::*;

fn owner() -> Owner {
    "ours".parse().unwrap()
}

fn set(name: &str, ttl: u32, value: &str) -> RecordSet {
    let values = match value.parse() {
        Ok(address) => Values::of_addresses([address]).remove(0),
        Err(_) => Values::Cname(value.parse().unwrap()),
    };
    RecordSet { name: name.parse().unwrap(), ttl, values }
}

fn existing(set: RecordSet, owner: Option<&str>) -> Existing {
    let version = format!("{set}");
    Existing { set, owner: owner.map(|owner| owner.parse().unwrap()), version }
}

fn desired(sets: impl IntoIterator<Item = RecordSet>) -> Desired {
    let mut desired = Desired::default();
    for set in sets {
        let _left_out = desired.add(set);
    }
    desired
}

fn listing(sets: impl IntoIterator<Item = Existing>) -> Listing {
    Listing { sets: sets.into_iter().collect(), others: Vec::new() }
}

#[test]
fn creations_come_first_and_deletions_last() {
    let listed = listing([
        existing(set("a.x", 60, "10.0.0.1"), Some("ours")),
        existing(set("b.x", 60, "10.0.0.1"), Some("ours")),
        existing(set("c.x", 60, "10.0.0.1"), Some("ours")),
    ]);
    let wanted = desired([set("b.x", 30, "10.0.0.1"), set("c.x", 60, "10.0.0.1"), set("d.x", 60, "10.0.0.1")]);
    let plan = plan(&wanted, &listed, &owner());
    let order: Vec<String> = plan.changes.iter().map(|change| change.name().to_string()).collect();
    assert_eq!(order, ["d.x", "b.x", "a.x"]);
    assert_eq!((plan.unchanged, plan.owned), (1, 3));
}

#[test]
fn a_record_of_somebody_else_in_the_way_is_told_and_left() {
    let listed = listing([
        existing(set("a.x", 60, "10.0.0.1"), None),
        existing(set("b.x", 60, "elsewhere.x"), Some("theirs")),
        existing(set("c.x", 60, "10.9.9.9"), None),
    ]);
    let wanted = desired([set("a.x", 60, "10.0.0.1"), set("b.x", 60, "10.0.0.1"), set("c.x", 60, "::1")]);
    let plan = plan(&wanted, &listed, &owner());
    let told: Vec<String> = plan.conflicts.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("a A record that is not ours stands there"), "{}", told[0]);
    assert!(told[1].contains("a CNAME record of the owner theirs"), "{}", told[1]);
    // An address of the other family may stand beside.
    assert_eq!(plan.changes, [Change::Create(set("c.x", 60, "::1"))]);
}

#[test]
fn a_cname_is_not_put_beside_anything() {
    let mut listed = listing([]);
    listed.others.push(Occupied { name: "a.x".parse().unwrap(), kind: "TXT".into() });
    let plan = plan(&desired([set("a.x", 60, "gateway.x"), set("b.x", 60, "gateway.x")]), &listed, &owner());
    assert_eq!((plan.changes.len(), plan.conflicts.len()), (1, 1));
    assert_eq!(plan.conflicts[0].kind, "TXT");
}

#[test]
fn another_kind_takes_the_place_in_one_step_after_the_rest_made_room() {
    let (v4, v6) = (existing(set("a.x", 60, "10.0.0.1"), Some("ours")), existing(set("a.x", 60, "::1"), Some("ours")));
    let wanted = desired([set("a.x", 60, "gateway.x")]);
    let made = plan(&wanted, &listing([v4.clone(), v6.clone()]), &owner());
    let after = set("a.x", 60, "gateway.x");
    assert_eq!(made.changes, [Change::Delete(v4.clone()), Change::Update { before: v6, after: after.clone() }]);
    // And back: one takes the place, the other is new; it is made after that, as it cannot stand beside.
    let back = plan(
        &desired([v4.set.clone(), set("a.x", 60, "::1")]),
        &listing([existing(after.clone(), Some("ours"))]),
        &owner(),
    );
    let names: Vec<_> =
        back.changes.iter().map(|change| (matches!(change, Change::Create(_)), change.kind())).collect();
    assert_eq!(names, [(false, Kind::A), (true, Kind::Aaaa)]);
}

#[test]
fn nothing_of_ours_is_deleted_where_a_conflict_stands() {
    let listed =
        listing([existing(set("a.x", 60, "10.0.0.1"), Some("ours")), existing(set("a.x", 60, "::1"), Some("theirs"))]);
    let plan = plan(&desired([set("a.x", 60, "gateway.x")]), &listed, &owner());
    assert_eq!((plan.changes.len(), plan.conflicts.len()), (0, 1));
}

#[test]
fn a_plan_that_deletes_much_needs_its_own_confirmation() {
    let zone: Hostname = "x".parse().unwrap();
    let ours =
        |count: usize| listing((0..count).map(|i| existing(set(&format!("a{i}.x"), 60, "10.0.0.1"), Some("ours"))));
    let guard = Guard::default();
    let all_gone = |count| plan(&Desired::default(), &ours(count), &owner());
    assert!(guard.check(&zone, &all_gone(10), None).is_ok());
    let refused = guard.check(&zone, &all_gone(11), None).unwrap_err();
    assert!(refused.to_string().contains("deletes 11 of our 11 record sets"), "{refused}");
    assert!(guard.check(&zone, &all_gone(11), Some(&refused.fingerprint)).is_ok());
    assert!(guard.check(&zone, &all_gone(12), Some(&refused.fingerprint)).is_err());
    assert!(guard.check(&"y".parse().unwrap(), &all_gone(11), Some(&refused.fingerprint)).is_err());
    // Thirty of a hundred may go unasked, and not one more.
    let keep = |gone: usize| {
        let wanted = desired((gone..100).map(|i| set(&format!("a{i}.x"), 60, "10.0.0.1")));
        plan(&wanted, &ours(100), &owner())
    };
    assert!(guard.check(&zone, &keep(30), None).is_ok());
    assert!(guard.check(&zone, &keep(31), None).is_err());
}

// ---- Properties: a plan, carried out by the obvious model of a zone ----

fn sets() -> impl Strategy<Value = RecordSet> {
    (0..5_u8, 1..3_u32, prop::sample::select(vec!["10.0.0.1", "10.0.0.2", "fd00::1", "gateway1.x", "gateway2.x"]))
        .prop_map(|(name, ttl, value)| set(&format!("n{name}.x"), ttl, value))
}

/// What stands in a zone, by name and kind, kept free of contradictions.
fn zones() -> impl Strategy<Value = Vec<Existing>> {
    let owners = prop_oneof![3 => Just(Some("ours")), 1 => Just(Some("theirs")), 1 => Just(None)];
    prop::collection::vec((sets(), owners), 0..12).prop_map(|given| {
        let mut zone: Vec<Existing> = Vec::new();
        for (set, owner) in given {
            if zone.iter().all(|there| there.set.name != set.name || there.set.kind().goes_with(set.kind())) {
                zone.push(existing(set, owner));
            }
        }
        zone
    })
}

/// Carries a change out, as a provider would: refusing what contradicts.
fn carry_out(zone: &mut Vec<Existing>, change: &Change) {
    let take = |zone: &mut Vec<Existing>, before: &Existing| {
        let at = zone.iter().position(|there| there == before).expect("what is changed is there");
        zone.remove(at);
    };
    let put = |zone: &mut Vec<Existing>, set: &RecordSet| {
        let fits = |there: &Existing| there.set.name != set.name || there.set.kind().goes_with(set.kind());
        assert!(zone.iter().all(fits), "{set} contradicts what is there");
        zone.push(existing(set.clone(), Some("ours")));
    };
    match change {
        Change::Create(set) => put(zone, set),
        Change::Update { before, after } => {
            take(zone, before);
            put(zone, after);
        }
        Change::Delete(before) => take(zone, before),
    }
}

fn ordered(sets: impl Iterator<Item = Existing>) -> Vec<String> {
    let mut texts: Vec<String> = sets.map(|existing| format!("{} {:?}", existing.set, existing.owner)).collect();
    texts.sort();
    texts
}

proptest! {
    #[test]
    fn a_plan_carried_out_leaves_what_is_desired_and_touches_nobody_else(
        zone in zones(), wanted in prop::collection::vec(sets(), 0..10)
    ) {
        let wanted = desired(wanted);
        let plan = plan(&wanted, &listing(zone.clone()), &owner());
        let mut after = zone.clone();
        for change in &plan.changes {
            carry_out(&mut after, change);
        }
        let theirs = |zone: &[Existing]| {
            ordered(zone.iter().filter(|there| there.owner != Some(owner())).cloned())
        };
        prop_assert_eq!(theirs(&after), theirs(&zone));
        let contested: BTreeSet<_> = plan.conflicts.iter().map(|conflict| conflict.wanted.name.clone()).collect();
        let ours: BTreeSet<String> = after
            .iter()
            .filter(|there| there.owner == Some(owner()) && !contested.contains(&there.set.name))
            .map(|there| there.set.to_string())
            .collect();
        let expected: BTreeSet<String> =
            wanted.iter().filter(|set| !contested.contains(&set.name)).map(ToString::to_string).collect();
        prop_assert_eq!(ours, expected);
        // A conflict is told only where somebody else's record stands.
        for conflict in &plan.conflicts {
            prop_assert!(zone.iter().any(|there| there.set.name == conflict.wanted.name && there.owner != Some(owner())));
        }
        // The next plan has nothing to do.
        let next = super::plan(&wanted, &listing(after), &owner());
        prop_assert!(next.changes.is_empty(), "{:?}", next.changes);
    }

    #[test]
    fn the_order_of_a_listing_changes_nothing(zone in zones(), wanted in prop::collection::vec(sets(), 0..10)) {
        let wanted = desired(wanted);
        let mut turned = zone.clone();
        turned.reverse();
        prop_assert_eq!(plan(&wanted, &listing(zone), &owner()), plan(&wanted, &listing(turned), &owner()));
    }
}
