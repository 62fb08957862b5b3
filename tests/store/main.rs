//! The store on both databases: SQLite, and a PostgreSQL server that the tests start.
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

#[path = "../support/mod.rs"]
mod harness;

mod audit;
mod backup;
mod faults;
mod full;
mod parts;
mod place;
mod program;
mod trust;

/// Runs each of the tests named on both databases.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::place::Place::sqlite()).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name(crate::place::Place::postgres().await).await; })*
        }
    };
}
pub(crate) use on_both;
