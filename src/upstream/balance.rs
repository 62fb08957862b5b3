//! Chooses a backend by weight and an endpoint by load.

use crate::routing::{BackendRef, Cluster, Endpoint, EndpointSet, Load};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

/// One worker's choices. It remembers only where the last tie went.
#[derive(Debug)]
pub struct Balancer {
    turn: Cell<usize>,
    /// The most requests under way to one endpoint.
    most: u32,
}

/// Why there is no endpoint for a request now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// There is none that may get requests.
    Missing,
    /// All have as many requests as they may have.
    Busy,
}

impl Balancer {
    /// One that gives an endpoint at most `most` requests at once, counting those of all workers.
    pub fn new(most: u32) -> Self {
        Self { turn: Cell::new(0), most }
    }

    /// A backend, by weight. `None` when no backend has any.
    pub fn backend<'r>(&self, backends: &'r [BackendRef]) -> Option<&'r Arc<Cluster>> {
        if let [only] = backends {
            return (only.weight > 0).then_some(&only.cluster);
        }
        let total: u64 = backends.iter().map(|backend| u64::from(backend.weight)).sum();
        if total == 0 {
            return None;
        }
        let mut at = fastrand::u64(..total);
        for backend in backends {
            let weight = u64::from(backend.weight);
            if at < weight {
                return Some(&backend.cluster);
            }
            at -= weight;
        }
        None
    }

    /// An endpoint that may get a request now, other than `avoid` while there is another: the less busy of two.
    ///
    /// With few endpoints the two are taken in turn, so that all of them are looked at; with many, at random.
    pub fn endpoint(&self, set: &EndpointSet, avoid: Option<SocketAddr>) -> Result<Arc<Endpoint>, Unavailable> {
        let chosen = match set.usable() {
            [] => return Err(Unavailable::Missing),
            [only] => only,
            usable => self.of_two(usable).ok_or(Unavailable::Missing)?,
        };
        if chosen.load.is_open(self.most) && avoid != Some(chosen.address) {
            return Ok(chosen.clone());
        }
        self.another(set, avoid).cloned()
    }

    fn of_two<'s>(&self, usable: &'s [Arc<Endpoint>]) -> Option<&'s Arc<Endpoint>> {
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        let first = turn % usable.len();
        let second = (first + 1 + fastrand::usize(..usable.len() - 1)) % usable.len();
        let (first, second) = (usable.get(first)?, usable.get(second)?);
        Some(if second.load.active() < first.load.active() { second } else { first })
    }

    /// The choice is ejected, full, or failed this very request: all are looked at. One whose ejection is over is tried;
    /// then come those that do well, near before far; then the ejected ones, as nobody is left out while nobody else is
    /// there; and the one that failed at last.
    fn another<'s>(&self, set: &'s EndpointSet, avoid: Option<SocketAddr>) -> Result<&'s Arc<Endpoint>, Unavailable> {
        let (usable, now) = (set.usable(), Load::now());
        let is_other = |endpoint: &&Arc<Endpoint>| Some(endpoint.address) != avoid;
        let has_room = |endpoint: &&Arc<Endpoint>| endpoint.load.active() < self.most;
        let is_open = |endpoint: &&Arc<Endpoint>| endpoint.load.is_open(self.most);
        let active = |endpoint: &&Arc<Endpoint>| endpoint.load.active();
        let others = || usable.iter().filter(is_other);
        others()
            .find(|endpoint| has_room(endpoint) && endpoint.load.may_be_tried(now))
            .or_else(|| others().filter(is_open).min_by_key(active))
            .or_else(|| set.ready().iter().filter(is_other).filter(is_open).min_by_key(active))
            .or_else(|| others().filter(has_room).min_by_key(active))
            .or_else(|| usable.iter().find(has_room))
            .ok_or(Unavailable::Busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{ClusterName, PortName};
    use std::collections::HashMap;

    fn endpoint(port: u16) -> Arc<Endpoint> {
        Arc::new(Endpoint::new(SocketAddr::from(([127, 0, 0, 1], port))))
    }

    fn cluster(service: &str) -> Arc<Cluster> {
        Arc::new(Cluster::new(
            ClusterName { namespace: "n".into(), service: service.into(), port: PortName::Number(80) },
            crate::routing::Protocol::Http1,
        ))
    }

    #[test]
    fn idle_endpoints_get_their_turns_and_a_busy_one_is_spared() {
        let balancer = Balancer::new(8);
        let all: Vec<_> = (1..=3).map(endpoint).collect();
        let set = EndpointSet::new(all.clone());
        let mut seen: HashMap<u16, u32> = HashMap::new();
        for _ in 0..300 {
            *seen.entry(balancer.endpoint(&set, None).unwrap().address.port()).or_default() += 1;
        }
        assert!(seen.len() == 3 && seen.values().all(|&n| n == 100), "{seen:?}");
        let _busy: Vec<_> = (0..5).map(|_| all[0].load.enter()).collect();
        for _ in 0..100 {
            assert_ne!(balancer.endpoint(&set, None).unwrap().address.port(), 1);
        }
    }

    #[test]
    fn a_failed_endpoint_is_avoided_while_there_is_another() {
        let balancer = Balancer::new(8);
        let bad = endpoint(1).address;
        for others in 1..4 {
            let set = EndpointSet::new((1..=1 + others).map(endpoint));
            for _ in 0..50 {
                assert_ne!(balancer.endpoint(&set, Some(bad)).unwrap().address, bad);
            }
        }
        let alone = EndpointSet::new([endpoint(1)]);
        assert_eq!(balancer.endpoint(&alone, Some(bad)).unwrap().address, bad);
        assert_eq!(balancer.endpoint(&EndpointSet::default(), None).unwrap_err(), Unavailable::Missing);
    }

    #[test]
    fn an_ejected_endpoint_gets_nothing_while_there_is_another() {
        let balancer = Balancer::new(8);
        let all: Vec<_> = (1..=3).map(endpoint).collect();
        let set = EndpointSet::new(all.clone());
        let eject = |endpoint: &Endpoint| while endpoint.load.failed(Load::now(), true).is_none() {};
        eject(&all[0]);
        for _ in 0..100 {
            assert_ne!(balancer.endpoint(&set, None).unwrap().address, all[0].address);
        }
        eject(&all[1]);
        eject(&all[2]);
        let seen: std::collections::HashSet<_> =
            (0..100).map(|_| balancer.endpoint(&set, None).unwrap().address).collect();
        assert!(!seen.is_empty(), "with all of them ejected, requests still go somewhere");
    }

    #[test]
    fn a_full_endpoint_is_passed_over_and_when_all_are_full_the_request_has_to_wait() {
        let balancer = Balancer::new(2);
        let all: Vec<_> = (1..=2).map(endpoint).collect();
        let set = EndpointSet::new(all.clone());
        let mut under_way: Vec<_> = (0..2).map(|_| all[0].load.enter()).collect();
        for _ in 0..20 {
            assert_eq!(balancer.endpoint(&set, None).unwrap().address, all[1].address);
        }
        under_way.extend((0..2).map(|_| all[1].load.enter()));
        assert_eq!(balancer.endpoint(&set, None).unwrap_err(), Unavailable::Busy);
    }

    #[test]
    fn those_near_go_first_and_the_far_ones_stand_in_for_them() {
        let balancer = Balancer::new(8);
        let with = |port, near| Arc::new(Endpoint { near, ..(*endpoint(port)).clone() });
        let near = with(1, true);
        let set = EndpointSet::new([with(2, false), near.clone(), with(3, false)]);
        assert_eq!(set.ready().len(), 3);
        for _ in 0..20 {
            assert_eq!(balancer.endpoint(&set, None).unwrap().address, near.address);
            assert_ne!(balancer.endpoint(&set, Some(near.address)).unwrap().address, near.address);
        }
    }

    #[test]
    fn backends_share_by_weight_and_weight_zero_gets_none() {
        let balancer = Balancer::new(8);
        let backend = |name: &str, weight| BackendRef { cluster: cluster(name), weight, unresolved: None };
        let backends = [backend("a", 0), backend("b", 3), backend("c", 1)];
        let picks: Vec<_> = (0..4000).map(|_| balancer.backend(&backends).unwrap().name.service.clone()).collect();
        let share = |name: &str| picks.iter().filter(|pick| &***pick == name).count();
        assert_eq!(share("a"), 0);
        assert!((2700..3300).contains(&share("b")), "{}", share("b"));
        assert!(balancer.backend(&[backend("a", 0)]).is_none());
    }
}
