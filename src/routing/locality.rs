//! Which of the ready endpoints are near, by the hints of EndpointSlices (`trafficDistribution`), as kube-proxy reads them.

/// Where this gateway runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locality {
    /// Its zone (`topology.kubernetes.io/zone`).
    pub zone: Option<Box<str>>,
    /// Its node.
    pub node: Option<Box<str>>,
}

/// For whom an endpoint is meant (discovery.k8s.io/v1, `EndpointHints`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// The zones.
    pub zones: Box<[Box<str>]>,
    /// The nodes.
    pub nodes: Box<[Box<str>]>,
}

/// What the hints of a cluster's ready endpoints come to, for one gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nearness {
    /// They say nothing, or nothing that can be followed: all endpoints are alike.
    All,
    /// Those for this node.
    Node,
    /// Those for this zone.
    Zone,
}

impl Locality {
    /// Reads the hints of all ready endpoints. Those for nodes count if every endpoint has some and one is for this node;
    /// else those for zones likewise. A single endpoint without a hint means that the hints are not complete yet.
    pub(super) fn nearness<'h>(&self, ready: &(impl Iterator<Item = &'h Hints> + Clone)) -> Nearness {
        let follows = |wanted: Option<&str>, of: fn(&Hints) -> &[Box<str>]| {
            wanted.is_some_and(|wanted| {
                ready.clone().all(|hints| !of(hints).is_empty()) && ready.clone().any(|hints| names(of(hints), wanted))
            })
        };
        if follows(self.node.as_deref(), |hints| &hints.nodes) {
            Nearness::Node
        } else if follows(self.zone.as_deref(), |hints| &hints.zones) {
            Nearness::Zone
        } else {
            Nearness::All
        }
    }

    /// Whether an endpoint with these hints is near.
    pub(super) fn is_near(&self, nearness: Nearness, hints: &Hints) -> bool {
        let named = |wanted: Option<&str>, by: &[Box<str>]| wanted.is_some_and(|wanted| names(by, wanted));
        match nearness {
            Nearness::All => true,
            Nearness::Node => named(self.node.as_deref(), &hints.nodes),
            Nearness::Zone => named(self.zone.as_deref(), &hints.zones),
        }
    }
}

fn names(names: &[Box<str>], wanted: &str) -> bool {
    names.iter().any(|name| **name == *wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(zones: &[&str], nodes: &[&str]) -> Hints {
        let boxed = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
        Hints { zones: boxed(zones), nodes: boxed(nodes) }
    }

    #[test]
    fn hints_are_followed_only_when_every_endpoint_has_them_and_one_is_for_us() {
        let here = Locality { zone: Some("a".into()), node: Some("n1".into()) };
        let unknown = Locality::default();
        let cases = [
            (vec![hints(&["a"], &[]), hints(&["b"], &[])], Nearness::Zone),
            (vec![hints(&["a"], &[]), hints(&[], &[])], Nearness::All),
            (vec![hints(&["b"], &[]), hints(&["c"], &[])], Nearness::All),
            (vec![hints(&["b"], &["n1"]), hints(&["b"], &["n2"])], Nearness::Node),
            (vec![hints(&["a"], &["n1"]), hints(&["b"], &[])], Nearness::Zone),
            (vec![hints(&["a", "b"], &["n3"]), hints(&["c"], &["n2"])], Nearness::Zone),
            (vec![], Nearness::All),
        ];
        for (endpoints, expected) in cases {
            assert_eq!(here.nearness(&endpoints.iter()), expected, "{endpoints:?}");
            assert_eq!(unknown.nearness(&endpoints.iter()), Nearness::All);
        }
    }
}
