//! The data plane as its clients and backends see it.

mod crowd;
mod deadlines;
mod deploys;
mod failures;
mod filters;
mod floods;
mod framing;
mod h2c;
mod harness;
mod idle;
mod odd_backends;
mod odd_clients;
mod one_view;
mod protocols;
mod raw_backend;
mod raw_http2;
mod refusals;
mod reuse;
mod slow;
mod takeover;
mod translation;
mod waiting;
