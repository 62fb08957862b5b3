//! Clients that are slow, silent, wrong or many, at real sockets.

use super::*;
use crate::api::input::no_body;
use axum::extract::Request;
use axum::routing::{get, post};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);
const HELLO: &[u8] = b"GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n";

const HELD: &[u8] = b"GET /held HTTP/1.1\r\nhost: localhost\r\n\r\n";

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// Tells of a call of `/held` under way.
    begun: Arc<Notify>,
    /// Lets a call of `/held` go on.
    go: Arc<Notify>,
}

async fn server(limits: ServeLimits) -> Server {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let gate = (begun.clone(), go.clone());
    let held = move || {
        let (begun, go) = gate.clone();
        async move {
            begun.notify_one();
            go.notified().await;
            "held"
        }
    };
    let router = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/held", get(held))
        .route("/large", get(|| async { vec![b'x'; 64 << 20] }))
        .route("/take", post(|request: Request| async { no_body(request).await }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let task = tokio::spawn(serve(listener, None, router, limits, stop.clone()));
    Server { address, stop, task, begun, go }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn says(&self, sent: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(sent).await.unwrap();
        all(stream).await
    }
}

/// All that comes until the other side closes.
async fn all(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("it is closed").ok();
    String::from_utf8_lossy(&text).into_owned()
}

/// What comes until `end` has come.
async fn up_to(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let whole = async {
        while !text.ends_with(end) {
            let byte = stream.read_u8().await.unwrap();
            text.push(byte.into());
        }
    };
    timeout(PATIENCE, whole).await.expect("it comes");
    text
}

fn short() -> ServeLimits {
    let time = Duration::from_millis(300);
    ServeLimits { head: time, idle: time, stall: time, ..ServeLimits::default() }
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_answered_408_however_steadily_it_comes() {
    let server = server(short()).await;
    let (mut reader, mut writer) = server.connect().await.into_split();
    let drip = tokio::spawn(async move {
        for byte in HELLO.iter().cycle() {
            if writer.write_u8(*byte).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    let mut text = String::new();
    timeout(PATIENCE, reader.read_to_string(&mut text)).await.expect("it is closed").ok();
    assert!(text.starts_with("HTTP/1.1 408 ") && text.contains("head-too-slow"), "{text}");
    drip.abort();
}

#[tokio::test]
async fn a_silent_connection_and_one_between_two_calls_are_closed_without_a_word() {
    let server = server(short()).await;
    assert_eq!(all(server.connect().await).await, "");
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(HELLO).await.unwrap();
        assert!(up_to(&mut stream, "hello").await.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(all(stream).await, "");
}

#[tokio::test]
async fn a_head_that_cannot_be_read_or_is_too_large_gets_its_sentence() {
    let server = server(ServeLimits::default()).await;
    let large = [&b"GET /hello HTTP/1.1\r\nx: "[..], &[b'a'; 40 * 1024], b"\r\n\r\n"].concat();
    let many = [&b"GET /hello HTTP/1.1\r\n"[..], &b"a: b\r\n".repeat(101), b"\r\n"].concat();
    for (sent, status, code) in [
        (&b"GET /hello\x01 HTTP/1.1\r\n\r\n"[..], 400, "\"malformed\""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "\"malformed\""),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "\"malformed\""),
        (&large, 431, "\"head-too-large\""),
        (&many, 431, "\"head-too-large\""),
    ] {
        let said = server.says(sent).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")) && said.contains(code), "{status}: {said}");
        assert!(said.contains("application/problem+json") && said.contains("\"requestId\""), "{said}");
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_before_any_of_it_is_read() {
    let server = server(ServeLimits::default()).await;
    for expect in ["", "expect: 100-continue\r\n"] {
        let head = format!("POST /take HTTP/1.1\r\nhost: localhost\r\n{expect}content-length: 1073741824\r\n\r\n");
        let said = server.says(head.as_bytes()).await;
        assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("body-too-large"), "{said}");
    }
}

#[tokio::test]
async fn connections_that_do_nothing_give_their_place_to_the_next_one_and_calls_do_not() {
    let server = server(ServeLimits { connections: 4, ..ServeLimits::default() }).await;
    let mut idle = Vec::new();
    for _ in 0..40 {
        idle.push(server.connect().await);
    }
    let mut stream = server.connect().await;
    stream.write_all(HELLO).await.unwrap();
    up_to(&mut stream, "hello").await;
    drop((idle, stream));
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut stream = server.connect().await;
        stream.write_all(HELD).await.unwrap();
        timeout(PATIENCE, server.begun.notified()).await.expect("the call is under way");
        held.push(stream);
    }
    let said = server.says(HELLO).await;
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("too-many-connections"), "{said}");
    assert!(said.contains("retry-after: 2"), "{said}");
    for mut stream in held {
        server.go.notify_one();
        assert!(up_to(&mut stream, "held").await.starts_with("HTTP/1.1 200 "));
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_given_up() {
    let server = server(short()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    server.stop.cancel();
    timeout(PATIENCE, server.task).await.expect("the connection has ended").unwrap();
    assert!(all(stream).await.len() < 64 << 20, "it was cut");
}

#[tokio::test]
async fn whoever_is_being_answered_when_it_stops_is_answered() {
    let server = server(ServeLimits::default()).await;
    let idle = server.connect().await;
    let mut stream = server.connect().await;
    stream.write_all(HELD).await.unwrap();
    timeout(PATIENCE, server.begun.notified()).await.expect("the call is under way");
    server.stop.cancel();
    assert_eq!(all(idle).await, "", "who has no call is let go at once");
    server.go.notify_one();
    assert!(all(stream).await.ends_with("held"));
    timeout(PATIENCE, server.task).await.expect("it ends").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody is let in any more");
}
