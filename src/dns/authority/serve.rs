//! The sockets of the name server: every wait is bounded, and so is the number of those who wait.

use super::answer::{Way, answer};
use super::zone::ZoneData;
use super::{AuthorityConfig, Names};
use crate::dns::rfc2136::{receive, send};
use crate::telemetry::metrics;
use arc_swap::ArcSwap;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How many streams are open at the same time.
const MAX_STREAMS: usize = 128;
/// How long a stream may be idle, and a client may take to read an answer.
const IDLE: Duration = Duration::from_secs(10);
/// How many questions a stream may hold before it is closed, so that nobody keeps one for good.
const MAX_QUESTIONS: usize = 1000;
/// After an error of a socket, so long nothing is tried.
const PAUSE: Duration = Duration::from_millis(50);

/// Why there is no name server.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A port cannot be had.
    #[error("the name server cannot listen on {0} ({1}): {2}; choose another address")]
    Bind(SocketAddr, &'static str, std::io::Error),
    /// The zone's name cannot be used.
    #[error("{0} cannot be the zone of a name server: its name is too long")]
    Zone(crate::model::Hostname),
}

/// A name server whose sockets are bound.
#[derive(Debug)]
pub struct Authority {
    config: Arc<AuthorityConfig>,
    zone: Arc<ArcSwap<ZoneData>>,
    serial: AtomicU32,
    udp: Arc<UdpSocket>,
    tcp: Option<TcpListener>,
    address: SocketAddr,
}

impl Authority {
    /// Binds both ports, which are one number; 0 is replaced by a free one.
    pub async fn bind(config: AuthorityConfig) -> Result<Self, AuthorityError> {
        let listen = config.listen;
        let failed = |way| move |error| AuthorityError::Bind(listen, way, error);
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind(listen).await.map_err(failed("TCP"))?;
            let address = tcp.local_addr().map_err(failed("TCP"))?;
            match UdpSocket::bind(address).await {
                Ok(udp) => break (tcp, udp),
                // The free port of TCP may be taken for UDP: the next one may not.
                Err(error) if listen.port() == 0 && error.kind() == std::io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(failed("UDP")(error)),
            }
        };
        let address = tcp.local_addr().map_err(failed("TCP"))?;
        // Seconds since 1970: a later run has a later serial than an earlier one, unless that changed more than once a second.
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let serial = u32::try_from(seconds & u64::from(u32::MAX)).unwrap_or_default();
        let zone = ZoneData::new(&config, &Vec::new(), serial);
        let zone = zone.ok_or_else(|| AuthorityError::Zone(config.zone.clone()))?;
        Ok(Self {
            config: Arc::new(config),
            zone: Arc::new(ArcSwap::from_pointee(zone)),
            serial: AtomicU32::new(serial),
            udp: Arc::new(udp),
            tcp: Some(tcp),
            address,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers for these names from now on. The serial grows only when they differ from those before.
    pub fn publish(&self, names: &Names) {
        let next = self.serial.load(Ordering::Acquire).wrapping_add(1);
        let Some(zone) = ZoneData::new(&self.config, names, next) else { return };
        if !zone.has_names_of(&self.zone.load()) {
            self.serial.store(next, Ordering::Release);
            self.zone.store(Arc::new(zone));
        }
    }

    /// Serves until `shutdown`. A second call serves nothing.
    pub fn start(&mut self, shutdown: &CancellationToken) {
        let Some(tcp) = self.tcp.take() else { return };
        let (zone, udp) = (self.zone.clone(), self.udp.clone());
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(datagrams(zone, udp)));
        let (zone, config) = (self.zone.clone(), self.config.clone());
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(streams(zone, config, tcp, shutdown.clone())));
    }
}

async fn datagrams(zone: Arc<ArcSwap<ZoneData>>, udp: Arc<UdpSocket>) {
    let mut bytes = vec![0; usize::from(u16::MAX)];
    loop {
        let (length, client) = match udp.recv_from(&mut bytes).await {
            Ok(received) => received,
            // Also what an earlier answer met at its client (ICMP): it is over, and the next question is another's.
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        metrics::dns_question(false);
        let answers = answer(&zone.load(), bytes.get(..length).unwrap_or_default(), Way::Udp);
        for message in answers {
            // A client that cannot be reached asks again, or does not.
            let _lost = udp.send_to(&message, client).await;
        }
    }
}

async fn streams(
    zone: Arc<ArcSwap<ZoneData>>,
    config: Arc<AuthorityConfig>,
    tcp: TcpListener,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(MAX_STREAMS));
    loop {
        let (stream, client) = match tcp.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "the name server could not accept a stream");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // One too many is closed at once: those who are served go on.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let is_peer = is_peer(&config.peers, client.ip());
        let serving = conversation(zone.clone(), stream, is_peer);
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            let _end = shutdown.run_until_cancelled(serving).await;
            drop(place);
        });
    }
}

fn is_peer(peers: &[IpNet], client: IpAddr) -> bool {
    let client = client.to_canonical();
    peers.iter().any(|peer| peer.contains(&client))
}

async fn conversation(zone: Arc<ArcSwap<ZoneData>>, mut stream: TcpStream, is_peer: bool) {
    for _ in 0..MAX_QUESTIONS {
        let Ok(Ok(question)) = timeout(IDLE, receive(&mut stream)).await else { return };
        metrics::dns_question(true);
        let answers = answer(&zone.load(), &question, Way::Tcp { is_peer });
        if answers.is_empty() {
            return;
        }
        for message in answers {
            if !matches!(timeout(IDLE, send(&mut stream, &message)).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}
