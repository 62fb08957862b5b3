//! One client connection: TLS, the protocol, and its deadlines.

use super::activity::{Activity, Watched};
use super::drive::{End, drive};
use super::flood::{Bounds, Frames};
use super::forward;
use super::record;
use super::refusal::{BadRequest, Refusal};
use super::stall::Streams;
use super::unread;
use super::worker::{ConnectionGuard, Worker};
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsAcceptor;

/// The client's side of a connection: what each of its requests needs to know.
pub(super) struct Client {
    pub(super) worker: Rc<Worker>,
    pub(super) peer: SocketAddr,
    /// The peer's address, as a field's value.
    pub(super) peer_value: HeaderValue,
    /// The port that it came to, as a field's value.
    pub(super) port_value: HeaderValue,
    pub(super) tls: bool,
    /// The server name of the TLS connection, in lower case.
    pub(super) sni: Option<Box<str>>,
    pub(super) activity: Arc<Activity>,
}

/// The first bytes of HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves one connection until it ends.
pub(super) async fn serve(guard: ConnectionGuard, stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>) {
    let port = stream.local_addr().map_or(0, |local| local.port());
    match tls {
        None => Box::pin(serve_plain(&guard, stream, peer, port)).await,
        Some(tls) => Box::pin(serve_tls(&guard, stream, peer, port, tls)).await,
    }
}

async fn serve_plain(guard: &ConnectionGuard, mut stream: TcpStream, peer: SocketAddr, port: u16) {
    let worker = guard.worker();
    let deadline = Instant::now() + worker.limits.head;
    // When the gateway stops, a request may be on its way already.
    let last_call = async {
        worker.stopped().await;
        sleep(worker.limits.last_call).await;
    };
    let told = tokio::select! {
        told = timeout_at(deadline, first_bytes(&mut stream)) => told,
        () = last_call => return,
    };
    let Ok(Some((first, is_http2))) = told else { return };
    let client = Client::new(worker, peer, port, None);
    serve_http(client, stream, first, is_http2).await;
}

async fn serve_tls(guard: &ConnectionGuard, stream: TcpStream, peer: SocketAddr, port: u16, tls: TlsAcceptor) {
    let worker = guard.worker();
    let deadline = Instant::now() + worker.limits.handshake;
    if let Ok(true) = timeout_at(deadline, is_plain(&stream)).await {
        let client = Client::new(worker, peer, port, None);
        let refusal = Refusal::BadRequest(BadRequest::PlainToTls);
        return unread::last_words(&client, Some(refusal), stream).await;
    }
    let stream = match timeout_at(deadline, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "a TLS handshake failed");
            return;
        }
        Err(_) => {
            tracing::debug!(%peer, "a TLS handshake was not done in time");
            return;
        }
    };
    let (_, session) = stream.get_ref();
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let sni = session.server_name().map(|name| name.trim_end_matches('.').to_ascii_lowercase().into());
    let mut client = Client::new(worker, peer, port, sni);
    client.tls = true;
    serve_http(client, stream, Vec::new(), is_http2).await;
}

/// Whether a method's name comes in the place of a TLS record: rustls would answer with an alert, which says nothing to people.
async fn is_plain(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1)) && first[0].is_ascii_alphabetic()
}

/// Reads until it is clear whether the client speaks HTTP/2. `None`: it has gone.
async fn first_bytes(stream: &mut TcpStream) -> Option<(Vec<u8>, bool)> {
    let mut first = Vec::with_capacity(1024);
    loop {
        match stream.read_buf(&mut first).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        let seen = first.len().min(PREFACE.len());
        if first.get(..seen) != PREFACE.get(..seen) {
            return Some((first, false));
        }
        if seen == PREFACE.len() {
            return Some((first, true));
        }
    }
}

async fn serve_http<S>(client: Client, stream: S, first: Vec<u8>, is_http2: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let client = Rc::new(client);
    let limits = &client.worker.limits;
    let _listing = client.worker.crowd.list(client.peer.ip(), &client.activity);
    let frames = is_http2.then(|| Frames::new(Bounds::of(limits)));
    let io = TokioIo::new(Watched::new(stream, first, client.activity.clone(), frames));
    let served = client.clone();
    let service = service_fn(move |request: Request<Incoming>| forward::handle(served.clone(), request));
    if is_http2 {
        client.activity.is_multiplexed();
        let mut builder = http2::Builder::new(Streams::new(&client));
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.http2_streams)
            .initial_stream_window_size(limits.http2_stream_window)
            .initial_connection_window_size(limits.http2_connection_window)
            .header_table_size(limits.http2_header_table)
            .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(limits.http2_pending_resets)
            .max_local_error_reset_streams(limits.http2_local_resets)
            .max_send_buf_size(limits.http2_send_buffer)
            .keep_alive_interval(limits.http2_ping)
            .keep_alive_timeout(limits.head)
            .enable_connect_protocol();
        let mut connection = pin!(builder.serve_connection(io, service));
        // GOAWAY in two steps: what the client has sent before it saw the first one is served.
        let end = drive(&client, connection.as_mut(), Some(|connection| connection.graceful_shutdown())).await;
        record::connection_ended(&client, &end);
    } else {
        let mut builder = http1::Builder::new();
        // Deadlines of heads and of idle connections are kept here, by one timer that is rarely touched.
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(limits.head_bytes.max(8192))
            .max_header_size(limits.head_bytes);
        let mut connection = builder.serve_connection(io, service).with_upgrades();
        // A stopping gateway says `Connection: close` in its next response, and closes idle connections a little later: a
        // request that is on its way while the connection closes would be lost.
        let end = drive(&client, Pin::new(&mut connection), None).await;
        let refusal = record::connection_ended(&client, &end);
        let is_over = matches!(end, End::Expired) && client.activity.is_idle();
        let parts = if refusal.is_some() || is_over { connection.into_parts() } else { None };
        // Boxed as it is made: the stream would have a second place in every connection's future.
        let last_words = parts.map(|parts| unread::last_words(&client, refusal, parts.io.into_inner().into_inner()));
        if let Some(last_words) = last_words {
            last_words.await;
        }
    }
}

impl Client {
    fn new(worker: &Rc<Worker>, peer: SocketAddr, port: u16, sni: Option<Box<str>>) -> Self {
        let address = peer.ip().to_canonical().to_string();
        Self {
            worker: worker.clone(),
            peer,
            peer_value: HeaderValue::try_from(address).unwrap_or(HeaderValue::from_static("unknown")),
            port_value: HeaderValue::from(port),
            tls: false,
            sni,
            activity: Activity::new(worker.epoch, &worker.limits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_two<A, B, F: Future>(_: impl FnOnce(A, B) -> F) -> usize {
        size_of::<F>()
    }

    fn of_four<A, B, C, D, F: Future>(_: impl FnOnce(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    fn of_five<A, B, C, D, E, F: Future>(_: impl FnOnce(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    /// What a connection costs while it is idle, beside its buffers: thousands of them are.
    #[test]
    fn the_futures_of_a_connection_are_of_a_bounded_size() {
        let sizes = [
            ("a task", of_four(serve), 256),
            ("a plain connection", of_four(serve_plain), 5 * 1024),
            ("a TLS connection", of_five(serve_tls), 10 * 1024),
            ("a request", of_two(forward::handle), 4 * 1024),
        ];
        for (what, bytes, most) in sizes {
            assert!(bytes <= most, "{what} takes {bytes} bytes, and may take {most}");
        }
    }
}
