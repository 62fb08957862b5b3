//! Who is slow, or comes in numbers, costs a bounded time and a bounded number of connections.

use super::harness::*;
use crate::proxy::{GatewayConfig, Limits};
use http::{Request, Response};
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

fn with(limits: impl FnOnce(&mut Limits)) -> GatewayConfig {
    let mut config = GatewayConfig::default();
    limits(&mut config.limits);
    config
}

fn active(gateway: &Gateway) -> u32 {
    gateway.cluster.endpoints().all().map(|endpoint| endpoint.load.active()).sum()
}

async fn until(is_so: impl Fn() -> bool) {
    within(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up_and_its_backend_is_free() {
    let (address, _backend) = backend(|_| async { Response::new(full(vec![b'x'; 64 << 20])) }).await;
    let config = with(|limits| limits.stream_idle = Duration::from_millis(200));
    let gateway = Gateway::with(&[address], complete(routes()), config, None);
    let mut client = TcpStream::connect(gateway.http()).await.unwrap();
    client.write_all(GET).await.unwrap();
    within(client.read_exact(&mut [0; 15])).await.unwrap();
    let record = gateway.record(|record| record["status"] == 200).await;
    assert_eq!(record["end"], "ClientAbort", "{record}");
    until(|| active(&gateway) == 0).await;
    gateway.stop().await;
}

#[tokio::test]
async fn content_that_stops_coming_is_given_up_and_its_backend_is_free() {
    let (address, _backend) = mirror().await;
    let config = with(|limits| limits.stream_idle = Duration::from_millis(100));
    let gateway = Gateway::with(&[address], complete(routes()), config, None);
    for part in [
        "Content-Length: 10\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nab",
        "Transfer-Encoding: chunked\r\n\r\n",
    ] {
        let answer = gateway.raw(format!("POST / HTTP/1.1\r\nHost: a.test\r\n{part}").as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"code\":\"ContentTimeout\""), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        until(|| active(&gateway) == 0).await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_that_stops_coming_is_given_up() {
    let silent = super::raw_backend::RawBackend::start(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
    let config = with(|limits| limits.stream_idle = Duration::from_millis(100));
    let gateway = Gateway::with(&[silent.address], complete(routes()), config, None);
    let answer = gateway.raw(GET).await;
    assert!(answer.ends_with("abc"), "the client sees that it is cut off: {answer}");
    assert_eq!(gateway.record(|record| record["status"] == 200).await["end"], "BackendIdle");
    silent.all_ended().await;
    gateway.stop().await;
}

#[tokio::test]
async fn over_its_bound_new_connections_are_refused_and_those_there_are_served() {
    let (address, _backend) = backend(|_: Request<Incoming>| async { Response::new(full("hello")) }).await;
    let gateway = Gateway::with(&[address], complete(routes()), with(|limits| limits.connections = 2), None);
    let mut old = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(gateway.http()).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
        within(client.read_exact(&mut [0; 15])).await.unwrap();
        old.push(client);
    }
    for _ in 0..20 {
        assert_eq!(gateway.raw(b"").await, "", "one too many is closed at once");
    }
    let mut first = old.remove(0);
    first.write_all(GET).await.unwrap();
    let mut answer = String::new();
    within(first.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    drop(first);
    within(async {
        while !gateway.raw(GET).await.ends_with("hello") {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    drop(old);
    gateway.stop().await;
}

#[tokio::test]
async fn a_tls_handshake_has_its_time_and_its_hello_may_come_in_pieces() {
    let (address, _backend) = backend(|_: Request<Incoming>| async { Response::new(full("hello")) }).await;
    let (server, client) = super::protocols::tls_config();
    let config = with(|limits| limits.handshake = Duration::from_millis(500));
    let gateway = Gateway::with(&[address], complete(routes()), config, Some(server));
    let https = gateway.running.addresses().https.unwrap();
    let mut hello = Vec::new();
    let mut session = rustls::ClientConnection::new(Arc::new(client), "a.test".try_into().unwrap()).unwrap();
    session.write_tls(&mut hello).unwrap();
    for silent in [&b""[..], &hello[..1], &hello[..hello.len() - 1], b"GET / HTTP/1.1\r\n"] {
        let mut stream = TcpStream::connect(https).await.unwrap();
        stream.write_all(silent).await.unwrap();
        // Its end comes, with an alert before it or without.
        within(stream.read_to_end(&mut Vec::new())).await.ok();
    }
    // One byte of the hello in each record.
    let records: Vec<u8> = hello[5..].iter().flat_map(|byte| [0x16, 3, 1, 0, 1, *byte]).collect();
    let mut stream = TcpStream::connect(https).await.unwrap();
    stream.write_all(&records).await.unwrap();
    let mut answer = [0; 1];
    within(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, [0x16], "a handshake goes on");
    drop(stream);
    assert!(gateway.raw(GET).await.ends_with("hello"));
    gateway.stop().await;
}
