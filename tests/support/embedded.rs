//! Doorstep on the embedded cluster: one process.

use super::doorstep::{Addresses, Parts, address};
use super::program::Program;
use std::path::Path;

/// `doorstep up` in `folder`.
pub(super) fn start(folder: &Path, arguments: &[&str]) -> Parts {
    let own = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--api", "127.0.0.1:0", "--kube", "127.0.0.1:0"];
    let mut up = Program::start("up", folder, &folder.join("doorstep.log"), own.iter().chain(arguments));
    let said = up.addresses();
    let [http, https, api] = ["http", "https", "api"].map(|name| address(&said, name));
    Parts { addresses: Addresses { http, https, api, admin: api }, programs: vec![up], control_plane: None }
}
