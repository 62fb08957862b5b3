//! A right that is not there, in a sentence.

use super::list::{Place, RIGHTS, Right, Verb};
use std::collections::BTreeSet;
use std::fmt;

/// Which namespaces the places of a running role are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    /// The one namespace that is looked at; `None` for all.
    pub watched: Option<String>,
    /// The namespace of the environments.
    pub environments: String,
    /// The namespace of the Lease.
    pub lease: String,
    /// The namespaces of the gateways' Services.
    pub gateways: BTreeSet<String>,
    /// Whether tokens of the cluster are taken.
    pub tokens: bool,
}

impl Scope {
    /// The namespaces in which a right of `place` is needed, each `None` for all and for objects that have none; empty where it
    /// is not needed.
    pub fn namespaces(&self, place: Place) -> Vec<Option<String>> {
        match place {
            Place::Watched => vec![self.watched.clone()],
            Place::Environments => vec![Some(self.environments.clone())],
            Place::Lease => vec![Some(self.lease.clone())],
            // Where all namespaces are looked at, or this very one, it is a right of that place.
            Place::Gateways => match &self.watched {
                Some(watched) => self.gateways.iter().filter(|it| *it != watched).cloned().map(Some).collect(),
                None => Vec::new(),
            },
            Place::Cluster => vec![None],
            Place::Tokens => self.tokens.then_some(None).into_iter().collect(),
        }
    }
}

/// A verb of a right that the role does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The right.
    pub right: &'static Right,
    /// Which of its verbs.
    pub verb: Verb,
    /// In which namespace.
    pub namespace: Option<String>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Right { group, resource, without, place, .. } = self.right;
        let verb = self.verb.as_str();
        write!(f, "the ServiceAccount may not {verb} {resource}")?;
        if !group.is_empty() {
            write!(f, ".{group}")?;
        }
        let kind = match (&self.namespace, place) {
            (Some(namespace), _) => {
                write!(f, " in the namespace {namespace}")?;
                "Role"
            }
            (None, Place::Watched | Place::Environments | Place::Lease | Place::Gateways) => {
                f.write_str(" in all namespaces")?;
                "ClusterRole"
            }
            (None, Place::Cluster | Place::Tokens) => "ClusterRole",
        };
        write!(
            f,
            "; {without}; grant it with a {kind} that has apiGroups [{group:?}], resources [{resource}], verbs [{verb}]"
        )
    }
}

/// The sentence for a refusal, if it is the API server's for want of a right that a role needs. It says
/// `… cannot VERB resource "RESOURCE" in API group "GROUP" in the namespace "NAMESPACE"`, or `at the cluster scope`.
pub fn refused(message: &str) -> Option<String> {
    let (_, rest) = message.split_once(" cannot ")?;
    let (verb, rest) = rest.split_once(" resource \"")?;
    let (resource, rest) = rest.split_once("\" in API group \"")?;
    let (group, rest) = rest.split_once('"')?;
    let namespace =
        rest.split_once("in the namespace \"").and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()));
    let known = RIGHTS.iter().filter(|right| right.group == group && right.resource == resource);
    let (right, verb) = known
        .flat_map(|right| right.verbs.iter().map(move |known| (right, *known)))
        .find(|(_, known)| known.as_str() == verb)?;
    Some(Missing { right, verb, namespace }.to_string())
}
