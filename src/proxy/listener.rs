//! Listening sockets: bound once per worker on one port, and accepted from without end.

use super::gateway::{Addresses, ProxyError};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::time::Duration;
use tokio::net::TcpStream;

/// The sockets of one worker.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) http: Option<TcpListener>,
    pub(super) https: Option<TcpListener>,
}

/// Connections that may wait to be accepted, per socket.
const BACKLOG: i32 = 4096;

/// Binds both addresses once for each worker.
pub(super) fn bind(
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    workers: usize,
    share_port: bool,
) -> Result<(Addresses, Vec<Sockets>), ProxyError> {
    let (http, plain) = shared(http, workers, share_port, "--http")?;
    let (https, secure) = shared(https, workers, share_port, "--https")?;
    let (mut plain, mut secure) = (plain.into_iter(), secure.into_iter());
    let sockets = (0..workers).map(|_| Sockets { http: plain.next(), https: secure.next() }).collect();
    Ok((Addresses { http, https }, sockets))
}

/// `workers` sockets that share one port.
fn shared(
    address: Option<SocketAddr>,
    workers: usize,
    share_port: bool,
    flag: &'static str,
) -> Result<(Option<SocketAddr>, Vec<TcpListener>), ProxyError> {
    let Some(address) = address else { return Ok((None, Vec::new())) };
    let failure = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ProxyError::AddressInUse { address, flag },
        _ => ProxyError::Bind { address, flag, source },
    };
    if address.port() != 0 && !share_port {
        // A second gateway of the same user would silently share the port: SO_REUSEPORT asks for just that.
        drop(socket(address, false).map_err(failure)?);
    }
    let first = socket(address, true).map_err(failure)?;
    let bound = first.local_addr().map_err(failure)?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(socket(bound, true).map_err(failure)?);
    }
    Ok((Some(bound), sockets))
}

fn socket(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// How long handshakes that are under way when a listener is to close may take: a round trip, and what a busy machine needs.
const HANDSHAKES: Duration = Duration::from_millis(100);

/// Accepts until `stopped` ends, and then what the system has begun to accept already: a connection that is closed unseen is a
/// request that is lost.
pub(super) async fn accept(
    listener: tokio::net::TcpListener,
    stopped: impl Future<Output = ()>,
    serve: impl Fn(TcpStream, SocketAddr),
) {
    accept_until(&listener, stopped, &serve).await;
    if let Err(error) = hold_off(&listener) {
        tracing::debug!(%error, "new connections cannot be held off");
    }
    accept_until(&listener, tokio::time::sleep(HANDSHAKES), &serve).await;
    if let Err(error) = empty(listener, &serve) {
        tracing::warn!(%error, "connections that waited to be accepted may be lost");
    }
}

async fn accept_until(
    listener: &tokio::net::TcpListener,
    end: impl Future<Output = ()>,
    serve: &impl Fn(TcpStream, SocketAddr),
) {
    let mut end = pin!(end);
    let mut pause = Duration::from_millis(5);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = end.as_mut() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = Duration::from_millis(5);
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection ended before it began");
                    continue;
                }
                serve(stream, peer);
            }
            Err(error) => {
                // Out of descriptors, most likely. Spinning would take the time that those under way need.
                tracing::warn!(%error, "accepting failed");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(100));
            }
        }
    }
}

/// From here on nobody new gets in line: what asks for a connection is dropped, and asked again after a second by the client's
/// system. Another process that shares the port takes it then; without this one more would always come between the last look
/// and the end. Only the first segment of a connection is dropped: who has had an answer to it believes that the connection
/// stands, and would be reset with all that was sent on it.
fn hold_off(listener: &tokio::net::TcpListener) -> io::Result<()> {
    // The 14th byte of a TCP head: its flags (RFC 9293, section 3.1).
    let (flags, syn, syn_or_ack) = (13, 0x02, 0x12);
    let first_segments = [
        socket2::SockFilter::new(BPF_LOAD_BYTE, 0, 0, flags),
        socket2::SockFilter::new(BPF_AND, 0, 0, syn_or_ack),
        socket2::SockFilter::new(BPF_JUMP_IF_EQUAL, 0, 1, syn),
        socket2::SockFilter::new(BPF_RETURN, 0, 0, 0),
        socket2::SockFilter::new(BPF_RETURN, 0, 0, u32::MAX),
    ];
    socket2::SockRef::from(listener).attach_filter(&first_segments)
}

/// Serves what waits to be accepted, and closes the socket.
fn empty(listener: tokio::net::TcpListener, serve: &impl Fn(TcpStream, SocketAddr)) -> io::Result<()> {
    let listener = listener.into_std()?;
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true).ok();
                serve(TcpStream::from_std(stream)?, peer);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

// Instructions of linux/bpf_common.h. A socket's filter gives how many bytes of a segment are taken.
const BPF_LOAD_BYTE: u16 = 0x30;
const BPF_AND: u16 = 0x54;
const BPF_JUMP_IF_EQUAL: u16 = 0x15;
const BPF_RETURN: u16 = 0x06;
