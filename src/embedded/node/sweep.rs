//! Finds processes of pods by marks in their environment, when no shim is left to end them.

use std::{path::Path, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::processes;

const NODE: &str = "DOORSTEP_NODE";
const POD: &str = "DOORSTEP_POD";
const CONTAINER: &str = "DOORSTEP_CONTAINER";

/// Whose process it is. The variables go into the environment of the shim and of all that descends from it.
#[derive(Clone, Debug)]
pub(super) struct Marks {
    /// The node's data folder, in its canonical form.
    pub node: String,
    /// The pod's uid.
    pub pod: String,
    pub container: String,
    /// For people who look at the list of processes.
    pub label: String,
}

impl Marks {
    pub fn variables(&self) -> [(String, String); 3] {
        [(NODE, &self.node), (POD, &self.pod), (CONTAINER, &self.container)]
            .map(|(name, value)| (name.to_owned(), value.clone()))
    }

    pub fn entries(&self) -> Vec<String> {
        self.variables().into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

/// Kills what an earlier run with this data folder left behind.
pub(super) fn kill_leftovers(data_dir: &Path) -> usize {
    kill_marked(&[format!("{NODE}={}", data_dir.display())])
}

/// Kills every process whose environment holds all these entries, until none is found. Returns how many there were.
pub(super) fn kill_marked(entries: &[String]) -> usize {
    let me = i32::try_from(std::process::id()).unwrap_or(0);
    let mut killed = 0;
    // Each round catches what the last one's victims had just started; a process in the kernel's hands may stay a while.
    for _ in 0..200 {
        let found: Vec<i32> =
            processes::all().filter(|pid| *pid != me && processes::has_environment(*pid, entries)).collect();
        if found.is_empty() {
            break;
        }
        for pid in found {
            killed += usize::from(kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok());
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    killed
}
