//! How many connections there may be, and whose place a new one takes.

use super::standing::Standing;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places of all connections.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    standings: HashMap<u64, Standing>,
}

/// The place of one connection; it is given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    pub(super) standing: Standing,
    places: Arc<Places>,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// A place: a free one, or that of the connection which has done nothing for the longest. `None`: all of them have a call under way.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.taken();
        while taken.standings.len() >= self.most {
            let idle = taken.standings.iter().filter_map(|(number, it)| Some((it.idle_since()?, *number)));
            let (_, number) = idle.min()?;
            // It may have a call since it was looked at; then the next one is asked.
            if taken.standings.get(&number).is_some_and(Standing::cut) {
                taken.standings.remove(&number);
            }
        }
        let (number, standing) = (taken.next, Standing::new());
        taken.next += 1;
        taken.standings.insert(number, standing.clone());
        Some(Place { number, standing, places: self.clone() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().standings.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_one_takes_the_place_of_the_longest_idle_and_never_of_a_call() {
        let places = Places::new(2);
        let first = places.take().unwrap();
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        let second = places.take().unwrap();
        let call = first.standing.begin().unwrap();
        let third = places.take().unwrap();
        second.standing.was_cut().await;
        assert!(second.standing.begin().is_none(), "whose place was taken begins no call");
        let other = third.standing.begin().unwrap();
        assert!(places.take().is_none(), "all have a call");
        drop(call);
        let fourth = places.take().unwrap();
        first.standing.was_cut().await;
        drop((first, second, other, third, fourth));
        assert!(places.taken().standings.is_empty(), "all places are given back");
    }
}
