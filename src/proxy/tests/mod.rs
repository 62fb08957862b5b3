//! The data plane as its clients and backends see it.

mod deadlines;
mod deploys;
mod failures;
mod filters;
mod framing;
mod h2c;
mod harness;
mod protocols;
mod refusals;
mod takeover;
mod waiting;
