//! The small front end that the default classes run on one machine: a page that shows whose it is, and one of every kind
//! of answer that a gateway has to carry (`/ws`, `/events`, `/slow`, `/bytes/N`, `/echo`, `/status/N`).
//!
//! It may run hundreds of times at once, so it is one thread with one small runtime.

mod answers;
mod options;
mod page;
mod server;
mod streams;
#[cfg(test)]
mod tests;
mod websocket;

pub use options::{Identity, Options};
pub use server::serve;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Why the front end cannot serve. Each text is one sentence for the person who started it.
#[derive(Debug, thiserror::Error)]
pub enum SampleFrontError {
    /// `HOST` is no address.
    #[error("HOST is {shown}, which is no IP address; give one such as 127.0.0.1, or nothing for that")]
    Host {
        /// The value, quoted.
        shown: String,
    },
    /// `PORT` is no port.
    #[error("PORT is {shown}, which is no port; give a number from 0 to 65535, or nothing for 8080")]
    Port {
        /// The value, quoted.
        shown: String,
    },
    /// The address is taken.
    #[error("{address} is in use by another program; set PORT to a free one, or HOST to another address")]
    InUse {
        /// Where it was to listen.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {address}: {source}; HOST and PORT say where")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system gave no runtime or no signals.
    #[error("cannot start: {0}")]
    System(#[source] io::Error),
}

/// Serves until SIGTERM, then for a short while longer, and returns when the last answer is out. SIGINT, or a second
/// SIGTERM, ends it at once. `announce` is told the address once it listens there. Blocks; to be called from a thread that
/// runs nothing else.
pub fn run(options: Options, announce: impl FnOnce(SocketAddr)) -> Result<(), SampleFrontError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SampleFrontError::System)?;
    let outcome = runtime.block_on(until_told(options, announce));
    runtime.shutdown_background();
    outcome
}

async fn until_told(options: Options, announce: impl FnOnce(SocketAddr)) -> Result<(), SampleFrontError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(SampleFrontError::System)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(SampleFrontError::System)?;
    let listener = listen(options.address).await?;
    announce(listener.local_addr().unwrap_or(options.address));
    let shutdown = CancellationToken::new();
    let told = async {
        terminate.recv().await;
        shutdown.cancel();
        terminate.recv().await;
    };
    tokio::select! {
        () = serve(options, listener, shutdown.clone()) => {}
        () = told => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, SampleFrontError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => SampleFrontError::InUse { address },
        _ => SampleFrontError::Listen { address, source },
    })
}
