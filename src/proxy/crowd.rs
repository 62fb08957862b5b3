//! Places for client connections, when they get scarce: who takes many and uses them little makes room for others.
//!
//! While there are places nobody is hurried, so that long polls, WebSockets, events and slow uploads have all the time that the
//! limits give them. From half of the places on it is watched how fast clients are; from seven eighths on, connections that
//! idle and those that are slower than any network are closed, and the last eighth is for addresses that have few.

use super::activity::{Activity, Leave};
use super::limits::Limits;
use crate::telemetry::metrics;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// The client connections of one worker.
pub(super) struct Crowd {
    most: usize,
    taken: Cell<usize>,
    by_address: RefCell<HashMap<Address, usize>>,
    listed: RefCell<HashMap<u64, Listed>>,
    next: Cell<u64>,
    slow: Slow,
    idle: Duration,
}

/// What is too slow: less than so many bytes a second for so long, in which all that is under way waits for the client.
#[derive(Debug, Clone, Copy)]
struct Slow {
    bytes_per_second: u64,
    grace: Duration,
}

/// Who has a connection: a machine, or the network that an IPv6 machine chooses its addresses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Address(u128);

/// A place. It is free again when this is dropped.
pub(super) struct Place {
    crowd: Rc<Crowd>,
    address: Address,
}

/// A connection that may be asked to leave, while this is kept.
pub(super) struct Listing {
    crowd: Rc<Crowd>,
    number: u64,
}

struct Listed {
    activity: Arc<Activity>,
    address: Address,
    /// Since when all of it waits for the client, in milliseconds since the worker's epoch; and what had moved by then.
    since: u64,
    bytes: u64,
}

impl Crowd {
    /// `most` places.
    pub(super) fn new(most: usize, limits: &Limits) -> Rc<Self> {
        Rc::new(Self {
            most,
            taken: Cell::new(0),
            by_address: RefCell::default(),
            listed: RefCell::default(),
            next: Cell::new(0),
            slow: Slow { bytes_per_second: limits.crowded_rate, grace: limits.crowded_grace },
            idle: limits.crowded_idle,
        })
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken.get()
    }

    /// A place for a connection from `ip`, if there is one: one of the last eighth only for an address that has fewer than that.
    pub(super) fn enter(self: &Rc<Self>, ip: IpAddr) -> Option<Place> {
        let reserve = self.most / 8;
        if self.taken.get() >= self.most {
            return None;
        }
        if self.taken.get() >= self.most - reserve && self.share(Address::of(ip)) >= reserve {
            return None;
        }
        Some(self.enter_always(ip))
    }

    /// A place for what another connection became.
    pub(super) fn enter_always(self: &Rc<Self>, ip: IpAddr) -> Place {
        let address = Address::of(ip);
        self.taken.set(self.taken.get() + 1);
        *self.by_address.borrow_mut().entry(address).or_default() += 1;
        Place { crowd: self.clone(), address }
    }

    fn share(&self, address: Address) -> usize {
        self.by_address.borrow().get(&address).copied().unwrap_or_default()
    }

    /// Lists a connection among those that may be asked to leave.
    pub(super) fn list(self: &Rc<Self>, ip: IpAddr, activity: &Arc<Activity>) -> Listing {
        let number = self.next.get();
        self.next.set(number + 1);
        let (since, bytes) = activity.moved();
        let listed = Listed { activity: activity.clone(), address: Address::of(ip), since, bytes };
        self.listed.borrow_mut().insert(number, listed);
        Listing { crowd: self.clone(), number }
    }

    /// Asks as many to leave as it takes to have places for anybody. Called every moment.
    pub(super) fn relieve(&self) {
        let (taken, crowded) = (self.taken.get(), self.most - self.most / 8);
        if taken < self.most / 2 {
            return;
        }
        let (mut idle, mut slow) = (Vec::new(), Vec::new());
        for listed in self.listed.borrow_mut().values_mut() {
            let share = self.share(listed.address);
            match listed.look(self.slow) {
                Look::Idle(since) if since >= self.idle => idle.push((share, since, listed.activity.clone())),
                Look::Slow => slow.push((share, listed.activity.clone())),
                Look::Idle(_) | Look::Well => {}
            }
        }
        if taken < crowded {
            return;
        }
        let wanted = taken - crowded + (self.most / 32).max(1);
        // Of those who have many first, and of these who has waited longest.
        idle.sort_unstable_by_key(|(share, since, _)| std::cmp::Reverse((*share, *since)));
        slow.sort_unstable_by_key(|(share, _)| std::cmp::Reverse(*share));
        let idle = idle.into_iter().map(|(_, _, activity)| (activity, Leave::Idle));
        let slow = slow.into_iter().map(|(_, activity)| (activity, Leave::Slow));
        for (activity, why) in idle.chain(slow).take(wanted) {
            metrics::client_shed(why.as_str());
            activity.leave(why);
        }
    }
}

/// How a connection is used now.
enum Look {
    /// Nothing is under way, for so long.
    Idle(Duration),
    /// All that is under way waits for the client, which moves next to nothing.
    Slow,
    Well,
}

impl Listed {
    fn look(&mut self, slow: Slow) -> Look {
        let (now, bytes) = self.activity.moved();
        if !self.activity.waits_for_client() {
            (self.since, self.bytes) = (now, bytes);
            let idle = self.activity.idle_for(now);
            return idle.map_or(Look::Well, Look::Idle);
        }
        let elapsed = now.saturating_sub(self.since);
        if Duration::from_millis(elapsed) < slow.grace {
            return Look::Well;
        }
        let moved = bytes.saturating_sub(self.bytes);
        (self.since, self.bytes) = (now, bytes);
        match moved.saturating_mul(1000) < slow.bytes_per_second.saturating_mul(elapsed) {
            true => Look::Slow,
            false => Look::Well,
        }
    }
}

impl Address {
    fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => Self(v4.to_bits().into()),
            IpAddr::V6(v6) => Self(v6.to_bits() & !u128::from(u64::MAX)),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.taken.set(self.crowd.taken.get().saturating_sub(1));
        let mut by_address = self.crowd.by_address.borrow_mut();
        if let Some(share) = by_address.get_mut(&self.address) {
            *share -= 1;
            if *share == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        self.crowd.listed.borrow_mut().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_eighth_is_for_addresses_that_have_few() {
        let crowd = Crowd::new(64, &Limits::default());
        let many: Vec<Place> = (0..64).map_while(|_| crowd.enter(ip("192.0.2.1"))).collect();
        assert_eq!(many.len(), 56);
        let mut others: Vec<Place> = (0..9).map_while(|_| crowd.enter(ip("::ffff:192.0.2.2"))).collect();
        assert_eq!((others.len(), crowd.taken()), (8, 64), "as many as there are");
        assert!(crowd.enter(ip("192.0.2.3")).is_none(), "there are none left");
        others.truncate(7);
        assert!(crowd.enter(ip("192.0.2.1")).is_none() && crowd.enter(ip("192.0.2.3")).is_some());
        drop((many, others));
        assert!(crowd.taken() == 0 && crowd.by_address.borrow().is_empty(), "nothing is kept of those that left");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_few_places_have_no_reserve() {
        let crowd = Crowd::new(16, &Limits::default());
        let places: Vec<Place> = (0..16).map_while(|n| crowd.enter(ip(&format!("2001:db8:0:1::{n:x}")))).collect();
        assert_eq!(places.len(), 14);
        assert!(crowd.enter(ip("2001:db8:0:2::1")).is_some());
        let small = Crowd::new(2, &Limits::default());
        assert_eq!((0..3).map_while(|_| small.enter(ip("192.0.2.1"))).collect::<Vec<_>>().len(), 2);
    }
}
