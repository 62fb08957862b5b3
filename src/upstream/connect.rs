//! A new connection to an endpoint, with a deadline.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;

/// Why there is no connection. In each case nothing of the request was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens there, or the host is not reachable.
    #[error("{address} refused the connection: {source}")]
    Refused {
        /// Where it was tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody answered in time.
    #[error("{address} did not answer within {after:?}")]
    TimedOut {
        /// Where it was tried.
        address: SocketAddr,
        /// How long.
        after: Duration,
    },
    /// The gateway itself could not: no file descriptor, no local port.
    #[error("no connection to {address} could be made here: {source}")]
    Local {
        /// Where it was tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// An address where no pod can be.
    #[error("{address} is not an address that a pod may have")]
    Forbidden {
        /// The address.
        address: SocketAddr,
    },
}

/// Connects to `address` within `deadline`.
pub(super) async fn connect(address: SocketAddr, deadline: Duration) -> Result<TcpStream, ConnectError> {
    if is_forbidden(address.ip()) {
        return Err(ConnectError::Forbidden { address });
    }
    match tokio::time::timeout(deadline, TcpStream::connect(address)).await {
        Err(_) => Err(ConnectError::TimedOut { address, after: deadline }),
        Ok(Err(source)) => Err(failure(address, source)),
        Ok(Ok(stream)) => {
            // Without it small requests wait for the peer's delayed acknowledgement.
            stream.set_nodelay(true).map_err(|source| failure(address, source))?;
            notice_death(&stream);
            Ok(stream)
        }
    }
}

/// A node that is gone closes nothing: what was sent to it is never acknowledged, and what was waited for never comes. The
/// system finds out and breaks the connection, so that a request that may be repeated goes elsewhere long before its own
/// deadline. A process that takes its time to answer is not affected: its node acknowledges for it. One that does not read a
/// large upload for so long is, which is why the time is no shorter (tcp(7), `TCP_USER_TIMEOUT`).
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
const FIRST_PROBE: Duration = Duration::from_secs(10);
const NEXT_PROBE: Duration = Duration::from_secs(5);

fn notice_death(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let probes = socket2::TcpKeepalive::new().with_time(FIRST_PROBE).with_interval(NEXT_PROBE);
    let set = socket.set_tcp_keepalive(&probes).and_then(|()| socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED)));
    if let Err(error) = set {
        tracing::debug!(%error, "the death of an endpoint's node will be noticed late");
    }
}

fn failure(address: SocketAddr, source: io::Error) -> ConnectError {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, OutOfMemory};
    let exhausted =
        matches!(source.raw_os_error(), Some(code) if code == nix::libc::EMFILE || code == nix::libc::ENFILE);
    if exhausted || matches!(source.kind(), AddrInUse | AddrNotAvailable | OutOfMemory) {
        ConnectError::Local { address, source }
    } else {
        ConnectError::Refused { address, source }
    }
}

/// Link-local addresses hold the metadata service of every cloud, and no pod; neither has any of the others one.
/// Loopback is not among them: the embedded node's pods live there.
fn is_forbidden(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_multicast() || v4.is_unspecified() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_forbidden;

    #[test]
    fn the_metadata_service_is_no_endpoint_in_any_spelling() {
        for bad in ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1"] {
            assert!(is_forbidden(bad.parse().unwrap()), "{bad}");
        }
        for good in ["10.0.0.1", "127.3.2.1", "2001:db8::1", "fd00::1"] {
            assert!(!is_forbidden(good.parse().unwrap()), "{good}");
        }
    }
}
