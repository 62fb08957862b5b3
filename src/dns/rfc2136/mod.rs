//! Zones on a name server that takes dynamic updates (RFC 2136), signed by TSIG (RFC 8945).
//!
//! A zone is listed by transfer: whole the first time (AXFR), what changed after that (IXFR). Each change is one UPDATE whose
//! prerequisites say what was listed, so the server itself compares before it sets. Whose a record is stands in a TXT record
//! below its name. Updates go by TCP: a lost datagram could not be told from a lost answer.

mod copy;
mod exchange;
mod mark;
mod transfer;
mod tsig;
mod update;

pub use exchange::{Server, ServerAddress};
pub use tsig::{Algorithm, Key, KeyError};

pub(super) use exchange::{MAX_DATAGRAM, receive, send};

use super::{Existing, Listing, Owner, Provider, ProviderError, RecordName, RecordSet};
use crate::model::Hostname;
use copy::Copy;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::Name;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use transfer::Transfer;
use update::Update;

/// A name server that takes updates.
#[derive(Debug)]
pub struct Rfc2136 {
    server: Server,
    /// What each zone held when it was listed last.
    copies: Mutex<HashMap<Hostname, Copy>>,
    /// Zones that were listed and not tidied since.
    untidied: Mutex<HashSet<Hostname>>,
}

impl Rfc2136 {
    /// The provider for the zones of `server`.
    pub fn new(server: Server) -> Self {
        Self { server, copies: Mutex::default(), untidied: Mutex::default() }
    }

    async fn list_zone(&self, zone: &Hostname) -> Result<Listing, ProviderError> {
        let origin = zone_name(zone)?;
        let known = self.copies.lock().unwrap_or_else(PoisonError::into_inner).get(zone).cloned();
        let copy = match known {
            None => self.whole(&origin).await?,
            Some(mut copy) => match transfer::changes(&self.server, &origin, copy.soa()).await {
                Ok(Transfer::Same) => copy,
                Ok(Transfer::Older) => self.whole(&origin).await?,
                Ok(Transfer::Whole(records)) => self.read(&origin, records)?,
                // A history that does not fit what is known is of no use; the whole zone is.
                Ok(Transfer::Steps(steps)) => match copy.go(steps) {
                    Ok(()) => copy,
                    Err(copy::DoesNotFit) => self.whole(&origin).await?,
                },
                // A server may have no IXFR at all.
                Err(ProviderError::NotOurs(_)) => self.whole(&origin).await?,
                Err(error) => return Err(error),
            },
        };
        let listing = copy.listing(zone);
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).insert(zone.clone(), copy);
        self.untidied.lock().unwrap_or_else(PoisonError::into_inner).insert(zone.clone());
        Ok(listing)
    }

    async fn whole(&self, origin: &Name) -> Result<Copy, ProviderError> {
        let records = transfer::whole(&self.server, origin).await?;
        self.read(origin, records)
    }

    fn read(&self, origin: &Name, records: Vec<hickory_proto::rr::Record>) -> Result<Copy, ProviderError> {
        let (copy, outside) = Copy::whole(origin, records).ok_or_else(|| {
            ProviderError::Unavailable(format!("{} sent the zone {origin} without its SOA record", self.server))
        })?;
        if outside > 0 {
            tracing::warn!(server = %self.server, zone = %origin, outside, "records outside of the zone were passed over");
        }
        Ok(copy)
    }

    async fn carry_out(&self, zone: &Hostname, what: &str, update: Update) -> Result<(), ProviderError> {
        let answer = self.server.ask(update.into_message()).await?;
        self.judge(zone, what, &answer)
    }

    /// What an answer to an UPDATE means (RFC 2136, section 3.8).
    fn judge(&self, zone: &Hostname, what: &str, answer: &Message) -> Result<(), ProviderError> {
        let server = &self.server;
        let code = answer.metadata.response_code;
        Err(match code {
            ResponseCode::NoError => return Ok(()),
            ResponseCode::YXDomain | ResponseCode::YXRRSet | ResponseCode::NXRRSet | ResponseCode::NXDomain => {
                ProviderError::Precondition(format!(
                    "{what}: {server} holds something else than it listed ({code}); nothing was changed"
                ))
            }
            ResponseCode::Refused => ProviderError::Refused(format!(
                "{what}: {server} does not let the key {} update {zone}; allow it there (update-policy, acl)",
                server.key.name()
            )),
            ResponseCode::NotAuth | ResponseCode::NotZone => ProviderError::NotOurs(format!(
                "{what}: {server} is not the primary server of the zone {zone}; name the one that is"
            )),
            ResponseCode::NotImp => {
                ProviderError::Refused(format!("{what}: {server} takes no dynamic updates for {zone}"))
            }
            other => ProviderError::Unavailable(format!("{what}: {server} failed with {other}")),
        })
    }

    fn mark_at(&self, zone: &Hostname, set: &RecordSet) -> Option<Option<Owner>> {
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.get(zone)?.mark(&set.name, set.kind())
    }

    async fn create_set(&self, zone: &Hostname, set: &RecordSet, owner: &Owner) -> Result<(), ProviderError> {
        in_zone(&set.name, zone)?;
        let mut update = Update::of(zone)?;
        update.is_free_for(set)?;
        match self.mark_at(zone, set) {
            None => update.has_no_mark(set)?,
            // Its record was removed by somebody else; the mark says that the place is ours.
            Some(Some(marked)) if marked == *owner => update.has_mark(set, owner)?,
            Some(_) => {
                return Err(ProviderError::NotOurs(format!(
                    "{set}: the name has a mark that is not of the owner {owner}"
                )));
            }
        }
        update.put(set)?;
        update.put_mark(set, owner)?;
        self.carry_out(zone, &format!("{set} cannot be created"), update).await
    }

    async fn update_set(
        &self,
        zone: &Hostname,
        before: &Existing,
        after: &RecordSet,
        owner: &Owner,
    ) -> Result<(), ProviderError> {
        is_ours(before, owner)?;
        in_zone(&after.name, zone)?;
        let mut update = Update::of(zone)?;
        update.is_as_listed(&before.set)?;
        update.has_mark(&before.set, owner)?;
        if before.set.kind() != after.kind() {
            update.has_none(after)?;
            update.has_no_mark(after)?;
            update.remove_mark(&before.set)?;
        }
        update.remove(&before.set)?;
        update.put(after)?;
        update.put_mark(after, owner)?;
        self.carry_out(zone, &format!("{} cannot be changed to {after}", before.set), update).await
    }

    async fn delete_set(&self, zone: &Hostname, before: &Existing, owner: &Owner) -> Result<(), ProviderError> {
        is_ours(before, owner)?;
        let mut update = Update::of(zone)?;
        update.is_as_listed(&before.set)?;
        update.has_mark(&before.set, owner)?;
        update.remove(&before.set)?;
        update.remove_mark(&before.set)?;
        self.carry_out(zone, &format!("{} cannot be deleted", before.set), update).await
    }

    async fn tidy_zone(&self, zone: &Hostname, owner: &Owner) -> Result<usize, ProviderError> {
        if !self.untidied.lock().unwrap_or_else(PoisonError::into_inner).remove(zone) {
            return Ok(0);
        }
        let orphans = {
            let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
            copies.get(zone).map(|copy| copy.orphans(zone, owner)).unwrap_or_default()
        };
        for (name, kind) in &orphans {
            let mut update = Update::of(zone)?;
            update.forget_mark(name, *kind, owner)?;
            match self.carry_out(zone, &format!("the mark of {name} {kind} cannot be removed"), update).await {
                // It has its record again, or is gone.
                Ok(()) | Err(ProviderError::Precondition(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(orphans.len())
    }
}

fn is_ours(existing: &Existing, owner: &Owner) -> Result<(), ProviderError> {
    if existing.owner.as_ref() == Some(owner) {
        return Ok(());
    }
    Err(ProviderError::NotOurs(format!("{} has no mark of the owner {owner}; it is left as it is", existing.set)))
}

fn in_zone(name: &RecordName, zone: &Hostname) -> Result<(), ProviderError> {
    if name.is_in(zone) {
        return Ok(());
    }
    Err(ProviderError::NotOurs(format!("{name} is not in the zone {zone}")))
}

/// A zone's name as messages hold it.
fn zone_name(zone: &Hostname) -> Result<Name, ProviderError> {
    wire_name(&zone.to_string())
}

/// A name as messages hold it.
fn wire_name(name: &str) -> Result<Name, ProviderError> {
    Name::from_ascii(format!("{name}."))
        .map_err(|error| ProviderError::Refused(format!("{name} cannot stand in a DNS message: {error}")))
}

impl Provider for Rfc2136 {
    fn list<'p>(&'p self, zone: &'p Hostname) -> BoxFuture<'p, Result<Listing, ProviderError>> {
        self.list_zone(zone).boxed()
    }

    fn create<'p>(
        &'p self,
        zone: &'p Hostname,
        set: &'p RecordSet,
        owner: &'p Owner,
    ) -> BoxFuture<'p, Result<String, ProviderError>> {
        // The records themselves are what is compared.
        self.create_set(zone, set, owner).map_ok(|()| String::new()).boxed()
    }

    fn update<'p>(
        &'p self,
        zone: &'p Hostname,
        before: &'p Existing,
        after: &'p RecordSet,
        owner: &'p Owner,
    ) -> BoxFuture<'p, Result<String, ProviderError>> {
        self.update_set(zone, before, after, owner).map_ok(|()| String::new()).boxed()
    }

    fn delete<'p>(
        &'p self,
        zone: &'p Hostname,
        before: &'p Existing,
        owner: &'p Owner,
    ) -> BoxFuture<'p, Result<(), ProviderError>> {
        self.delete_set(zone, before, owner).boxed()
    }

    fn tidy<'p>(&'p self, zone: &'p Hostname, owner: &'p Owner) -> BoxFuture<'p, Result<usize, ProviderError>> {
        self.tidy_zone(zone, owner).boxed()
    }
}
