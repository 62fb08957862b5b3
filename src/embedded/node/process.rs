//! A container's process as doorstep holds it: started by way of the shim, signalled, waited for.

use std::{
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream as StdStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        UnixStream,
        unix::{
            OwnedReadHalf, OwnedWriteHalf,
            pipe::{self, Receiver},
        },
    },
    sync::{mpsc, oneshot, watch},
};

use super::{
    shim::{Exit, Launch, Order, Report},
    sweep::{self, Marks},
};

/// At most so much of what a probe's or a hook's command says is kept.
const CAPTURED_BYTES: u64 = 10 * 1024;

/// A command to be run for a container.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub marks: Marks,
    pub command: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub folder: PathBuf,
}

/// Why a command does not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("{0}")]
    Command(String),
    #[error("no process could be started for the container: {0}")]
    Shim(#[from] io::Error),
}

/// What a command writes.
pub(super) struct Output {
    pub stdout: Receiver,
    pub stderr: Receiver,
}

/// A running command. Dropped, it ends with all that came of it.
#[derive(Debug)]
pub(super) struct Process {
    pub pid: i32,
    pub shim: i32,
    orders: mpsc::UnboundedSender<Order>,
    exit: watch::Receiver<Option<Exit>>,
}

impl Process {
    pub fn order(&self, order: Order) {
        // A failure means that it has ended, which `exited` tells.
        let _ = self.orders.send(order);
    }

    /// How it ended, once no process of it is left.
    pub async fn exited(&mut self) -> Exit {
        match self.exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or(Exit::Signal(Signal::SIGKILL as i32)),
            Err(_) => Exit::Signal(Signal::SIGKILL as i32),
        }
    }
}

/// Starts all shims from one thread that lives as long as the node: the kernel tells a shim of the death of the thread
/// that started it, not of the process.
#[derive(Debug)]
pub(super) struct Spawner {
    requests: std::sync::mpsc::Sender<Request>,
}

struct Request {
    marks: Marks,
    reply: oneshot::Sender<io::Result<Spawned>>,
}

struct Spawned {
    child: Child,
    socket: StdStream,
}

impl Spawner {
    pub fn new(executable: PathBuf) -> io::Result<Self> {
        let (requests, incoming) = std::sync::mpsc::channel::<Request>();
        std::thread::Builder::new().name("pod-spawner".to_owned()).spawn(move || {
            for Request { marks, reply } in incoming {
                let _ = reply.send(spawn(&executable, &marks));
            }
        })?;
        Ok(Self { requests })
    }

    /// Starts a command. Returns once it runs, or with the reason why it does not.
    pub async fn start(&self, task: Task) -> Result<(Process, Output), StartError> {
        let gone = || io::Error::other("the node is shutting down");
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request { marks: task.marks.clone(), reply }).map_err(|_| gone())?;
        let Spawned { mut child, socket } = answer.await.map_err(|_| gone())??;
        let output = Output {
            stdout: receiver(child.stdout.take().map(OwnedFd::from))?,
            stderr: receiver(child.stderr.take().map(OwnedFd::from))?,
        };
        socket.set_nonblocking(true)?;
        let (reports, mut orders) = UnixStream::from_std(socket)?.into_split();
        let mut environment = task.environment;
        environment.extend(task.marks.variables());
        let launch = Launch { parent: std::process::id(), command: task.command, environment, folder: task.folder };
        send(&mut orders, &launch).await?;
        let mut reports = BufReader::new(reports).lines();
        let shim = i32::try_from(child.id()).unwrap_or(0);
        match next_report(&mut reports).await {
            Some(Report::Started(pid)) => {
                let (to_shim, incoming) = mpsc::unbounded_channel();
                let (ended, exit) = watch::channel(None);
                tokio::spawn(async move {
                    let how = attend(reports, orders, incoming).await;
                    reap(child).await;
                    let how = match how {
                        Some(how) => how,
                        None => clear_up_after_lost_shim(pid, task.marks).await,
                    };
                    ended.send_replace(Some(how));
                });
                Ok((Process { pid, shim, orders: to_shim, exit }, output))
            }
            other => {
                reap(child).await;
                Err(match other {
                    Some(Report::Failed(reason)) => StartError::Command(reason),
                    _ => StartError::Shim(io::Error::other("the shim ended before it started the command")),
                })
            }
        }
    }

    /// Runs a command to its end: how it ended and the first part of what it wrote. Dropped, the command is killed.
    pub async fn run(&self, task: Task) -> Result<(Exit, String), StartError> {
        let (mut process, Output { stdout, stderr }) = self.start(task).await?;
        let (out, err, exit) = tokio::join!(capture(stdout), capture(stderr), process.exited());
        Ok((exit, format!("{out}{err}").trim_end().to_owned()))
    }
}

fn spawn(executable: &Path, marks: &Marks) -> io::Result<Spawned> {
    let (socket, theirs) = StdStream::pair()?;
    let child = Command::new(executable)
        .arg("pod-shim")
        .arg(&marks.label)
        .env_clear()
        .envs(marks.variables())
        // A group of its own: an interrupt from the terminal is for doorstep alone.
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok(Spawned { child, socket })
}

fn receiver(pipe: Option<OwnedFd>) -> io::Result<Receiver> {
    pipe::Receiver::from_owned_fd(pipe.ok_or_else(|| io::Error::other("a process without output"))?)
}

async fn send(orders: &mut OwnedWriteHalf, message: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    orders.write_all(&line).await
}

async fn next_report(reports: &mut Lines<BufReader<OwnedReadHalf>>) -> Option<Report> {
    serde_json::from_str(&reports.next_line().await.ok()??).ok()
}

/// Passes orders on until the shim has ended; none when it did not say how its command ended.
async fn attend(
    mut reports: Lines<BufReader<OwnedReadHalf>>,
    orders: OwnedWriteHalf,
    mut incoming: mpsc::UnboundedReceiver<Order>,
) -> Option<Exit> {
    let mut exit = None;
    let mut orders = Some(orders);
    loop {
        tokio::select! {
            order = incoming.recv(), if orders.is_some() => match (order, &mut orders) {
                (Some(order), Some(writer)) => { let _ = send(writer, &order).await; }
                // Closing our half tells the shim to end everything.
                _ => orders = None,
            },
            report = next_report(&mut reports) => match report {
                Some(Report::Exited(how)) => exit = Some(how),
                Some(Report::Started(_) | Report::Failed(_)) => {}
                None => return exit,
            },
        }
    }
}

async fn reap(mut child: Child) {
    let _ = tokio::task::spawn_blocking(move || child.wait()).await;
}

/// Someone killed the shim. Its command died with it; what the command had started did not.
async fn clear_up_after_lost_shim(pid: i32, marks: Marks) -> Exit {
    let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    let _ = tokio::task::spawn_blocking(move || sweep::kill_marked(&marks.entries())).await;
    Exit::Signal(Signal::SIGKILL as i32)
}

async fn capture(pipe: Receiver) -> String {
    let mut head = Vec::new();
    let mut limited = pipe.take(CAPTURED_BYTES);
    let _ = limited.read_to_end(&mut head).await;
    let _ = tokio::io::copy(&mut limited.into_inner(), &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&head).into_owned()
}
