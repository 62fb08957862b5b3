//! Composition: only this room knows everyone. Each role is a value that is built, runs, and is shut down.

mod control_plane;
mod data_plane;
mod folder;
mod signals;
mod zones;

pub mod gateway;
pub mod manager;
pub mod up;

pub use folder::DataFolder;

use anyhow::{Context, Result};

/// The file in the data folder that tells the commands where the management API listens.
pub const API_ADDRESS_FILE: &str = "api-address";
/// The file in the data folder that holds the management API's token.
pub const API_TOKEN_FILE: &str = "api-token";

/// The runtime of everything but the data plane's workers, which have their own.
fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).thread_name("control").enable_all().build().context("no runtime could be started")
}
