//! One connection: TLS, its calls, and its end.

use super::ServeLimits;
use super::places::Place;
use super::standing::{Call, Standing};
use super::stream::Stream;
use super::unread;
use crate::api::tls::{Peer, TlsFromFiles};
use crate::telemetry::metrics::{self, CallerRefused};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse as _, Response};
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// What every connection needs.
pub(super) struct Served {
    pub(super) tls: Option<TlsFromFiles>,
    pub(super) router: Router,
    pub(super) limits: ServeLimits,
    pub(super) stop: CancellationToken,
}

/// Serves one connection until it ends, or its place is taken.
pub(super) async fn serve(served: Arc<Served>, stream: TcpStream, address: SocketAddr, place: Place) {
    // Small answers would wait for each other otherwise.
    stream.set_nodelay(true).ok();
    let standing = place.standing.clone();
    let work = async {
        match &served.tls {
            None => Box::pin(serve_http(&served, stream, Peer { address, certificate: None }, &standing)).await,
            Some(tls) => Box::pin(serve_tls(&served, tls, stream, address, &standing)).await,
        }
    };
    tokio::select! {
        () = work => {}
        () = standing.was_cut() => metrics::caller_refused(CallerRefused::Crowded),
    }
}

async fn serve_tls(served: &Served, tls: &TlsFromFiles, stream: TcpStream, address: SocketAddr, standing: &Standing) {
    let handshake = tokio::select! {
        done = timeout(served.limits.handshake, tls.acceptor().accept(stream)) => done,
        () = served.stop.cancelled() => return,
    };
    match handshake {
        Ok(Ok(stream)) => {
            standing.begin_head();
            let peer = Peer::of(&stream, address);
            Box::pin(serve_http(served, stream, peer, standing)).await;
        }
        Ok(Err(error)) => tracing::debug!(%address, %error, "a TLS handshake with the management API failed"),
        Err(_) => tracing::debug!(%address, "a TLS handshake with the management API took too long"),
    }
}

/// Says that there is no place. By TLS that would take a handshake, which is for those who have one.
pub(super) async fn refuse(served: Arc<Served>, stream: TcpStream, _turn: OwnedSemaphorePermit) {
    if served.tls.is_none() {
        unread::answer(unread::crowded(), stream).await;
    }
}

/// How a connection ended.
enum End {
    /// As both sides wanted.
    Done,
    /// By an error.
    Broken(hyper::Error),
    /// Its time was over.
    Expired,
}

async fn serve_http<S>(served: &Served, stream: S, peer: Peer, standing: &Standing)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &served.limits;
    let (router, calls) = (served.router.clone(), standing.clone());
    let service = service_fn(move |request| answer(router.clone(), calls.begin(), request, peer.clone()));
    let io = TokioIo::new(Stream::new(stream, standing.clone(), limits.stall));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Deadlines are kept by where the connection stands.
        .header_read_timeout(None)
        .max_buf_size(limits.head_bytes.max(8192))
        .max_header_size(limits.head_bytes)
        .max_headers(limits.fields)
        .serve_connection(io, service);
    let mut stopping = false;
    let end = loop {
        tokio::select! {
            done = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break match done {
                Ok(()) => End::Done,
                Err(error) => End::Broken(error),
            },
            () = standing.expired(limits) => break End::Expired,
            () = served.stop.cancelled(), if !stopping => {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let parts = connection.into_parts();
    let has_bytes = !parts.read_buf.is_empty();
    let (stream, kept_back) = parts.io.into_inner().into_parts();
    match end {
        // What stops does not wait for clients that keep their side open.
        End::Done if stopping => {}
        End::Done => unread::close(stream).await,
        // hyper says nothing at all to the preface of HTTP/2.
        End::Broken(error) if kept_back || (error.is_parse() && standing.is_in_head()) => {
            metrics::caller_refused(CallerRefused::Unreadable);
            unread::answer(unread::unreadable(&error, limits.head_bytes, limits.fields), stream).await;
        }
        End::Broken(error) => tracing::debug!(%error, "a connection of the management API ended"),
        End::Expired if standing.is_in_head() && has_bytes => {
            metrics::caller_refused(CallerRefused::TooSlow);
            unread::answer(unread::too_slow(limits.head), stream).await;
        }
        End::Expired => {}
    }
}

/// Answers one call; the call is under way until the last byte of its answer is taken.
fn answer(
    router: Router,
    call: Option<Call>,
    request: Request<Incoming>,
    peer: Peer,
) -> BoxFuture<'static, Result<Response, Infallible>> {
    Box::pin(async move {
        let Some(call) = call else { return Ok(unread::crowded().into_response()) };
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
        Ok(response.map(|body| Body::new(UntilTaken { body, _call: call })))
    })
}

/// The body of an answer, whose call is under way as long as it is there.
struct UntilTaken {
    body: Body,
    _call: Call,
}

impl http_body::Body for UntilTaken {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
