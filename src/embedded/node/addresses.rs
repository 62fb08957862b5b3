//! Addresses for pods: each pod listens on one of its own, so two pods may use one port.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

/// The addresses that a node may give to its pods. A returned address is given again only after all others were.
#[derive(Clone, Debug)]
pub struct AddressPool {
    range: Range,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Debug)]
enum Range {
    /// IPv4 addresses from the first one on.
    Block {
        first: u32,
        count: u32,
    },
    List(Arc<[IpAddr]>),
}

#[derive(Debug, Default)]
struct State {
    used: HashSet<u32>,
    next: u32,
}

/// A text that names no addresses.
#[derive(Debug, thiserror::Error)]
#[error("{0} is no address range: write a network such as 127.64.0.0/10, or addresses separated by commas")]
pub struct AddressRangeError(String);

/// One pod's address; it goes back to the pool when this is dropped.
#[derive(Debug)]
pub struct Lease {
    pool: AddressPool,
    index: u32,
    address: IpAddr,
}

impl Default for AddressPool {
    /// `127.64.0.0/10`: the whole of 127/8 answers on every Linux machine, and this part of it is rarely used.
    fn default() -> Self {
        Self::block(Ipv4Addr::new(127, 64, 0, 0), 10)
    }
}

impl AddressPool {
    fn block(network: Ipv4Addr, prefix: u32) -> Self {
        let size = 1_u64.checked_shl(32_u32.saturating_sub(prefix)).unwrap_or(1);
        let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix)).unwrap_or(0);
        let network = u32::from(network) & mask;
        // The network's own address and its broadcast address are nobody's.
        let (first, count) = if size > 2 { (network.saturating_add(1), size - 2) } else { (network, size) };
        Self::over(Range::Block { first, count: u32::try_from(count).unwrap_or(u32::MAX) })
    }

    /// Exactly these addresses.
    pub fn list(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self::over(Range::List(addresses.into_iter().collect()))
    }

    fn over(range: Range) -> Self {
        let count = range.count();
        // Starting anywhere keeps a restarted node from giving out the addresses that were in use a moment ago.
        let next = if count == 0 { 0 } else { fastrand::u32(0..count) };
        Self { range, state: Arc::new(Mutex::new(State { used: HashSet::new(), next })) }
    }

    /// The next free address, or none when all are in use.
    pub fn take(&self) -> Option<Lease> {
        let count = self.range.count();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..count {
            let index = state.next;
            state.next = (index.saturating_add(1)) % count;
            if state.used.insert(index) {
                let address = self.range.at(index)?;
                return Some(Lease { pool: self.clone(), index, address });
            }
        }
        None
    }

    /// This very address, if it belongs to the pool and is free: a pod keeps its address over a restart of the node.
    pub fn claim(&self, address: IpAddr) -> Option<Lease> {
        let index = self.range.index_of(address)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.used.insert(index).then(|| Lease { pool: self.clone(), index, address })
    }
}

impl FromStr for AddressPool {
    type Err = AddressRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || AddressRangeError(crate::model::shown(text).to_string());
        if let Some((network, prefix)) = text.split_once('/') {
            let network = network.trim().parse().map_err(|_| error())?;
            let prefix = prefix.trim().parse().ok().filter(|prefix| (1..=32).contains(prefix)).ok_or_else(error)?;
            return Ok(Self::block(network, prefix));
        }
        let addresses: Vec<IpAddr> =
            text.split(',').map(|part| part.trim().parse().map_err(|_| error())).collect::<Result<_, _>>()?;
        Ok(Self::list(addresses))
    }
}

impl Lease {
    /// The address.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.state.lock().unwrap_or_else(PoisonError::into_inner).used.remove(&self.index);
    }
}

impl Range {
    fn count(&self) -> u32 {
        match self {
            Self::Block { count, .. } => *count,
            Self::List(list) => u32::try_from(list.len()).unwrap_or(u32::MAX),
        }
    }

    fn at(&self, index: u32) -> Option<IpAddr> {
        match self {
            Self::Block { first, .. } => Some(Ipv4Addr::from(first.checked_add(index)?).into()),
            Self::List(list) => list.get(usize::try_from(index).ok()?).copied(),
        }
    }

    fn index_of(&self, address: IpAddr) -> Option<u32> {
        match (self, address) {
            (Self::Block { first, count }, IpAddr::V4(address)) => {
                u32::from(address).checked_sub(*first).filter(|index| index < count)
            }
            (Self::Block { .. }, IpAddr::V6(_)) => None,
            (Self::List(list), address) => {
                list.iter().position(|one| *one == address).and_then(|index| u32::try_from(index).ok())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pods_never_share_an_address_and_an_exhausted_pool_says_so() {
        let pool: AddressPool = "127.64.0.0/30".parse().unwrap();
        let (first, second) = (pool.take().unwrap(), pool.take().unwrap());
        assert_ne!(first.address(), second.address());
        assert!(pool.take().is_none());
        drop(first);
        assert!(pool.take().is_some());
    }

    #[test]
    fn a_returned_address_is_not_given_again_at_once() {
        let pool: AddressPool = "127.0.0.2, 127.0.0.3, 127.0.0.4".parse().unwrap();
        let first = pool.take().unwrap().address();
        assert_ne!(pool.take().unwrap().address(), first);
    }

    #[test]
    fn a_pod_gets_back_the_address_that_its_status_names() {
        let pool = AddressPool::default();
        let address = "127.70.1.2".parse().unwrap();
        let lease = pool.claim(address).unwrap();
        assert_eq!(lease.address(), address);
        assert!(pool.claim(address).is_none(), "it is in use");
        assert!(pool.claim("10.0.0.1".parse().unwrap()).is_none(), "it is not the pool's");
    }

    #[test]
    fn a_wrong_range_is_refused_with_an_example() {
        for text in ["127.0.0.0/40", "x", "127.0.0.1;127.0.0.2", "::1/64", ""] {
            let error = text.parse::<AddressPool>().unwrap_err().to_string();
            assert!(error.contains("127.64.0.0/10"), "{error}");
        }
    }
}
