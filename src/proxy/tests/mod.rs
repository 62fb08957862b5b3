//! The data plane as its clients and backends see it.

mod deploys;
mod framing;
mod harness;
mod protocols;
mod refusals;
