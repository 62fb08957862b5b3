//! The clusters in use, and the slices that feed them.

use super::{Cluster, ClusterName, Endpoint, EndpointState, Hints, Locality, Protocol, ServiceKey, Slice, SliceKey};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

/// Every cluster that some rule leads to, and every slice that the cluster told of.
#[derive(Debug, Clone, Default)]
pub(super) struct Services {
    /// Weak: a cluster lives as long as a rule, here or in a snapshot that a request still holds, leads to it.
    clusters: HashMap<ServiceKey, Vec<KnownCluster>>,
    slices: HashMap<SliceKey, Slice>,
    of_service: HashMap<ServiceKey, BTreeSet<SliceKey>>,
    /// How many services `clusters` may name until those that no rule leads to any more are forgotten.
    sweep_at: usize,
    /// Where this gateway runs.
    locality: Locality,
}

/// Fewer services than this are not worth a sweep.
const SWEEP_AT_LEAST: usize = 256;

#[derive(Debug, Clone)]
struct KnownCluster {
    slice_port: Box<str>,
    protocol: Protocol,
    cluster: Weak<Cluster>,
}

impl Services {
    /// Says where this gateway runs.
    pub(super) fn set_locality(&mut self, locality: Locality) {
        self.locality = locality;
    }

    /// The cluster of that name, with its endpoints as they are known now.
    pub(super) fn cluster(&mut self, name: &ClusterName, slice_port: &str, protocol: Protocol) -> Arc<Cluster> {
        let service = ServiceKey { namespace: name.namespace.clone(), name: name.service.clone() };
        self.sweep();
        let known = self.clusters.entry(service.clone()).or_default();
        known.retain(|known| known.cluster.strong_count() > 0);
        let same = known.iter().filter(|known| known.protocol == protocol && &*known.slice_port == slice_port);
        if let Some(cluster) = same.filter_map(|known| known.cluster.upgrade()).find(|cluster| cluster.name == *name) {
            return cluster;
        }
        let cluster = Arc::new(Cluster::new(name.clone(), protocol));
        let weak = Arc::downgrade(&cluster);
        known.push(KnownCluster { slice_port: slice_port.into(), protocol, cluster: weak });
        cluster.replace(self.endpoints(&service, slice_port));
        cluster
    }

    /// Forgets the clusters to which no rule leads any more. Environments come and go under ever new names, so their
    /// entries must not stay; twice the size of what lived at the last sweep keeps the cost of a change constant.
    fn sweep(&mut self) {
        if self.clusters.len() < self.sweep_at.max(SWEEP_AT_LEAST) {
            return;
        }
        self.clusters.retain(|_, known| {
            known.retain(|known| known.cluster.strong_count() > 0);
            !known.is_empty()
        });
        self.sweep_at = self.clusters.len() * 2;
    }

    /// How many services are remembered for their clusters.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.clusters.len()
    }

    /// Takes a slice as it is now, or its end. The clusters of its service get their new endpoints at once.
    pub(super) fn set_slice(&mut self, key: &SliceKey, slice: Option<Slice>) {
        let service = |slice: &Slice| ServiceKey { namespace: key.namespace.clone(), name: slice.service.clone() };
        let before = self.slices.remove(key);
        let old = before.as_ref().map(&service);
        if let Some(old) = &old
            && let Some(slices) = self.of_service.get_mut(old)
        {
            slices.remove(key);
            if slices.is_empty() {
                self.of_service.remove(old);
            }
        }
        let new = slice.as_ref().map(&service);
        if let (Some(slice), Some(new)) = (slice, &new) {
            self.of_service.entry(new.clone()).or_default().insert(key.clone());
            self.slices.insert(key.clone(), slice);
        }
        for service in [old.filter(|old| Some(old) != new.as_ref()), new].into_iter().flatten() {
            self.refresh(&service);
        }
    }

    /// The keys of all slices.
    pub(super) fn slice_keys(&self) -> Vec<SliceKey> {
        self.slices.keys().cloned().collect()
    }

    fn refresh(&mut self, service: &ServiceKey) {
        let known = self.clusters.get(service);
        let live: Vec<_> = known
            .into_iter()
            .flatten()
            .filter_map(|known| Some((known.cluster.upgrade()?, known.slice_port.clone())))
            .collect();
        if live.is_empty() {
            self.clusters.remove(service);
        }
        for (cluster, slice_port) in live {
            cluster.replace(self.endpoints(service, &slice_port));
        }
    }

    /// The endpoints of a service's port; an address that two slices have counts once, in its better state.
    fn endpoints(&self, service: &ServiceKey, slice_port: &str) -> Vec<Endpoint> {
        let slices = self.of_service.get(service).into_iter().flatten().filter_map(|key| self.slices.get(key));
        let mut found: Vec<(Endpoint, &Hints)> = Vec::new();
        let mut places: HashMap<SocketAddr, usize> = HashMap::new();
        for slice in slices {
            let Some((_, port)) = slice.ports.iter().find(|(name, _)| &**name == slice_port) else { continue };
            for address in &slice.addresses {
                let mut endpoint = Endpoint::new(SocketAddr::new(address.ip, *port));
                (endpoint.pod, endpoint.state) = (address.pod.clone(), address.state);
                match places.get(&endpoint.address).and_then(|place| found.get_mut(*place)) {
                    Some(known) if endpoint.state < known.0.state => *known = (endpoint, &address.hints),
                    Some(_) => {}
                    None => {
                        places.insert(endpoint.address, found.len());
                        found.push((endpoint, &address.hints));
                    }
                }
            }
        }
        let ready = found.iter().filter(|(endpoint, _)| endpoint.state == EndpointState::Ready);
        let nearness = self.locality.nearness(&ready.map(|(_, hints)| *hints));
        let marked = found.into_iter().map(|(mut endpoint, hints)| {
            endpoint.near = self.locality.is_near(nearness, hints);
            endpoint
        });
        marked.collect()
    }
}
