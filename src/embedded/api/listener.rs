//! The TLS port: HTTP/1.1 and HTTP/2, a bearer token before everything.

use super::EmbeddedError;
use super::failure::Failure;
use super::kubeconfig::Access;
use super::response::Body;
use super::service::{self, Api};
use crate::tls::Authority;
use http::{Request, Response, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take for the head of a request.
const HEAD: Duration = Duration::from_secs(30);
/// At most this many streams of one HTTP/2 connection are served at once.
const STREAMS: u32 = 250;
/// How long to rest after an accept that failed, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// A port that is bound and not served yet.
pub(super) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    tls: TlsAcceptor,
    access: Access,
}

/// Binds the port, with a certificate of the authority for loopback names.
pub(super) async fn bind(address: SocketAddr, authority: &Authority, access: &Access) -> Result<Bound, EmbeddedError> {
    let failed = |why| EmbeddedError::Listen { address, why };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let host = bound.ip().to_string();
    let names = ["127.0.0.1", "localhost", "kubernetes.default.svc", host.as_str()];
    let names = if host == "127.0.0.1" { names.get(..3).unwrap_or(&names) } else { &names };
    let certificate = authority.issue(names).map_err(|error| EmbeddedError::Certificate(error.to_string()))?;
    let tls = tls(certificate)?;
    Ok(Bound { listener, address: bound, tls, access: access.clone() })
}

/// The one certificate of this port, whatever name the client asks for.
#[derive(Debug)]
struct Only(Arc<CertifiedKey>);

impl ResolvesServerCert for Only {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

fn tls(certificate: Arc<CertifiedKey>) -> Result<TlsAcceptor, EmbeddedError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| EmbeddedError::Certificate(error.to_string()))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Only(certificate)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

impl Bound {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the API closes; every connection is a task that `connections` knows.
    pub(super) fn start(self, api: Arc<Api>, connections: &TaskTracker) {
        let tracker = connections.clone();
        connections.spawn(async move { self.accept(&api, &tracker).await });
    }

    async fn accept(self, api: &Arc<Api>, connections: &TaskTracker) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = api.closing.cancelled() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (tls, access, api) = (self.tls.clone(), self.access.clone(), Arc::clone(api));
                    connections.spawn(async move { connection(stream, tls, access, api).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "the Kubernetes API could not accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, access: Access, api: Arc<Api>) {
    drop(stream.set_nodelay(true));
    let stream = match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake with the Kubernetes API failed"),
        Err(_) => return tracing::debug!("a TLS handshake with the Kubernetes API took too long"),
    };
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    server.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS);
    let closing = api.closing.clone();
    let service = service_fn(move |request| admitted(access.clone(), api.clone(), request));
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "a connection to the Kubernetes API ended early");
    }
}

async fn admitted(access: Access, api: Arc<Api>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let authorization = request.headers().get(header::AUTHORIZATION);
    if !authorization.is_some_and(|field| access.admits(field.as_bytes())) {
        return Ok(Failure::unauthorized().into());
    }
    Ok(service::answer(api, request).await)
}
