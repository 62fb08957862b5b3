//! `doorstep pod-shim`: stands between doorstep and one container, so that no process of the container outlives either.
//!
//! The shim is a subreaper: whatever the container starts, daemons included, is in the end its child. Its standard input is
//! a socket to doorstep, which carries the [`Launch`] and [`Order`]s in and [`Report`]s out. When the socket ends, doorstep
//! is gone, and the shim kills all of its descendants. Its standard output and error are the container's own, passed on.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Read, Write},
    os::fd::AsFd,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{SigSet, Signal, kill},
        wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid},
    },
    unistd::{self, Pid},
};
use serde::{Deserialize, Serialize};

use super::processes;

/// What to run: the first line that doorstep sends. It never stands in arguments, which everyone on the machine may read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Launch {
    /// doorstep's own process: a shim whose parent is another one came too late.
    pub parent: u32,
    pub command: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub folder: PathBuf,
}

/// What doorstep may ask for afterwards, one line each.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Order {
    /// Send this signal to the container's main process.
    Signal(i32),
    /// End all processes of the container now.
    Kill,
}

/// What the shim tells, one line each.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Report {
    /// The command runs as this process.
    Started(i32),
    /// The command could not be run; a sentence says why.
    Failed(String),
    /// The main process ended. The stream ends when all others have ended as well.
    Exited(Exit),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Runs the shim until its container and all that came of it has ended.
pub fn shim_main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run() -> std::io::Result<()> {
    prctl::set_child_subreaper(true)?;
    // Signals are waited for in a thread. A terminal's interrupt is for doorstep, which ends its containers in order.
    let signals = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect::<SigSet>();
    signals.thread_block()?;
    prctl::set_pdeathsig(Signal::SIGTERM)?;

    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut orders = BufReader::new(socket.try_clone()?);
    let mut line = String::new();
    orders.read_line(&mut line)?;
    let launch: Launch = serde_json::from_str(&line)?;
    if i32::try_from(launch.parent) != Ok(unistd::getppid().as_raw()) {
        return Ok(());
    }
    let main = match start(&launch)? {
        Ok(main) => main,
        Err(reason) => return tell(&mut socket, &Report::Failed(reason)),
    };
    tell(&mut socket, &Report::Started(main.as_raw()))?;

    let container = Arc::new(Container { main: Mutex::new(Some(main)), ending: AtomicBool::new(false) });
    std::thread::spawn({
        let container = Arc::clone(&container);
        move || follow_orders(orders, &container)
    });
    std::thread::spawn({
        let container = Arc::clone(&container);
        move || {
            while signals.wait() != Ok(Signal::SIGTERM) {}
            container.end();
        }
    });
    reap(&container, &mut socket);
    Ok(())
}

/// Starts the command by way of `pod-exec` and waits until it runs or says why it does not.
fn start(launch: &Launch) -> std::io::Result<Result<Pid, String>> {
    let (mut status, theirs) = UnixStream::pair()?;
    let mut child = Command::new("/proc/self/exe")
        .arg("pod-exec")
        .arg(std::process::id().to_string())
        .arg(&launch.folder)
        .args(&launch.command)
        .env_clear()
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .spawn()?;
    // The container's output ends when its last process ends, so the shim must not keep it open.
    let null = OpenOptions::new().write(true).open("/dev/null")?;
    unistd::dup2_stdout(&null)?;
    unistd::dup2_stderr(&null)?;
    let mut reason = String::new();
    status.read_to_string(&mut reason)?;
    if reason.is_empty() {
        return Ok(Ok(Pid::from_raw(i32::try_from(child.id()).unwrap_or(0))));
    }
    child.wait()?;
    Ok(Err(reason))
}

struct Container {
    /// None once it is reaped: its number may then belong to someone else, and must not be signalled.
    main: Mutex<Option<Pid>>,
    ending: AtomicBool,
}

impl Container {
    fn signal(&self, number: i32) {
        let main = self.main.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(main), Ok(signal)) = (*main, Signal::try_from(number)) {
            let _ = kill(main, signal);
        }
    }

    /// Kills all descendants, again and again, until [`reap`] finds that none is left and the shim ends.
    fn end(&self) {
        if self.ending.swap(true, Ordering::SeqCst) {
            return;
        }
        std::thread::spawn(|| {
            let me = i32::try_from(std::process::id()).unwrap_or(0);
            let mut pause = Duration::from_millis(1);
            loop {
                for pid in processes::descendants(me) {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
                std::thread::park_timeout(pause);
                pause = pause.saturating_mul(2).min(Duration::from_millis(100));
            }
        });
    }
}

fn follow_orders(orders: BufReader<UnixStream>, container: &Container) {
    for line in orders.lines() {
        let Ok(line) = line else { break };
        match serde_json::from_str(&line) {
            Ok(Order::Signal(number)) => container.signal(number),
            Ok(Order::Kill) => container.end(),
            Err(_) => break,
        }
    }
    container.end();
}

/// Waits for all children, adopted ones too. When there are none left there are no descendants left either.
fn reap(container: &Container, socket: &mut UnixStream) {
    loop {
        // Looking first and reaping under the lock keeps `signal` from meeting a reused number.
        let ended = match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Ok(status) => status.pid(),
            Err(Errno::EINTR) => continue,
            Err(_) => return,
        };
        let Some(ended) = ended else { continue };
        let mut main = container.main.lock().unwrap_or_else(PoisonError::into_inner);
        let status = waitpid(ended, None);
        if *main != Some(ended) {
            continue;
        }
        *main = None;
        drop(main);
        let exit = match status {
            Ok(WaitStatus::Exited(_, code)) => Exit::Code(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => Exit::Signal(signal as i32),
            _ => Exit::Signal(Signal::SIGKILL as i32),
        };
        let _ = tell(socket, &Report::Exited(exit));
        container.end();
    }
}

fn tell(socket: &mut UnixStream, report: &Report) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    socket.write_all(&line)
}
