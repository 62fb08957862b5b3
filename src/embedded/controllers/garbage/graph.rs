//! Who owns whom, as far as it was seen, and what follows for one object. Pure.

use std::collections::{HashMap, HashSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

/// Finalizer: the object waits for those it owns.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer: those it owns are to be left alone.
pub const ORPHAN: &str = "orphan";

/// The identity of an object.
pub type Uid = String;

/// Group and version, and kind.
pub type TypeName = (String, String);

/// What is known of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its type.
    pub kind: TypeName,
    /// Its namespace; empty if it has none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: Uid,
    /// Its owners.
    pub owners: Vec<Owner>,
    /// What holds back its end.
    pub finalizers: Vec<String>,
    /// Whether it is on its way out.
    pub deleting: bool,
}

/// A reference to an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The identity of the owner.
    pub uid: Uid,
    /// Its type.
    pub kind: TypeName,
    /// Its name.
    pub name: String,
    /// Whether the owner's foreground deletion waits for this object.
    pub blocks: bool,
}

impl From<&OwnerReference> for Owner {
    fn from(reference: &OwnerReference) -> Self {
        Self {
            uid: reference.uid.clone(),
            kind: (reference.api_version.clone(), reference.kind.clone()),
            name: reference.name.clone(),
            blocks: reference.block_owner_deletion == Some(true),
        }
    }
}

impl Node {
    /// Whether it is on its way out and waits for those it owns.
    pub fn waits_for_dependants(&self) -> bool {
        self.deleting && self.has_finalizer(FOREGROUND)
    }

    /// Whether it is on its way out and lets go of those it owns first.
    pub fn orphans(&self) -> bool {
        self.deleting && self.has_finalizer(ORPHAN)
    }

    fn has_finalizer(&self, name: &str) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == name)
    }
}

/// What is to be done with one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Keep,
    /// Whether these owners exist has to be asked first.
    Ask(Vec<Owner>),
    /// To be deleted; in the foreground if it holds back an owner and owns something itself.
    Delete {
        /// Whether it is to wait for those it owns.
        foreground: bool,
    },
    /// To lose its references to these owners: others keep it.
    Disown(Vec<Uid>),
    /// Its own end no longer waits for anything: the finalizer goes.
    Finish(&'static str),
    /// These owned objects hold back its end: they are to be looked at.
    Push(Vec<Uid>),
    /// These owned objects are to lose their reference to it; then the finalizer goes.
    Release(Vec<Uid>),
}

/// All objects that were seen.
#[derive(Default)]
pub struct Graph {
    nodes: HashMap<Uid, Node>,
    dependants: HashMap<Uid, HashSet<Uid>>,
    /// Owners that were asked for or seen to go, and are not there.
    absent: HashSet<Uid>,
}

impl Graph {
    /// An object is there. Gives the objects to look at.
    pub fn apply(&mut self, node: Node) -> Vec<Uid> {
        let uid = node.uid.clone();
        let mut concerned = vec![uid.clone()];
        if let Some(before) = self.nodes.remove(&uid) {
            self.unlink(&before);
            // What it no longer holds back may end now.
            concerned.extend(before.owners.into_iter().map(|owner| owner.uid).filter(|uid| self.is_waiting(uid)));
        }
        for owner in &node.owners {
            self.dependants.entry(owner.uid.clone()).or_default().insert(uid.clone());
            if self.is_waiting(&owner.uid) {
                concerned.push(owner.uid.clone());
            }
        }
        self.absent.remove(&uid);
        self.nodes.insert(uid, node);
        concerned
    }

    /// An object is gone. Gives the objects to look at: those it owned, and owners that waited for it.
    pub fn remove(&mut self, uid: &str) -> Vec<Uid> {
        let mut concerned: Vec<Uid> = self.dependants_of(uid);
        if !concerned.is_empty() {
            self.absent.insert(uid.to_owned());
        }
        if let Some(node) = self.nodes.remove(uid) {
            self.unlink(&node);
            concerned.extend(node.owners.into_iter().map(|owner| owner.uid).filter(|uid| self.is_waiting(uid)));
        }
        concerned
    }

    /// An owner was asked for and is not there.
    pub fn is_absent(&mut self, uid: &str) {
        if !self.nodes.contains_key(uid) {
            self.absent.insert(uid.to_owned());
        }
    }

    /// What is known of an object.
    pub fn node(&self, uid: &str) -> Option<&Node> {
        self.nodes.get(uid)
    }

    /// The objects of one type, for a complete list to be compared with.
    pub fn of_kind(&self, kind: &TypeName) -> Vec<Uid> {
        self.nodes.values().filter(|node| node.kind == *kind).map(|node| node.uid.clone()).collect()
    }

    /// What follows for one object. `confirmed` are owners that were not seen, but answered when asked.
    pub fn verdict(&self, uid: &str, confirmed: &HashSet<Uid>) -> Verdict {
        let Some(node) = self.nodes.get(uid) else { return Verdict::Keep };
        if node.orphans() {
            let owned = self.dependants_of(uid);
            return if owned.is_empty() { Verdict::Finish(ORPHAN) } else { Verdict::Release(owned) };
        }
        if node.waits_for_dependants() {
            let holding = self.holding(uid);
            return if holding.is_empty() { Verdict::Finish(FOREGROUND) } else { Verdict::Push(holding) };
        }
        if node.deleting || node.owners.is_empty() {
            return Verdict::Keep;
        }
        self.by_owners(node, confirmed)
    }

    fn by_owners(&self, node: &Node, confirmed: &HashSet<Uid>) -> Verdict {
        let (mut solid, mut gone, mut waiting, mut unknown) = (0, Vec::new(), Vec::new(), Vec::new());
        for owner in &node.owners {
            match self.nodes.get(&owner.uid) {
                Some(there) if self.is_same(node, owner, there) => {
                    if there.waits_for_dependants() {
                        waiting.push(owner.uid.clone());
                    } else {
                        solid += 1;
                    }
                }
                // The identity is right and the rest is not: no such object can be there.
                Some(_) => gone.push(owner.uid.clone()),
                None if self.absent.contains(&owner.uid) => gone.push(owner.uid.clone()),
                None if confirmed.contains(&owner.uid) => solid += 1,
                None => unknown.push(owner.clone()),
            }
        }
        if !unknown.is_empty() {
            return Verdict::Ask(unknown);
        }
        let surplus: Vec<Uid> = gone.into_iter().chain(waiting.iter().cloned()).collect();
        match (solid, surplus.is_empty()) {
            (0, _) => {
                let owns = !self.dependants_of(&node.uid).is_empty();
                Verdict::Delete { foreground: !waiting.is_empty() && owns }
            }
            (_, true) => Verdict::Keep,
            (_, false) => Verdict::Disown(surplus),
        }
    }

    fn is_same(&self, node: &Node, owner: &Owner, there: &Node) -> bool {
        let near = there.namespace.is_empty() || there.namespace == node.namespace;
        near && there.name == owner.name && there.kind.1 == owner.kind.1
    }

    fn dependants_of(&self, uid: &str) -> Vec<Uid> {
        self.dependants.get(uid).into_iter().flatten().cloned().collect()
    }

    /// Owned objects that the foreground deletion of `uid` waits for.
    fn holding(&self, uid: &str) -> Vec<Uid> {
        let blocks = |node: &&Node| node.owners.iter().any(|owner| owner.uid == uid && owner.blocks);
        let nodes = self.dependants.get(uid).into_iter().flatten().filter_map(|dependant| self.nodes.get(dependant));
        nodes.filter(blocks).map(|node| node.uid.clone()).collect()
    }

    fn is_waiting(&self, uid: &str) -> bool {
        self.nodes.get(uid).is_some_and(|node| node.waits_for_dependants() || node.orphans())
    }

    fn unlink(&mut self, node: &Node) {
        for owner in &node.owners {
            if let Some(dependants) = self.dependants.get_mut(&owner.uid) {
                dependants.remove(&node.uid);
                if dependants.is_empty() {
                    self.dependants.remove(&owner.uid);
                    // Nobody is left who could ask for it.
                    self.absent.remove(&owner.uid);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind() -> TypeName {
        ("v1".to_owned(), "Thing".to_owned())
    }

    fn node(uid: &str, owners: &[&str]) -> Node {
        let owner = |uid: &&str| Owner { uid: (*uid).to_owned(), kind: kind(), name: (*uid).to_owned(), blocks: true };
        Node {
            kind: kind(),
            namespace: "d".to_owned(),
            name: uid.to_owned(),
            uid: uid.to_owned(),
            owners: owners.iter().map(owner).collect(),
            finalizers: Vec::new(),
            deleting: false,
        }
    }

    fn deleting(uid: &str, owners: &[&str], finalizer: &str) -> Node {
        Node { deleting: true, finalizers: vec![finalizer.to_owned()], ..node(uid, owners) }
    }

    fn verdict(graph: &Graph, uid: &str) -> Verdict {
        graph.verdict(uid, &HashSet::new())
    }

    #[test]
    fn the_owned_go_when_their_last_owner_is_gone() {
        let mut graph = Graph::default();
        for node in [node("a", &[]), node("b", &[]), node("one", &["a"]), node("both", &["a", "b"])] {
            graph.apply(node);
        }
        assert_eq!(verdict(&graph, "one"), Verdict::Keep);
        let mut concerned = graph.remove("a");
        concerned.sort();
        assert_eq!(concerned, ["both", "one"]);
        assert_eq!(verdict(&graph, "one"), Verdict::Delete { foreground: false });
        assert_eq!(verdict(&graph, "both"), Verdict::Disown(vec!["a".to_owned()]));
    }

    #[test]
    fn an_owner_that_was_never_seen_is_asked_for() {
        let mut graph = Graph::default();
        graph.apply(node("child", &["ghost"]));
        let Verdict::Ask(owners) = verdict(&graph, "child") else { panic!("not asked") };
        assert_eq!(owners[0].uid, "ghost");
        assert_eq!(graph.verdict("child", &HashSet::from(["ghost".to_owned()])), Verdict::Keep);
        graph.is_absent("ghost");
        assert_eq!(verdict(&graph, "child"), Verdict::Delete { foreground: false });
    }

    #[test]
    fn an_owner_with_another_name_or_namespace_does_not_count() {
        let mut graph = Graph::default();
        graph.apply(Node { namespace: "elsewhere".to_owned(), ..node("a", &[]) });
        graph.apply(node("child", &["a"]));
        assert_eq!(verdict(&graph, "child"), Verdict::Delete { foreground: false });
    }

    #[test]
    fn foreground_deletion_goes_from_the_leaves_to_the_root() {
        let mut graph = Graph::default();
        for node in [deleting("root", &[], FOREGROUND), node("middle", &["root"]), node("leaf", &["middle"])] {
            graph.apply(node);
        }
        assert_eq!(verdict(&graph, "root"), Verdict::Push(vec!["middle".to_owned()]));
        assert_eq!(verdict(&graph, "middle"), Verdict::Delete { foreground: true });
        graph.apply(deleting("middle", &["root"], FOREGROUND));
        assert_eq!(verdict(&graph, "middle"), Verdict::Push(vec!["leaf".to_owned()]));
        assert_eq!(verdict(&graph, "leaf"), Verdict::Delete { foreground: false });
        assert_eq!(graph.remove("leaf"), ["middle"]);
        assert_eq!(verdict(&graph, "middle"), Verdict::Finish(FOREGROUND));
        assert_eq!(graph.remove("middle"), ["root"]);
        assert_eq!(verdict(&graph, "root"), Verdict::Finish(FOREGROUND));
    }

    #[test]
    fn orphaning_lets_go_of_the_owned_first() {
        let mut graph = Graph::default();
        graph.apply(deleting("root", &[], ORPHAN));
        graph.apply(node("child", &["root"]));
        assert_eq!(verdict(&graph, "root"), Verdict::Release(vec!["child".to_owned()]));
        assert_eq!(verdict(&graph, "child"), Verdict::Keep);
        assert!(graph.apply(node("child", &[])).contains(&"root".to_owned()));
        assert_eq!(verdict(&graph, "root"), Verdict::Finish(ORPHAN));
    }
}
