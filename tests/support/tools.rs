//! The tools that every test uses: a wait with a deadline, and programs of this machine.

use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up. It bounds a hang; it measures nothing.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_doorstep")
}

/// Tests that put the machine under load take turns, so that one's load is not the other's failure.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `condition` gives a value. Fails with `what` and the last thing seen when the deadline passes.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        match condition() {
            Ok(value) => return value,
            Err(seen) if Instant::now() > end => panic!("waited in vain for {what}; last seen: {seen}"),
            Err(_) => pause(),
        }
    }
}

/// One step of a wait with a deadline.
fn pause() {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let _timeout = never.recv_timeout(Duration::from_millis(20));
}

/// A `curl` that stays on this machine whatever the environment says.
pub fn curl() -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]);
    curl
}

/// Standard output and standard error as text.
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Sends a signal to one process.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).output().expect("kill runs");
    assert!(sent.status.success(), "kill -{name} {pid}: {}", texts(&sent).1);
}
