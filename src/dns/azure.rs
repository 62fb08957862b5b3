//! Private and public zones of Azure DNS. The owner's mark is metadata of the record set itself, and every change is
//! conditional at the service: `If-None-Match: *` to make a set, `If-Match` with the listed ETag to change or remove it.

mod wire;

use super::settings::AzureSettings;
use super::{Existing, Listing, Owner, Provider, ProviderError, RecordSet};
use crate::azure::{Arm, AzureError, Call, Condition, Etag, Method, ResourcePath, Service, Settled, UnsafeSegment};
use crate::model::Hostname;
use futures::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeMap;

/// Who may resolve a zone. The two are services of their own, and spell their fields differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visibility {
    /// Virtual networks that are linked to the zone.
    Private,
    /// Everybody.
    Public,
}

/// Zones in Azure.
#[derive(Debug)]
pub struct AzureDns {
    arm: Arm,
    zones: BTreeMap<Hostname, Place>,
}

/// Where a zone is.
#[derive(Debug)]
struct Place {
    visibility: Visibility,
    path: ResourcePath,
}

impl Visibility {
    fn service(self) -> Service {
        match self {
            Self::Private => Service::PrivateDns,
            Self::Public => Service::PublicDns,
        }
    }

    fn resource_type(self) -> &'static str {
        match self {
            Self::Private => "privateDnsZones",
            Self::Public => "dnsZones",
        }
    }

    /// The last part of the path that lists every record set of a zone.
    fn listing(self) -> &'static str {
        match self {
            Self::Private => "ALL",
            Self::Public => "recordsets",
        }
    }
}

impl AzureDns {
    /// The provider for `zones`, through `arm`.
    pub fn new(arm: Arm, zones: impl IntoIterator<Item = (Hostname, AzureSettings)>) -> Result<Self, UnsafeSegment> {
        let place = |(zone, at): (Hostname, AzureSettings)| {
            let group = ResourcePath::of_subscription(&at.subscription)?.group(&at.resource_group)?;
            let provider = group.provider("Microsoft.Network")?;
            let visibility = if at.is_private { Visibility::Private } else { Visibility::Public };
            let path = provider.child(visibility.resource_type(), zone.as_str())?;
            Ok((zone, Place { visibility, path }))
        };
        Ok(Self { arm, zones: zones.into_iter().map(place).collect::<Result<_, _>>()? })
    }

    fn place(&self, zone: &Hostname) -> Result<&Place, ProviderError> {
        self.zones.get(zone).ok_or_else(|| {
            ProviderError::NotOurs(format!("the zone {zone} is not among those that are configured to be in Azure"))
        })
    }

    /// A call of one record set.
    fn call(&self, zone: &Hostname, method: Method, set: &RecordSet) -> Result<Call, ProviderError> {
        let place = self.place(zone)?;
        let unsafe_name = |reason: &dyn std::fmt::Display| ProviderError::NotOurs(format!("{set}: {reason}"));
        let outside = format!("it is not in the zone {zone}");
        let name = set.name.relative_to(zone).ok_or_else(|| unsafe_name(&outside))?;
        let path = place.path.clone().child(set.kind().as_str(), &name).map_err(|e| unsafe_name(&e))?;
        Ok(Call::new(place.visibility.service(), method, path))
    }

    async fn list_zone(&self, zone: &Hostname) -> Result<Listing, ProviderError> {
        let place = self.place(zone)?;
        let path = place.path.clone().segment(place.visibility.listing());
        let path = path.map_err(|error| ProviderError::NotOurs(error.to_string()))?;
        let call = Call::new(place.visibility.service(), Method::Get, path);
        let items = self.arm.list(&call).await.map_err(|error| of_zone(zone, &error))?;
        Ok(wire::listing(zone, place.visibility, &items))
    }

    async fn put(
        &self,
        zone: &Hostname,
        set: &RecordSet,
        owner: &Owner,
        condition: Condition,
    ) -> Result<String, ProviderError> {
        let visibility = self.place(zone)?.visibility;
        let body = wire::body(visibility, set, owner);
        let call = self.call(zone, Method::Put, set)?.condition(condition.clone()).body(body);
        let settle = |found: Option<&Value>| {
            let read = found.and_then(|found| wire::existing(zone, visibility, found));
            match (found, read, &condition) {
                (_, Some(there), _) if there.set == *set && there.owner.as_ref() == Some(owner) => Settled::Applied,
                (None, _, Condition::Absent) => Settled::NotApplied,
                (Some(found), _, Condition::Unchanged(etag)) if Etag::of(found).as_ref() == Some(etag) => {
                    Settled::NotApplied
                }
                (Some(_) | None, _, Condition::Absent | Condition::Unchanged(_) | Condition::Always) => {
                    Settled::Otherwise
                }
            }
        };
        let written = self.arm.write(&call, settle).await.map_err(|error| of_record(zone, set, &error))?;
        // Without an ETag the next change is refused and lists the zone anew.
        Ok(Etag::of(&written).map(|etag| etag.0).unwrap_or_default())
    }

    async fn remove(&self, zone: &Hostname, before: &Existing, owner: &Owner) -> Result<(), ProviderError> {
        let etag = unchanged(before, owner)?;
        let call = self.call(zone, Method::Delete, &before.set)?.condition(Condition::Unchanged(etag.clone()));
        let settle = |found: Option<&Value>| match found {
            None => Settled::Applied,
            Some(found) if Etag::of(found).as_ref() == Some(&etag) => Settled::NotApplied,
            Some(_) => Settled::Otherwise,
        };
        self.arm.write(&call, settle).await.map(drop).map_err(|error| of_record(zone, &before.set, &error))
    }

    async fn replace(
        &self,
        zone: &Hostname,
        before: &Existing,
        after: &RecordSet,
        owner: &Owner,
    ) -> Result<String, ProviderError> {
        let etag = unchanged(before, owner)?;
        if before.set.kind() == after.kind() {
            return self.put(zone, after, owner, Condition::Unchanged(etag)).await;
        }
        // Kinds are resources of their own, and a CNAME stands alone: the old one goes first.
        self.remove(zone, before, owner).await?;
        self.put(zone, after, owner, Condition::Absent).await
    }
}

/// The ETag to compare with; refused if the set is somebody else's.
fn unchanged(before: &Existing, owner: &Owner) -> Result<Etag, ProviderError> {
    match &before.owner {
        // An empty version compares equal to nothing; as a header field it would compare with whatever is there.
        Some(of) if of == owner && before.version.is_empty() => Err(ProviderError::Precondition(format!(
            "the version of {} is not known; the zone has to be listed again",
            before.set
        ))),
        Some(of) if of == owner => Ok(Etag(before.version.clone())),
        Some(of) => Err(ProviderError::NotOurs(format!("{} is of the owner {of}; it is left as it is", before.set))),
        None => Err(ProviderError::NotOurs(format!("{} has no mark of ours; it is left as it is", before.set))),
    }
}

impl Provider for AzureDns {
    fn list<'p>(&'p self, zone: &'p Hostname) -> BoxFuture<'p, Result<Listing, ProviderError>> {
        Box::pin(self.list_zone(zone))
    }

    fn create<'p>(
        &'p self,
        zone: &'p Hostname,
        set: &'p RecordSet,
        owner: &'p Owner,
    ) -> BoxFuture<'p, Result<String, ProviderError>> {
        Box::pin(self.put(zone, set, owner, Condition::Absent))
    }

    fn update<'p>(
        &'p self,
        zone: &'p Hostname,
        before: &'p Existing,
        after: &'p RecordSet,
        owner: &'p Owner,
    ) -> BoxFuture<'p, Result<String, ProviderError>> {
        Box::pin(self.replace(zone, before, after, owner))
    }

    fn delete<'p>(
        &'p self,
        zone: &'p Hostname,
        before: &'p Existing,
        owner: &'p Owner,
    ) -> BoxFuture<'p, Result<(), ProviderError>> {
        Box::pin(self.remove(zone, before, owner))
    }
}

fn of_zone(zone: &Hostname, error: &AzureError) -> ProviderError {
    if let AzureError::Absent { .. } = error {
        let way = "make it, or correct its subscription, resource group or visibility";
        return ProviderError::NotOurs(format!("the zone {zone} is not in Azure where it is configured to be; {way}"));
    }
    told(format!("zone {zone}: {error}"), error)
}

fn of_record(zone: &Hostname, set: &RecordSet, error: &AzureError) -> ProviderError {
    told(format!("{} {} in zone {zone}: {error}", set.name, set.kind()), error)
}

/// What the failure means to the plan; `said` is its sentence.
fn told(said: String, error: &AzureError) -> ProviderError {
    match error {
        AzureError::Throttled { after, .. } => ProviderError::Throttled { after: Some(*after), said },
        AzureError::Precondition { .. } | AzureError::Absent { .. } => ProviderError::Precondition(said),
        AzureError::Lost { .. } => ProviderError::Lost(said),
        AzureError::Unavailable { .. }
        | AzureError::Credential { .. }
        | AzureError::Malformed { .. }
        | AzureError::Fenced { .. } => ProviderError::Unavailable(said),
        // What Azure has against this one record: another kind at its name, a name that it does not take.
        AzureError::Refused { status: 400 | 409 | 422, .. } => ProviderError::NotOurs(said),
        AzureError::Refused { .. } | AzureError::Settings(_) | AzureError::Failed { .. } => {
            ProviderError::Refused(said)
        }
    }
}
