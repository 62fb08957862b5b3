//! A request's way: accept, match, forward, answer.
//!
//! One thread per core ([`worker`]): each has its own sockets ([`listener`]), serves its connections ([`connection`]),
//! checks each request ([`request`]), forwards it ([`forward`], [`send`], [`waiting`]) or refuses it ([`refusal`],
//! [`respond`], [`pages`]).

mod activity;
mod body;
mod connection;
mod crowd;
mod drive;
mod fields;
mod filters;
mod flood;
mod forward;
mod framing;
mod gateway;
mod limits;
mod listener;
mod pages;
mod record;
mod refusal;
mod request;
mod respond;
mod send;
mod stall;
mod unread;
mod upgrade;
mod uses;
mod waiting;
mod worker;

#[cfg(test)]
mod tests;

pub use gateway::{Addresses, Bound, GatewayConfig, ProxyError, Running, bind};
pub use limits::Limits;
pub use refusal::{BadRequest, Refusal, Retry};
