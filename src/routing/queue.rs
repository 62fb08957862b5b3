//! Requests that wait for something of a cluster: first come, first called, and not more than a bound.
//!
//! It knows no runtime: who waits leaves a [`Waker`], and whoever changes what is waited for calls the first ones.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A bounded queue of waiting requests, in the order in which they came.
#[derive(Debug)]
pub struct WaitQueue {
    most: usize,
    /// How many wait, to be read without the lock.
    waiting: AtomicUsize,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    next: u64,
    by_number: BTreeMap<u64, Place>,
}

#[derive(Debug)]
enum Place {
    /// Not called yet; the waker is there once it was polled.
    Waits(Option<Waker>),
    /// Its turn has come.
    Called,
}

/// A place in a queue. Dropped, it is given up; a turn that was not taken goes to the next one.
#[derive(Debug)]
pub struct Ticket {
    queue: Arc<WaitQueue>,
    number: u64,
}

impl WaitQueue {
    /// An empty queue for at most `most` requests.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, waiting: AtomicUsize::new(0), places: Mutex::default() })
    }

    /// The last place; `None` when the queue is full.
    pub fn join(self: &Arc<Self>) -> Option<Ticket> {
        let mut places = self.lock();
        if places.by_number.len() >= self.most {
            return None;
        }
        let number = places.next;
        places.next += 1;
        places.by_number.insert(number, Place::Waits(None));
        self.waiting.store(places.by_number.len(), Ordering::Relaxed);
        Some(Ticket { queue: self.clone(), number })
    }

    /// Calls the first `count` that were not called yet. It takes the lock in any case: who joins and then looks for what it
    /// wants has either been seen here, or sees what was changed before.
    pub fn call(&self, count: usize) {
        let mut wakers = Vec::new();
        let mut places = self.lock();
        let uncalled = places.by_number.values_mut().filter(|place| matches!(place, Place::Waits(_)));
        for place in uncalled.take(count) {
            if let Place::Waits(Some(waker)) = std::mem::replace(place, Place::Called) {
                wakers.push(waker);
            }
        }
        drop(places);
        // Outside of the lock: who is woken may run at once, and take it.
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many wait, or did a moment ago.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // No code of others runs under the lock, so what a panic left behind is whole.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Ready when its turn has come. It stays so until [`Ticket::again`].
    pub fn poll_called(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut places = self.queue.lock();
        match places.by_number.get_mut(&self.number) {
            Some(Place::Waits(waker)) => {
                if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
            Some(Place::Called) | None => Poll::Ready(()),
        }
    }

    /// What it was called for is gone already: it waits on, at its own place.
    pub fn again(&self) {
        if let Some(place) = self.queue.lock().by_number.get_mut(&self.number) {
            *place = Place::Waits(None);
        }
    }

    /// Takes the turn: the place is free, and nobody else is called for it.
    pub fn leave(self) {
        // Dropped, it finds no place to give up.
        self.queue.lock().by_number.remove(&self.number);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut places = self.queue.lock();
        let place = places.by_number.remove(&self.number);
        self.queue.waiting.store(places.by_number.len(), Ordering::Relaxed);
        drop(places);
        if matches!(place, Some(Place::Called)) {
            self.queue.call(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_called(ticket: &Ticket) -> bool {
        ticket.poll_called(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_first_to_come_is_the_first_to_be_called() {
        let queue = WaitQueue::new(10);
        let tickets: Vec<_> = (0..4).map(|_| queue.join().unwrap()).collect();
        queue.call(2);
        assert_eq!(tickets.iter().map(is_called).collect::<Vec<_>>(), [true, true, false, false]);
        tickets[0].again();
        queue.call(1);
        assert_eq!(tickets.iter().map(is_called).collect::<Vec<_>>(), [true, true, false, false], "it lost its place");
    }

    #[test]
    fn a_turn_that_nobody_takes_goes_to_the_next() {
        let queue = WaitQueue::new(10);
        let (first, second, third) = (queue.join().unwrap(), queue.join().unwrap(), queue.join().unwrap());
        queue.call(1);
        drop(first);
        assert!(is_called(&second) && !is_called(&third));
        second.leave();
        assert!(!is_called(&third), "a turn that was taken is nobody else's");
    }

    #[test]
    fn it_is_bounded_and_a_place_that_is_given_up_is_free() {
        let queue = WaitQueue::new(2);
        let (first, _second) = (queue.join().unwrap(), queue.join().unwrap());
        assert!(queue.join().is_none());
        drop(first);
        assert!(queue.join().is_some());
        assert_eq!(queue.waiting(), 1);
    }

    proptest! {
        /// Whatever happens, those called are the first ones, and nothing stays behind when all have gone.
        #[test]
        fn nobody_is_called_before_somebody_who_came_earlier(steps in prop::collection::vec(0_u8..4, 0..200)) {
            let queue = WaitQueue::new(16);
            let mut tickets: Vec<Ticket> = Vec::new();
            for step in steps {
                match step {
                    0 | 1 => tickets.extend(queue.join()),
                    2 => queue.call(1),
                    _ if tickets.is_empty() => {}
                    _ => drop(tickets.remove(tickets.len() / 2)),
                }
                let called: Vec<bool> = tickets.iter().map(is_called).collect();
                prop_assert!(called.is_sorted_by(|earlier, later| earlier >= later), "{called:?}");
                prop_assert_eq!(queue.waiting(), tickets.len());
            }
            drop(tickets);
            prop_assert_eq!(queue.lock().by_number.len(), 0);
        }
    }
}
