//! How soon a change of a real cluster is live: from the API server's acknowledgement to the first answer by it, beside what
//! a bare watcher of the same objects needs. It prints figures and judges nothing.
//!
//!     cargo bench --bench cluster
//!     cargo bench --bench cluster -- 1 200     with these numbers of hosts instead
//!     cargo bench --bench cluster -- load      only what the load feels
//!
//! It starts a control plane of its own (`tests/run` builds it) in namespaces of its own; no root is needed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    missing_docs
)]

mod backend;
mod churn;
mod floor;
mod measure;
mod probe;

#[path = "../support/processors.rs"]
mod processors;
#[path = "../../tests/support/mod.rs"]
mod support;

fn main() {
    if std::env::args().nth(1).as_deref() == Some(backend::ROLE) {
        return backend::run();
    }
    if !support::namespace::is_inside() {
        let status = support::namespace::command().args(std::env::args_os().skip(1)).status();
        let status = status.expect("unshare runs (Debian package util-linux)");
        std::process::exit(status.code().unwrap_or(1));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let load_alone = std::env::args().any(|argument| argument == "load");
    runtime.block_on(measure::all(if given.is_empty() { &measure::SIZES } else { &given }, load_alone));
}
