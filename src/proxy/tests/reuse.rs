//! A connection is used again only after both messages on it ended as they should.

use super::harness::*;
use super::raw_backend::RawBackend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GET: &[u8] = b"GET /next HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

/// Heads of requests that the backend has got.
fn heads(backend: &RawBackend) -> usize {
    backend.received().matches(" HTTP/1.1\r\n").count()
}

#[tokio::test]
async fn what_follows_an_early_answer_never_becomes_a_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let length = smuggled.len();
    let chunked = format!("{length:x}\r\n{smuggled}\r\n0\r\n\r\n");
    let (by_length, by_chunks) = (format!("Content-Length: {length}"), "Transfer-Encoding: chunked".to_owned());
    for (field, content) in [(by_length, smuggled.to_owned()), (by_chunks, chunked)] {
        let backend = RawBackend::start(OK).await;
        let gateway = Gateway::new(&[backend.address]);
        let mut client = TcpStream::connect(gateway.http()).await.unwrap();
        client.write_all(format!("POST / HTTP/1.1\r\nHost: a.test\r\n{field}\r\n\r\n").as_bytes()).await.unwrap();
        // The answer is there before any content.
        let mut answer = vec![0; 15];
        within(client.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 200 OK");
        client.write_all(content.as_bytes()).await.ok();
        client.write_all(GET).await.ok();
        let mut rest = Vec::new();
        within(client.read_to_end(&mut rest)).await.ok();
        assert!(!String::from_utf8_lossy(&rest).contains("smuggled"));
        // Another client's request has another connection to the backend.
        let other = gateway.raw(GET).await;
        assert!(other.starts_with("HTTP/1.1 200") && other.ends_with("ok"), "{other}");
        let received = backend.received();
        assert!(!received.contains("GET /smuggled") || received.contains(&content), "{received}");
        assert!(backend.accepted() >= 2, "the connection with unread content was used again: {received}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn what_a_backend_says_unasked_reaches_nobody() {
    let backend = RawBackend::start(
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    )
    .await;
    let gateway = Gateway::new(&[backend.address]);
    for _ in 0..5 {
        let answer = gateway.raw(GET).await;
        assert!(answer.ends_with("\r\n\r\nok") && !answer.contains("evil"), "{answer}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_that_two_readers_might_read_differently_is_made_one_or_refused() {
    let cases: [(&[u8], &str); 8] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc", "502"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nab", "502"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nabc", "502"),
        (b"HTTP/1.1 200 OK\r\nx y: 1\r\ncontent-length: 0\r\n\r\n", "502"),
        (b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n", "502"),
        (b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nevil", "502"),
        (b"nonsense\r\n\r\n", "502"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "200"),
    ];
    for (answer, status) in cases {
        let backend = RawBackend::start(answer).await;
        let gateway = Gateway::new(&[backend.address]);
        let told = gateway.raw(GET).await;
        let what = String::from_utf8_lossy(answer);
        assert!(told.starts_with(&format!("HTTP/1.1 {status}")), "{what}: {told}");
        assert!(!told.contains("evil") && !told.contains("content-length: 9"), "{what}: {told}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_refused_upgrade_sends_nothing_ahead_and_its_connection_is_not_used_again() {
    let backend = RawBackend::start(OK).await;
    let gateway = Gateway::new(&[backend.address]);
    for round in 1..=3 {
        let mut client = TcpStream::connect(gateway.http()).await.unwrap();
        let ask = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        client.write_all(format!("{ask}bytes sent ahead").as_bytes()).await.unwrap();
        let mut answer = vec![0; 15];
        within(client.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 200 OK");
        drop(client);
        assert!(!backend.received().contains("ahead"), "{}", backend.received());
        assert_eq!((heads(&backend), backend.accepted()), (round, round), "each has a connection of its own");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn connect_and_upgrades_that_are_none_send_nothing_on() {
    let backend = RawBackend::start(OK).await;
    let gateway = Gateway::new(&[backend.address]);
    for (request, status) in [
        ("CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\nGET /x HTTP/1.1\r\n\r\n", "501"),
        ("CONNECT / HTTP/1.1\r\nHost: a.test\r\n\r\n", "501"),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nUpgrade: websocket\r\n\r\n", "400"),
        ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "400"),
    ] {
        let answer = gateway.raw(request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
        assert_eq!(backend.received(), "", "{request}");
    }
    gateway.stop().await;
}
