//! One data worker: a thread with its own runtime, sockets, pools and buffers.

use super::body::RequestBody;
use super::connection;
use super::crowd::{Crowd, Place};
use super::limits::Limits;
use super::listener::{self, Sockets};
use super::uses::OwnUses;
use crate::routing::{Table, Uses};
use crate::telemetry::access_log::{AccessLog, Writer};
use crate::telemetry::metrics::ProxyMetrics;
use crate::upstream::{Balancer, PoolSettings, Pools};
use std::cell::RefCell;
use std::net::{IpAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

/// What all workers share.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) workers: usize,
    pub(super) limits: Limits,
    pub(super) uses: Arc<Uses>,
    pub(super) table: Arc<Table>,
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    pub(super) log: Arc<AccessLog>,
}

/// What belongs to one worker. Nothing in it is shared with another thread but the table.
pub(super) struct Worker {
    pub(super) limits: Limits,
    pub(super) table: Arc<Table>,
    pub(super) pools: Rc<Pools<RequestBody>>,
    pub(super) balancer: Balancer,
    pub(super) log: RefCell<Writer>,
    pub(super) metrics: ProxyMetrics,
    /// What it saw of the use of environments, and where it hands that over.
    pub(super) own_uses: OwnUses,
    pub(super) uses: Arc<Uses>,
    /// Clocks of connections count from here.
    pub(super) epoch: Instant,
    pub(super) stopping: watch::Receiver<Option<Duration>>,
    pub(super) crowd: Rc<Crowd>,
    drained: Notify,
}

/// Counts a connection until it ends.
pub(super) struct ConnectionGuard {
    worker: Rc<Worker>,
    place: Option<Place>,
}

/// How often buffers are flushed and pools swept.
const TICK: Duration = Duration::from_millis(200);

/// Runs a worker until it is stopped and drained.
pub(super) fn run(sockets: Sockets, settings: &Settings, stopping: watch::Receiver<Option<Duration>>) {
    let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "a worker has no runtime");
            return;
        }
    };
    runtime.block_on(async {
        let worker = Rc::new(Worker::new(settings, stopping));
        serve(&worker, sockets, settings.tls.clone()).await;
    });
}

async fn serve(worker: &Rc<Worker>, sockets: Sockets, tls: Option<Arc<rustls::ServerConfig>>) {
    let mut tasks = Vec::new();
    let doors = [(sockets.http, None), (sockets.https, tls.map(TlsAcceptor::from))];
    for (socket, tls) in doors {
        if let Some(socket) = socket {
            tasks.push(tokio::task::spawn_local(open(worker.clone(), socket, tls)));
        }
    }
    let upkeep = tokio::task::spawn_local(upkeep(worker.clone()));
    let mut stopping = worker.stopping.clone();
    let grace = match stopping.wait_for(Option::is_some).await {
        Ok(grace) => grace.unwrap_or_default(),
        Err(_) => Duration::ZERO,
    };
    for task in tasks {
        // Each ends by itself, once nobody waits to be accepted.
        drop(task.await);
    }
    if tokio::time::timeout(grace, worker.drain()).await.is_err() {
        tracing::warn!(connections = worker.crowd.taken(), "connections were closed as the grace was over");
    }
    upkeep.abort();
    worker.own_uses.hand_over(&worker.uses);
    worker.log.borrow_mut().flush();
}

/// Accepts from one socket.
async fn open(worker: Rc<Worker>, socket: TcpListener, tls: Option<TlsAcceptor>) {
    let listener = match tokio::net::TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "a socket cannot be served");
            return;
        }
    };
    listener::accept(listener, worker.stopped(), |stream, peer| match worker.enter(peer.ip()) {
        Some(guard) => {
            let serving = connection::serve(guard, stream, peer, tls.clone());
            drop(tokio::task::spawn_local(serving));
        }
        None => worker.metrics.turned_away.increment(1),
    })
    .await;
}

async fn upkeep(worker: Rc<Worker>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 0_u64.. {
        ticks.tick().await;
        worker.crowd.relieve();
        worker.log.borrow_mut().flush();
        worker.metrics.access_log_dropped(worker.log.borrow().dropped());
        if round % 5 == 0 {
            worker.pools.sweep();
            worker.own_uses.hand_over(&worker.uses);
        }
    }
}

impl Worker {
    fn new(settings: &Settings, stopping: watch::Receiver<Option<Duration>>) -> Self {
        let limits = settings.limits.clone();
        let pools = Pools::new(PoolSettings {
            connect: limits.connect,
            idle: limits.upstream_idle,
            idle_per_endpoint: limits.idle_per_endpoint,
            head_bytes: limits.head_bytes,
            http2_stream_window: limits.http2_stream_window,
            http2_ping: limits.http2_ping,
        });
        Self {
            crowd: Crowd::new(limits.connections_per_worker(settings.workers), &limits),
            balancer: Balancer::new(limits.endpoint_requests),
            limits,
            table: settings.table.clone(),
            pools,
            log: RefCell::new(settings.log.writer()),
            metrics: ProxyMetrics::new(),
            own_uses: OwnUses::default(),
            uses: settings.uses.clone(),
            epoch: Instant::now(),
            stopping,
            drained: Notify::new(),
        }
    }

    /// Counts one more connection, unless there are too many.
    fn enter(self: &Rc<Self>, peer: IpAddr) -> Option<ConnectionGuard> {
        let place = self.crowd.enter(peer)?;
        self.metrics.accepted.increment(1);
        Some(self.guard(place))
    }

    /// Counts a connection that another one became.
    pub(super) fn enter_always(self: &Rc<Self>, peer: IpAddr) -> ConnectionGuard {
        self.guard(self.crowd.enter_always(peer))
    }

    fn guard(self: &Rc<Self>, place: Place) -> ConnectionGuard {
        self.metrics.connections.increment(1.0);
        ConnectionGuard { worker: self.clone(), place: Some(place) }
    }

    async fn drain(&self) {
        while self.crowd.taken() > 0 {
            self.drained.notified().await;
        }
    }

    /// Ends when the gateway is told to stop.
    pub(super) async fn stopped(&self) {
        let mut stopping = self.stopping.clone();
        drop(stopping.wait_for(Option::is_some).await);
    }

    /// Whether the gateway was told to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.borrow().is_some()
    }
}

impl ConnectionGuard {
    pub(super) fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        drop(self.place.take());
        self.worker.metrics.connections.decrement(1.0);
        // One permit is kept if nobody waits yet.
        self.worker.drained.notify_one();
    }
}
