//! Composition: only this room knows everyone. Each role is a value that is built, runs, and is shut down.

mod access;
mod control_plane;
mod data_plane;
mod dns;
mod folder;
mod follow;
mod measure;
mod preview;
mod rights;
mod serves;
mod signals;
mod store;
mod zones;

pub mod gateway;
pub mod manager;
pub mod node;
pub mod up;

pub use access::AccessOptions;
pub use dns::AuthorityOptions;
pub use folder::DataFolder;
pub use store::StoreOptions;

use anyhow::{Context, Result};
use std::path::Path;
use std::time::Duration;

/// The file in the data folder that tells the commands, and scripts, where everything listens: a JSON object whose `api`
/// is the management API.
pub const ADDRESSES_FILE: &str = "addresses.json";
/// The file in the data folder that holds the management API's token.
pub const TOKEN_FILE: &str = "api-token";

/// How long what blocks a thread is waited for at the end: an exec plugin that hangs must not keep the process.
const LAST: Duration = Duration::from_secs(1);

/// Runs a role on the runtime of everything but the data plane's workers, which have their own.
fn block_on(threads: usize, role: impl Future<Output = Result<()>>) -> Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let builder = builder.worker_threads(threads).thread_name("control").enable_all();
    let runtime = builder.build().context("no runtime could be started")?;
    let ended = runtime.block_on(role);
    runtime.shutdown_timeout(LAST);
    ended
}

/// Writes [`ADDRESSES_FILE`], whole or not at all.
fn write_addresses(folder: &Path, addresses: &serde_json::Value) -> Result<()> {
    let (path, unfinished) = (folder.join(ADDRESSES_FILE), folder.join("addresses.json.new"));
    std::fs::write(&unfinished, addresses.to_string())
        .and_then(|()| std::fs::rename(&unfinished, &path))
        .with_context(|| format!("{} cannot be written", path.display()))
}
