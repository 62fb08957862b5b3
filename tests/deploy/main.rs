//! What stands in `deploy/`: the chart, the manifests rendered from it, the image's build file, the Grafana board.
//!
//! `DOORSTEP_UPDATE=1 cargo test --test deploy` writes the generated files anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a test fails by panicking"
)]

mod board;
mod helm;
mod image;
mod manager;
mod pods;
mod rendered;
mod turned;
mod values;
