//! The management API with few and with many environments, on a real control plane: pages, single reads, memory, what is asked
//! of the API server, and how fast environments come up. It prints figures and judges nothing.
//!
//!     cargo bench --bench management
//!     cargo bench --bench management -- 50 200     with these numbers of environments instead
//!
//! All but the ones whose coming up is measured are asleep, so they have all of their objects but pods; those have pods by a
//! kubelet of this program's own, which runs nothing and says at once that they are ready.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    missing_docs
)]

mod busy;
mod calls;
mod kubelet;
mod measure;

#[path = "../../tests/support/mod.rs"]
mod support;

fn main() {
    if !support::namespace::is_inside() {
        let status = support::namespace::command().args(std::env::args_os().skip(1)).status();
        let status = status.expect("unshare runs (Debian package util-linux)");
        std::process::exit(status.code().unwrap_or(1));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    measure::all(&runtime, if given.is_empty() { &measure::SIZES } else { &given });
}
