//! Each protocol that a client may speak, and what streams.

use super::harness::*;
use crate::proxy::GatewayConfig;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server's configuration for a.test and b.test, and a client's that trusts it.
pub fn tls_config() -> (Arc<rustls::ServerConfig>, rustls::ClientConfig) {
    let names = vec!["a.test".to_owned(), "b.test".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), client)
}

async fn http2<S>(stream: S) -> hyper::client::conn::http2::SendRequest<Full<Bytes>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn http2_by_prior_knowledge_becomes_http1() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    let mut sender = http2(TcpStream::connect(gateway.http()).await.unwrap()).await;
    let request = Request::post("http://A.test/p")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(Full::new(Bytes::from("content")))
        .unwrap();
    let response = within(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    let told = text(response).await;
    for part in
        ["POST /p\n", "host: a.test\n", "cookie: a=1; b=2\n", "content: content\n", "x-forwarded-host: a.test\n"]
    {
        assert!(told.contains(part), "{part:?}: {told}");
    }
    let differs = Request::get("http://a.test/").header("host", "b.test").body(Full::default()).unwrap();
    assert_eq!(within(sender.send_request(differs)).await.unwrap().status(), 400);
    assert_eq!(gateway.record(|record| record["status"] == 200).await["protocol"], "HTTP/2.0");
    drop(sender);
    gateway.stop().await;
}

#[tokio::test]
async fn tls_offers_http2_and_binds_the_connection_to_its_host() {
    let (address, _backend) = mirror().await;
    let (server, mut client) = tls_config();
    let gateway = Gateway::with(&[address], complete(routes()), GatewayConfig::default(), Some(server));
    client.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let stream = TcpStream::connect(gateway.running.addresses().https.unwrap()).await.unwrap();
    let stream = within(connector.connect("a.test".try_into().unwrap(), stream)).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut sender = http2(stream).await;
    let ask = |host: &str| Request::get(format!("https://{host}/")).body(Full::default()).unwrap();
    let response = within(sender.send_request(ask("a.test"))).await.unwrap();
    assert!(text(response).await.contains("x-forwarded-proto: https\n"));
    let other = within(sender.send_request(ask("b.test"))).await.unwrap();
    assert_eq!(other.status(), 421);
    drop(sender);
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_names_no_server_is_served_by_its_host_field() {
    let (address, _backend) = mirror().await;
    let (server, mut client) = tls_config();
    let gateway = Gateway::with(&[address], complete(routes()), GatewayConfig::default(), Some(server));
    client.enable_sni = false;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let stream = TcpStream::connect(gateway.running.addresses().https.unwrap()).await.unwrap();
    let mut stream = within(connector.connect("a.test".try_into().unwrap(), stream)).await.unwrap();
    stream.write_all(b"GET /p HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-forwarded-proto: https\n"), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_websocket_is_joined_and_told_in_the_log() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (write, read) = tokio_tungstenite::accept_async(stream).await.unwrap().split();
        read.forward(write).await.ok();
    });
    let gateway = Gateway::new(&[address]);
    let stream = TcpStream::connect(gateway.http()).await.unwrap();
    let (mut socket, response) = within(tokio_tungstenite::client_async("ws://a.test/echo", stream)).await.unwrap();
    assert_eq!(response.status(), 101);
    use futures::SinkExt;
    use tokio_tungstenite::tungstenite::Message;
    for word in ["one", "two"] {
        socket.send(Message::text(word)).await.unwrap();
        assert_eq!(within(socket.next()).await.unwrap().unwrap(), Message::text(word));
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = within(socket.next()).await {}
    drop(socket);
    let record = gateway.record(|record| record["status"] == 101).await;
    assert!(record["bytes_in"].as_u64().unwrap() > 6 && record["bytes_out"].as_u64().unwrap() > 6, "{record}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_websocket_over_http2_is_an_upgrade_to_the_backend() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (write, read) = tokio_tungstenite::accept_async(stream).await.unwrap().split();
        read.forward(write).await.ok();
    });
    let gateway = Gateway::new(&[address]);
    let mut sender = http2(TcpStream::connect(gateway.http()).await.unwrap()).await;
    // The server's settings come first; an ordinary request waits for them.
    let plain = Request::get("http://nobody.test/").body(Full::default()).unwrap();
    assert_eq!(within(sender.send_request(plain)).await.unwrap().status(), 404);
    let mut connect =
        Request::connect("http://a.test/echo").header("sec-websocket-version", "13").body(Full::default()).unwrap();
    connect.extensions_mut().insert(hyper::ext::Protocol::from_static("websocket"));
    let response = within(sender.send_request(connect)).await.unwrap();
    assert_eq!(response.status(), 200);
    let upgraded = TokioIo::new(within(hyper::upgrade::on(response)).await.unwrap());
    let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
    let mut socket = tokio_tungstenite::WebSocketStream::from_raw_socket(upgraded, role, None).await;
    use futures::SinkExt;
    use tokio_tungstenite::tungstenite::Message;
    socket.send(Message::text("one")).await.unwrap();
    assert_eq!(within(socket.next()).await.unwrap().unwrap(), Message::text("one"));
    drop((socket, sender));
    gateway.stop().await;
}

#[tokio::test]
async fn a_refused_upgrade_is_an_ordinary_response_and_nothing_was_sent_ahead() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    let request = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\
                   GET /ahead HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let response = gateway.raw(request.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 200") && response.contains("upgrade: websocket\n"), "{response}");
    let h2c = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n\
               HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let response = gateway.raw(h2c.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(!response.contains("h2c") && !response.contains("http2-settings"), "{response}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_event_arrives_while_the_stream_is_open_and_trailers_end_it() {
    let (events, receiver) = tokio::sync::mpsc::unbounded_channel::<Frame<Bytes>>();
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    let (address, _backend) = backend(move |_| {
        let receiver = receiver.lock().unwrap().take().unwrap();
        async move {
            let frames = futures::stream::unfold(receiver, |mut receiver| async move {
                receiver.recv().await.map(|frame| (Ok::<_, Infallible>(frame), receiver))
            });
            let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
            response.headers_mut().insert("trailer", HeaderValue::from_static("x-end"));
            // The harness wants a shareable body.
            response.map(|body| http_body_util::combinators::BoxBody::new(sync(body)))
        }
    })
    .await;
    let gateway = Gateway::new(&[address]);
    let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: close\r\n\r\n").await.unwrap();
    events.send(Frame::data(Bytes::from("data: first\n\n"))).unwrap();
    let mut seen = Vec::new();
    within(async {
        while !String::from_utf8_lossy(&seen).contains("data: first") {
            assert!(stream.read_buf(&mut seen).await.unwrap() > 0);
        }
    })
    .await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-end", HeaderValue::from_static("yes"));
    events.send(Frame::trailers(trailers)).unwrap();
    drop(events);
    within(stream.read_to_end(&mut seen)).await.unwrap();
    let text = String::from_utf8(seen).unwrap();
    assert!(text.contains("x-end: yes"), "{text}");
    gateway.stop().await;
}

/// Makes a body shareable by a lock that is never contended.
fn sync<B>(body: B) -> impl http_body::Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
{
    let frames = futures::stream::unfold(std::sync::Mutex::new(body), |body| async move {
        let mut inner = body.into_inner().unwrap();
        let frame = inner.frame().await?;
        Some((frame, std::sync::Mutex::new(inner)))
    });
    StreamBody::new(SyncStream(std::sync::Mutex::new(Box::pin(frames))))
}

struct SyncStream<S>(std::sync::Mutex<std::pin::Pin<Box<S>>>);

impl<S: futures::Stream> futures::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<S::Item>> {
        self.0.lock().unwrap().as_mut().poll_next(cx)
    }
}

#[tokio::test]
async fn a_client_is_asked_for_its_content_once_the_backend_is_there() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
    let head =
        b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut seen = vec![0; 25];
    within(stream.read_exact(&mut seen)).await.unwrap();
    assert_eq!(seen, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"late").await.unwrap();
    let mut rest = String::new();
    within(stream.read_to_string(&mut rest)).await.unwrap();
    assert!(rest.starts_with("HTTP/1.1 200") && rest.contains("content: late"), "{rest}");
    gateway.stop().await;
}

#[tokio::test]
async fn trailers_of_a_request_reach_the_backend() {
    let (address, _backend) = mirror().await;
    let gateway = Gateway::new(&[address]);
    let request = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\
                   Connection: close\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n";
    let response = gateway.raw(request.as_bytes()).await;
    assert!(response.contains("content: abc") && response.contains("\"x-sum\": \"7\""), "{response}");
    gateway.stop().await;
}

#[tokio::test]
async fn head_and_empty_answers_keep_their_framing() {
    let (address, _backend) = backend(|request: Request<Incoming>| async move {
        let mut response = Response::new(full(if request.uri().path() == "/204" { "" } else { "hello" }));
        if request.uri().path() == "/204" {
            *response.status_mut() = http::StatusCode::NO_CONTENT;
        }
        response
    })
    .await;
    let gateway = Gateway::new(&[address]);
    let requests = "HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\nGET /204 HTTP/1.1\r\nHost: a.test\r\n\r\n\
                    GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let response = gateway.raw(requests.as_bytes()).await;
    let heads: Vec<&str> = response.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(heads.len(), 3, "{response}");
    assert!(heads[0].contains("content-length: 5") && !heads[0].contains("hello"), "{response}");
    assert!(heads[1].starts_with("204") && heads[2].ends_with("hello"), "{response}");
    gateway.stop().await;
}
