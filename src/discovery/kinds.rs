//! The kinds that are watched: a line in the table at the end of this file makes a kind watched, kept on disk and read back.

use super::slim;
use super::watches::Change;
use crate::cluster::SharedKinds;
use crate::cluster::shared::{Feeder, Kept, Packed};
use crate::resources::{Environment, EnvironmentClass};
use crate::routing::SourceKind;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::Resource;
use kube::runtime::watcher::Event;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// An object that is watched.
pub(super) trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// Its kind.
    const SOURCE: SourceKind;

    /// What the writer is told of it.
    fn change(event: Event<Self>) -> Change;

    /// Takes off what no translation reads. The live table is made of slimmed objects too, so that one made of those on
    /// disk cannot differ.
    fn slim(&mut self);

    /// What is kept of it for others in this process.
    type Kept: Kept + Send + Sync + 'static;

    /// What feeds those who want to know of this kind beside the table.
    fn feeder(kinds: &SharedKinds) -> Option<Feeder<Self, Self::Kept>>;
}

/// A kind, as the reader of a last good table needs it.
pub(super) struct Kind {
    pub(super) source: SourceKind,
    /// The beginning of a list of its objects.
    pub(super) begin: fn() -> Change,
    /// One object of a list, from its JSON.
    pub(super) object: fn(&[u8]) -> serde_json::Result<Change>,
    /// The end of the list: what it has not named is gone.
    pub(super) end: fn() -> Change,
}

impl Kind {
    const fn of<K: Watched>() -> Self {
        Self { source: K::SOURCE, begin: begin::<K>, object: object::<K>, end: end::<K> }
    }
}

fn begin<K: Watched>() -> Change {
    K::change(Event::Init)
}

fn object<K: Watched>(json: &[u8]) -> serde_json::Result<Change> {
    serde_json::from_slice(json).map(|object| K::change(Event::InitApply(object)))
}

fn end<K: Watched>() -> Change {
    K::change(Event::InitDone)
}

macro_rules! kinds {
    ($($object:ty, $source:ident, $change:ident, $slim:path, $kept:ty, $feeder:expr;)+) => {
        $(impl Watched for $object {
            const SOURCE: SourceKind = SourceKind::$source;

            fn change(event: Event<Self>) -> Change {
                Change::$change(event)
            }

            fn slim(&mut self) {
                slim::metadata(&mut self.metadata);
                $slim(self);
            }

            type Kept = $kept;

            fn feeder(kinds: &SharedKinds) -> Option<Feeder<Self, Self::Kept>> {
                let feeder: fn(&SharedKinds) -> Option<Feeder<Self, Self::Kept>> = $feeder;
                feeder(kinds)
            }
        })+

        /// All of them, in the order in which they are read back: a class before the Services that ask for its hosts.
        pub(super) const KINDS: &[Kind] = &[$(Kind::of::<$object>()),+];
    };
}

// The object's type, its `SourceKind`, its `Change`, and what is taken off it beside the metadata, and what others hear of it.
kinds! {
    EnvironmentClass, Class, Classes, slim::class, EnvironmentClass, |kinds| Some(kinds.classes());
    Environment, Environment, Environments, slim::environment, Environment, |kinds| Some(kinds.environments());
    Service, Service, Services, slim::service, Packed<Service>, |kinds| Some(kinds.services());
    EndpointSlice, EndpointSlice, Slices, slim::slice, EndpointSlice, |kinds| Some(kinds.slices());
    IngressClass, IngressClass, IngressClasses, slim::ingress_class, IngressClass, |_| None;
    Ingress, Ingress, Ingresses, slim::ingress, Ingress, |kinds| Some(kinds.ingresses());
    Secret, Secret, Secrets, slim::secret, Secret, |_| None;
}
