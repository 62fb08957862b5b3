//! One of Doorstep's programs, running.

use super::{binary, signal, wait_for};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A role of the binary, as a process. It is killed when this is dropped.
pub struct Program {
    name: &'static str,
    data: PathBuf,
    log: PathBuf,
    child: Option<Child>,
}

impl Program {
    /// `doorstep NAME --data DATA ARGUMENTS`; what it says goes to `log`.
    pub fn start<A: AsRef<OsStr>>(
        name: &'static str,
        data: &Path,
        log: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let _old = std::fs::remove_file(data.join("addresses.json"));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("a log file");
        let child = Command::new(binary())
            .args([name, "--data"])
            .arg(data)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a log file"))
            .stderr(file)
            .spawn()
            .expect("the binary starts");
        Self { name, data: data.to_owned(), log: log.to_owned(), child: Some(child) }
    }

    /// Where it listens, as it writes once it does.
    pub fn addresses(&mut self) -> Value {
        wait_for(&format!("the addresses of doorstep {}", self.name), || {
            self.assert_running();
            let text = std::fs::read_to_string(self.data.join("addresses.json")).map_err(|e| e.to_string())?;
            serde_json::from_str::<Value>(&text).map_err(|e| e.to_string())
        })
    }

    /// Fails with what it said when it has ended.
    pub fn assert_running(&mut self) {
        if let Ok(Some(status)) = self.child.as_mut().expect("it runs").try_wait() {
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            panic!("doorstep {} ended with {status}: {said}", self.name);
        }
    }

    /// Whether it has ended, by whatever cause.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Ends it as a person would, and gives its status.
    pub fn stop(mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        signal(child.id(), "TERM");
        let what = format!("the end of doorstep {}", self.name);
        wait_for(&what, || child.try_wait().ok().flatten().ok_or_else(|| "it runs".to_owned()))
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}
