//! Webhooks: what happens to environments is told to whoever subscribed, signed, at least once.
//!
//! What is to be told goes into the store's outbox together with the note that it was told (`publish`), so nothing is missed while no
//! manager runs. From there it goes out (`worker`), again and again with growing pauses, until it is taken or given up.
//! Where it goes is checked at each connection, on the address that a name resolved to (`address`).

mod address;
mod endpoint;
mod message;
mod publish;
mod schedule;
mod secret;
mod seen;
mod send;
mod worker;

pub use address::{Allowed, Forbidden};
pub use endpoint::{Endpoint, EndpointError};
pub use message::Message;
pub use publish::{Subscriber, Told, publish};
pub use schedule::Schedule;
pub use secret::{Secret, SecretError};
pub use seen::{Seen, changes};
pub use send::{Sender, SenderError};
pub use worker::{Worker, WorkerConfig};

#[cfg(test)]
mod tests;
