//! What stands before several gateways in a cluster: a plain TCP balancer that sends new connections to ready ones only.
//!
//! Like a Service, it learns of readiness by asking, so it is a moment late, and it leaves open connections where they are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How often readiness is asked for.
const PERIOD: Duration = Duration::from_millis(200);

/// A running one. It ends when it is dropped.
pub struct Balancer {
    pub address: SocketAddr,
    targets: Targets,
    end: CancellationToken,
    thread: Option<JoinHandle<bool>>,
}

/// Where connections go, by where its readiness is asked for; and whether it was ready the last time.
type Targets = Arc<Mutex<BTreeMap<SocketAddr, (SocketAddr, bool)>>>;

impl Balancer {
    /// Starts one without a target.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (targets, end) = (Targets::default(), CancellationToken::new());
        let work = futures::future::join(accept(listener, targets.clone()), probe(targets.clone()));
        let work = end.clone().run_until_cancelled_owned(work);
        let thread = std::thread::spawn(move || runtime.block_on(work).is_some());
        Self { address, targets, end, thread: Some(thread) }
    }

    /// Takes a target, whose readiness is told by `/readyz` at `admin`. It gets nothing until it was found ready.
    pub fn add(&self, admin: SocketAddr, target: SocketAddr) {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner).insert(admin, (target, false));
    }

    /// Forgets a target that has ended.
    pub fn remove(&self, admin: SocketAddr) {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner).remove(&admin);
    }

    /// How many are ready.
    pub fn ready(&self) -> usize {
        ready(&self.targets).len()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn ready(targets: &Targets) -> Vec<SocketAddr> {
    let targets = targets.lock().unwrap_or_else(PoisonError::into_inner);
    targets.values().filter(|(_, ready)| *ready).map(|(target, _)| *target).collect()
}

async fn accept(listener: TcpListener, targets: Targets) {
    for turn in 0_usize.. {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let ready = ready(&targets);
        if let Some(target) = ready.get(turn % ready.len().max(1)) {
            tokio::spawn(pass(stream, *target));
        }
    }
}

async fn pass(mut front: TcpStream, target: SocketAddr) {
    let Ok(mut back) = TcpStream::connect(target).await else { return };
    if front.set_nodelay(true).is_ok() && back.set_nodelay(true).is_ok() {
        drop(tokio::io::copy_bidirectional(&mut front, &mut back).await);
    }
}

async fn probe(targets: Targets) {
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        let asked: Vec<SocketAddr> = targets.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
        for admin in asked {
            let now = tokio::time::timeout(PERIOD, is_ready(admin)).await.ok().flatten().unwrap_or(false);
            if let Some((_, ready)) = targets.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&admin) {
                *ready = now;
            }
        }
    }
}

async fn is_ready(admin: SocketAddr) -> Option<bool> {
    let mut stream = TcpStream::connect(admin).await.ok()?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    Some(answer.starts_with(b"HTTP/1.1 200"))
}
