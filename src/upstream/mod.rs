//! Connections to endpoints: choose, connect, pool.
//!
//! Everything here belongs to one worker thread: no lock is taken and nothing crosses threads.

mod balance;
mod connect;
mod executor;
mod multiplex;
mod pool;

pub use balance::{Balancer, Unavailable};
pub use connect::ConnectError;
pub use executor::LocalExecutor;
pub use pool::{Lease, PoolSettings, Pools, SendFailure, Taken};
