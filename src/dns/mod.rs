//! Names that resolve: which records should be in a zone, which are there, and the changes from the one to the other.
//!
//! `plan` is pure: desired and listed record sets in, changes in their order out. A [`Provider`] lists a zone and makes one
//! change at a time, each by compare-and-set, so that what changed since the listing is never overwritten.

mod ask;
pub mod authority;
mod azure;
mod desired;
mod desk;
mod guard;
mod keeper;
mod name;
mod plan;
mod provider;
mod record;
pub mod rfc2136;
mod run;
pub mod settings;
mod tell;
mod verify;
mod wanted;
mod watch;

pub use azure::AzureDns;
pub use desired::{Clash, Desired};
pub use desk::{Desk, DeskError, Scope, SetCheck, ZonePlan};
pub use guard::{Guard, Refused};
pub use keeper::{Keeper, KeeperConfig, May, Pass, SetKey, SetState, ZoneWanted};
pub use name::{InvalidRecordName, RecordName, longest_zone};
pub use plan::{Change, Conflict, Plan, plan};
pub use provider::{Existing, Listing, Occupied, Provider, ProviderError};
pub use record::{InvalidOwner, Kind, Owner, RecordSet, Ttl, Values};
pub use run::run;
pub use verify::{Verdict, Verifier};
pub use wanted::{SharedService, Sight, Subject, Trouble, Wanted, wanted};
