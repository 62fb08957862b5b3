//! Chooses a backend by weight and an endpoint by load.

use crate::routing::{BackendRef, Cluster, Endpoint, EndpointSet};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

/// One worker's choices. It remembers only where the last tie went.
#[derive(Debug, Default)]
pub struct Balancer {
    turn: Cell<usize>,
}

impl Balancer {
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
    pub fn endpoint(&self, set: &EndpointSet, avoid: Option<SocketAddr>) -> Option<Arc<Endpoint>> {
        let usable = set.usable();
        if let [only] = usable {
            return Some(only.clone());
        }
        if usable.is_empty() {
            return None;
        }
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        let first = turn % usable.len();
        let second = (first + 1 + fastrand::usize(..usable.len() - 1)) % usable.len();
        let (first, second) = (usable.get(first)?, usable.get(second)?);
        let chosen = match avoid {
            Some(bad) if first.address == bad => second,
            Some(bad) if second.address == bad => first,
            _ if second.load.active() < first.load.active() => second,
            _ => first,
        };
        Some(chosen.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{ClusterName, EndpointState, PortName};
    use std::collections::HashMap;

    fn endpoint(port: u16) -> Arc<Endpoint> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Arc::new(Endpoint { address, pod: None, state: EndpointState::Ready, load: Arc::default() })
    }

    fn cluster(service: &str) -> Arc<Cluster> {
        Arc::new(Cluster::new(
            ClusterName { namespace: "n".into(), service: service.into(), port: PortName::Number(80) },
            crate::routing::Protocol::Http1,
        ))
    }

    #[test]
    fn idle_endpoints_get_their_turns_and_a_busy_one_is_spared() {
        let balancer = Balancer::default();
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
        let balancer = Balancer::default();
        let bad = endpoint(1).address;
        for others in 1..4 {
            let set = EndpointSet::new((1..=1 + others).map(endpoint));
            for _ in 0..50 {
                assert_ne!(balancer.endpoint(&set, Some(bad)).unwrap().address, bad);
            }
        }
        let alone = EndpointSet::new([endpoint(1)]);
        assert_eq!(balancer.endpoint(&alone, Some(bad)).unwrap().address, bad);
        assert!(balancer.endpoint(&EndpointSet::default(), None).is_none());
    }

    #[test]
    fn backends_share_by_weight_and_weight_zero_gets_none() {
        let balancer = Balancer::default();
        let backend = |name: &str, weight| BackendRef { cluster: cluster(name), weight, unresolved: None };
        let backends = [backend("a", 0), backend("b", 3), backend("c", 1)];
        let picks: Vec<_> = (0..4000).map(|_| balancer.backend(&backends).unwrap().name.service.clone()).collect();
        let share = |name: &str| picks.iter().filter(|pick| &***pick == name).count();
        assert_eq!(share("a"), 0);
        assert!((2700..3300).contains(&share("b")), "{}", share("b"));
        assert!(balancer.backend(&[backend("a", 0)]).is_none());
    }
}
