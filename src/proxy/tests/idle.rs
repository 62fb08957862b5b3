//! A connection that idles too long is closed so that no request is lost by it.

use super::harness::*;
use super::raw_http2::*;
use crate::proxy::{GatewayConfig, Limits};
use http::{Request, Response};
use hyper::body::Incoming;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn idle_for(client_idle: Duration) -> GatewayConfig {
    GatewayConfig { limits: Limits { client_idle, ..Limits::default() }, ..GatewayConfig::default() }
}

/// The last stream and the error code of a GOAWAY.
fn away(frame: &Frame) -> (u32, u32) {
    (u32::from_be_bytes(frame.payload[..4].try_into().unwrap()) & 0x7fff_ffff, frame.code())
}

#[tokio::test]
async fn an_idle_http2_client_is_told_to_go_and_what_it_sent_meanwhile_is_served() {
    let (address, _backend) = backend(|_| async { Response::new(full("hello")) }).await;
    let gateway = Gateway::with(&[address], complete(routes()), idle_for(Duration::from_millis(100)), None);
    let mut client = RawClient::connect(gateway.http(), &[]).await;
    client.send(&headers(1, END_STREAM, &request("GET", "/"))).await;
    assert_eq!(client.find(|frame| frame.kind == HEADERS).await.unwrap().status(), 200);
    let first = client.find(|frame| frame.kind == GOAWAY).await.expect("it is told");
    assert_eq!(away(&first), (0x7fff_ffff, 0), "first only that it should go: NO_ERROR");
    // A request that crosses it, and then the answer to the gateway's PING, behind which nothing crosses any more.
    client.send(&headers(3, END_STREAM, &request("GET", "/crossing"))).await;
    let ping = client.find(|frame| frame.kind == PING).await.unwrap();
    client.send(&frame(PING, 1, 0, &ping.payload)).await;
    let (mut status, mut last) = (0, None);
    while let Some(frame) = client.next().await {
        match frame.kind {
            HEADERS => status = frame.status(),
            GOAWAY => last = Some(away(&frame)),
            _ => {}
        }
    }
    assert_eq!((status, last), (200, Some((3, 0))), "served, and named as the last one");
    gateway.stop().await;
}

#[tokio::test]
async fn an_idle_http2_client_that_does_not_hear_is_closed_all_the_same() {
    let mut config = idle_for(Duration::from_millis(50));
    config.limits.last_call = Duration::from_millis(50);
    let gateway = Gateway::with(&[], complete(routes()), config, None);
    let mut client = RawClient::connect(gateway.http(), &[]).await;
    assert_eq!(client.end().await, 0);
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_that_meets_the_idle_close_is_served_or_was_never_read() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let (address, _backend) = backend(move |_: Request<Incoming>| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Response::new(full("hello")) }
    })
    .await;
    const IDLE: u64 = 40;
    let gateway = Gateway::with(&[address], complete(routes()), idle_for(Duration::from_millis(IDLE)), None);
    let http = gateway.http();
    let client = |n: u64| async move {
        let (mut served, mut closed) = (0, 0);
        let mut stream = TcpStream::connect(http).await.unwrap();
        for round in 0..10 {
            if stream.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.is_err() {
                (closed, stream) = (closed + 1, TcpStream::connect(http).await.unwrap());
                continue;
            }
            let mut answer = Vec::new();
            while !answer.ends_with(b"hello") {
                match within(stream.read_buf(&mut answer)).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
            match answer.ends_with(b"hello") {
                true => served += 1,
                // No part of an answer: the client may ask again, and does.
                false => {
                    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
                    (closed, stream) = (closed + 1, TcpStream::connect(http).await.unwrap());
                }
            }
            // About as long as the gateway waits, a little more or less.
            let pause = Duration::from_millis(IDLE) + Duration::from_micros(250 * ((n + round) % 16));
            tokio::time::sleep(pause.saturating_sub(Duration::from_millis(2))).await;
        }
        (served, closed)
    };
    let all = futures::future::join_all((0..64).map(client)).await;
    let served: usize = all.iter().map(|(served, _)| served).sum();
    let closed: usize = all.iter().map(|(_, closed)| closed).sum();
    println!("{served} served, {closed} found the connection closed");
    assert_eq!(served + closed, 640);
    assert_eq!(seen.load(Ordering::SeqCst), served, "each request that was read was answered");
    gateway.stop().await;
}
