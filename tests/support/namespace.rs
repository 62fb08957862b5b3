//! Namespaces of one's own, in which every pod's address is this machine: no root is needed, and nothing is seen outside.

use std::path::Path;
use std::process::Command;

/// Whether this process is in there already.
pub fn is_inside() -> bool {
    std::env::var_os("DOORSTEP_TEST_NAMESPACE").is_some()
}

/// This program once more, in there. Its arguments are to be added.
pub fn command() -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/enter"));
    command.arg(std::env::current_exe().expect("this program's file"));
    command
}
