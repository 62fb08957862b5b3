//! The bounds of a rolling update, in a simulation in which pods become ready, break and end in any order.

use proptest::prelude::*;

use super::*;

fn percent(text: &str) -> IntOrString {
    IntOrString::String(text.to_owned())
}

#[test]
fn surge_is_rounded_up_and_unavailability_down() {
    let wish = |desired| Wish::new(desired, Some(&percent("25%")), Some(&percent("25%")));
    assert_eq!(wish(1), Wish { desired: 1, max_surge: 1, max_unavailable: 0 });
    assert_eq!(wish(10), Wish { desired: 10, max_surge: 3, max_unavailable: 2 });
    assert_eq!(Wish::new(4, None, None), Wish { desired: 4, max_surge: 1, max_unavailable: 1 });
    let stuck = Wish::new(4, Some(&IntOrString::Int(0)), Some(&percent("1%")));
    assert_eq!((stuck.max_surge, stuck.max_unavailable), (0, 1));
    assert_eq!(Wish::new(2, None, Some(&IntOrString::Int(9))).max_unavailable, 2);
}

#[test]
fn one_replica_is_replaced_by_surge_and_the_old_one_goes_when_the_new_one_is_available() {
    let wish = Wish::new(1, None, None);
    let (old, none) = (Numbers::without_annotation(1, 1), Numbers::without_annotation(0, 0));
    assert_eq!(next_new(wish, none, &[old]), 1);
    assert_eq!(next_old(wish, Numbers::without_annotation(1, 0), &[old]), [1]);
    assert_eq!(next_old(wish, Numbers::without_annotation(1, 1), &[old]), [0]);
}

#[test]
fn a_scaled_update_keeps_its_proportions() {
    let set = |wanted| Numbers { wanted, available: wanted, annotated_max: Some(12) };
    let wish = Wish { desired: 20, max_surge: 4, max_unavailable: 0 };
    assert_eq!(proportional(wish, 12, &[set(8), set(4)]), [16, 8]);
    let none = Wish { desired: 0, max_surge: 0, max_unavailable: 1 };
    assert_eq!(proportional(none, 12, &[set(8), set(4)]), [0, 0]);
}

/// A set in the simulation: what it is told, and its pods, ready or not.
#[derive(Debug, Clone)]
struct Set {
    wanted: i32,
    ready: i32,
    unready: i32,
}

impl Set {
    /// Makes and removes pods, those that are not ready first.
    fn settle(&mut self) {
        let missing = self.wanted - self.ready - self.unready;
        self.unready += missing.max(0);
        let surplus = (-missing).max(0);
        let gone = surplus.min(self.unready);
        self.unready -= gone;
        self.ready -= surplus - gone;
    }

    fn numbers(&self) -> Numbers {
        Numbers::without_annotation(self.wanted, self.ready)
    }
}

fn sets() -> impl Strategy<Value = (Wish, Vec<Set>)> {
    (1_i32..20, 0_i32..8, 0_i32..8, prop::collection::vec(0_i32..6, 1..4)).prop_map(
        |(desired, surge, unavailable, more)| {
            let wish = Wish::new(desired, Some(&IntOrString::Int(surge)), Some(&IntOrString::Int(unavailable)));
            // The old sets share the desired number.
            let mut left = desired;
            let mut sets: Vec<Set> = Vec::new();
            for share in more {
                let wanted = share.min(left);
                left -= wanted;
                sets.push(Set { wanted, ready: wanted, unready: 0 });
            }
            if let Some(first) = sets.first_mut() {
                (first.wanted, first.ready) = (first.wanted + left, first.ready + left);
            }
            (wish, sets)
        },
    )
}

proptest! {
    #[test]
    fn a_rolling_update_keeps_both_bounds_and_ends(
        (wish, mut old) in sets(),
        choices in prop::collection::vec((0_u8..4, any::<bool>()), 0..200),
    ) {
        let mut new = Set { wanted: 0, ready: 0, unready: 0 };
        // Any order at first, then the orderly one until it ends.
        let orderly = (0..400).flat_map(|_| [(0, true), (1, true), (2, true), (3, true)]);
        for (what, all) in choices.into_iter().chain(orderly) {
            let numbers: Vec<Numbers> = old.iter().map(Set::numbers).collect();
            match what {
                0 => new.wanted = next_new(wish, new.numbers(), &numbers),
                1 => {
                    for (set, size) in old.iter_mut().zip(next_old(wish, new.numbers(), &numbers)) {
                        set.wanted = size;
                    }
                }
                2 => old.iter_mut().chain([&mut new]).for_each(Set::settle),
                _ => {
                    let ripe = if all { new.unready } else { new.unready.min(1) };
                    (new.ready, new.unready) = (new.ready + ripe, new.unready - ripe);
                }
            }
            let total: i32 = old.iter().map(|set| set.wanted).sum::<i32>() + new.wanted;
            prop_assert!(total <= wish.max_total(), "{total} pods wanted of {}", wish.max_total());
            let available: i32 = old.iter().chain([&new]).map(|set| set.ready.min(set.wanted)).sum();
            prop_assert!(available >= wish.min_available(), "{available} available of {}", wish.min_available());
        }
        prop_assert_eq!((new.wanted, new.ready), (wish.desired, wish.desired));
        prop_assert!(old.iter().all(|set| set.wanted == 0));
    }

    #[test]
    fn a_proportional_change_adds_up(
        desired in 0_i32..30, surge in 0_i32..5, wanted in prop::collection::vec(0_i32..15, 1..4), annotated in 1_i32..30
    ) {
        let wish = Wish { desired, max_surge: surge, max_unavailable: 1 };
        let sets: Vec<Numbers> =
            wanted.iter().map(|wanted| Numbers { wanted: *wanted, available: 0, annotated_max: Some(annotated) }).collect();
        let sizes = proportional(wish, 0, &sets);
        prop_assert!(sizes.iter().all(|size| *size >= 0));
        let allowed = if desired > 0 { wish.max_total() } else { 0 };
        prop_assert!(sizes.iter().sum::<i32>() >= allowed.min(wanted.iter().sum()));
    }
}
