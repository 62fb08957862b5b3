//! Azure Resource Manager: tokens, one client, and what it keeps from its callers: retries, budgets, lost answers, operations.
//!
//! Tokens come from `azure_identity`; everything else is ours, as no usable official client of ARM exists. Callers name
//! a resource and a condition ([`Call`]) and get the answer, or one [`AzureError`] that says what can be done about it.

mod call;
mod client;
mod clock;
mod credential;
mod error;
mod operation;
mod path;
mod redact;
mod retry;
mod service;
mod service_error;
mod settings;
mod throttle;
mod transport;

pub use call::{Answer, Call, Condition, Etag, Method};
pub use client::{Arm, Fence, Settled};
pub use clock::Clock;
pub use error::AzureError;
pub use operation::{Handle, Started, Step};
pub use path::{ResourcePath, UnsafeSegment};
pub use service::Service;
pub use service_error::ServiceError;
pub use settings::{ApiVersions, Cloud, CredentialSettings, Settings};
pub use throttle::Budget;
