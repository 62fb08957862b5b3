//! How many replicas each ReplicaSet of a Deployment should have next. Pure numbers: the heart of a rolling update.
//!
//! Two bounds hold whatever happens: all sets together want at most `desired + max_surge` pods, and no set is made smaller
//! while that could leave fewer than `desired - max_unavailable` pods available.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// What the Deployment wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// How many pods.
    pub desired: i32,
    /// How many more there may be during an update.
    pub max_surge: i32,
    /// How many fewer there may be available during an update.
    pub max_unavailable: i32,
}

/// The numbers of one ReplicaSet. A list of them is ordered by age, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// How many it is told to have.
    pub wanted: i32,
    /// How many of those are available.
    pub available: i32,
    /// How many there could be at most when it was last scaled, by its annotation.
    pub annotated_max: Option<i32>,
}

#[cfg(test)]
impl Numbers {
    fn without_annotation(wanted: i32, available: i32) -> Self {
        Self { wanted, available, annotated_max: None }
    }
}

impl Wish {
    /// Resolves the bounds: a percentage of surge is rounded up, of unavailability down; both 0 would never move.
    pub fn new(desired: i32, surge: Option<&IntOrString>, unavailable: Option<&IntOrString>) -> Self {
        let max_surge = bound(surge, desired, Rounding::Up);
        let max_unavailable = bound(unavailable, desired, Rounding::Down).min(desired);
        let stuck = max_surge == 0 && max_unavailable == 0;
        Self { desired, max_surge, max_unavailable: if stuck { 1 } else { max_unavailable } }
    }

    /// As many as must stay available.
    pub fn min_available(&self) -> i32 {
        (self.desired - self.max_unavailable).max(0)
    }

    /// As many as there may be.
    pub fn max_total(&self) -> i32 {
        self.desired.saturating_add(self.max_surge)
    }
}

#[derive(Clone, Copy)]
enum Rounding {
    Up,
    Down,
}

/// An absolute number, or a percentage of `total`; 25% where nothing is given.
fn bound(given: Option<&IntOrString>, total: i32, rounding: Rounding) -> i32 {
    let percent = |percent: i64| {
        let product = i64::from(total).saturating_mul(percent);
        let rounded = match rounding {
            Rounding::Up => product.saturating_add(99) / 100,
            Rounding::Down => product / 100,
        };
        i32::try_from(rounded).unwrap_or(i32::MAX)
    };
    match given {
        None => percent(25),
        Some(IntOrString::Int(number)) => (*number).max(0),
        Some(IntOrString::String(text)) => {
            text.strip_suffix('%').and_then(|text| text.parse().ok()).map_or(0, |given: i64| percent(given.max(0)))
        }
    }
}

/// The next size of the new set during a rolling update.
pub fn next_new(wish: Wish, new: Numbers, old: &[Numbers]) -> i32 {
    if new.wanted >= wish.desired {
        return wish.desired;
    }
    let total = total(old).saturating_add(new.wanted);
    let room = (wish.max_total() - total).max(0);
    new.wanted + room.min(wish.desired - new.wanted)
}

/// The next sizes of the old sets during a rolling update, in their order.
pub fn next_old(wish: Wish, new: Numbers, old: &[Numbers]) -> Vec<i32> {
    let new_unavailable = (new.wanted - new.available).max(0);
    let spare = total(old) + new.wanted - wish.min_available() - new_unavailable;
    let mut sizes: Vec<i32> = old.iter().map(|set| set.wanted).collect();
    if spare <= 0 {
        return sizes;
    }
    // Pods that are not available go first: nobody misses them.
    let mut removable = spare;
    for (size, set) in sizes.iter_mut().zip(old) {
        let unavailable = (*size - set.available).clamp(0, removable);
        *size -= unavailable;
        removable -= unavailable;
    }
    // What is available goes as far as enough others are. A set is never counted with more than it is told to have.
    let available: i32 = old.iter().zip(&sizes).map(|(set, size)| set.available.min(*size)).sum();
    let mut removable = (available + new.available.min(new.wanted) - wish.min_available()).max(0);
    for size in &mut sizes {
        let gone = (*size).min(removable);
        *size -= gone;
        removable -= gone;
    }
    sizes
}

fn total(sets: &[Numbers]) -> i32 {
    sets.iter().map(|set| set.wanted).sum()
}

/// The sizes of all sets (the newest last) after the Deployment itself was scaled in the middle of an update: each
/// grows or shrinks by its share.
pub fn proportional(wish: Wish, status_replicas: i32, sets: &[Numbers]) -> Vec<i32> {
    let allowed = if wish.desired > 0 { wish.max_total() } else { 0 };
    let change = allowed - total(sets);
    let mut sizes: Vec<i32> = sets.iter().map(|set| set.wanted).collect();
    // The largest has the first say; among equals, the newer when growing, and the older when shrinking.
    let mut order: Vec<usize> = (0..sets.len()).collect();
    order.sort_by_key(|index| {
        let size = sets.get(*index).map_or(0, |set| set.wanted);
        let age = i64::try_from(*index).unwrap_or(0);
        (std::cmp::Reverse(size), if change > 0 { -age } else { age })
    });
    let mut left = change;
    for index in &order {
        let (Some(size), Some(set)) = (sizes.get_mut(*index), sets.get(*index)) else { continue };
        let share = share(wish, status_replicas, *set);
        let share = if change > 0 { share.clamp(0, left.max(0)) } else { share.clamp(left.min(0), 0) };
        *size = (*size + share).max(0);
        left -= share;
    }
    // What rounding left goes to the largest.
    if let Some(size) = order.first().and_then(|index| sizes.get_mut(*index)) {
        *size = (*size + left).max(0);
    }
    sizes
}

fn share(wish: Wish, status_replicas: i32, set: Numbers) -> i32 {
    if wish.desired == 0 {
        return -set.wanted;
    }
    let before = i64::from(set.annotated_max.unwrap_or(status_replicas));
    if before <= 0 {
        return 0;
    }
    let product = i64::from(set.wanted) * i64::from(wish.max_total());
    let rounded = (2 * product + before) / (2 * before);
    i32::try_from(rounded).unwrap_or(i32::MAX) - set.wanted
}

#[cfg(test)]
#[path = "rollout_tests.rs"]
mod tests;
