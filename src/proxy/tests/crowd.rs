//! When places for connections get scarce: who is slow or idle makes room, and who only takes time stays.

use super::harness::*;
use super::raw_http2::*;
use crate::proxy::{GatewayConfig, Limits};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

/// Answers /poll never, /large with more than sockets hold, and the rest with how long its content was.
async fn backend_of_all() -> SocketAddr {
    let answer = |request: Request<Incoming>| async move {
        let path = request.uri().path().to_owned();
        let length = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
        match &*path {
            "/poll" => std::future::pending().await,
            "/large" => Response::new(full(vec![b'x'; 64 << 20])),
            _ => Response::new(full(format!("took {length}"))),
        }
    };
    backend(answer).await.0
}

/// A gateway with sixteen places, that is soon impatient where they get scarce.
async fn with_sixteen_places() -> Gateway {
    let limits = Limits {
        connections: 16,
        crowded_idle: Duration::from_millis(300),
        crowded_grace: Duration::from_millis(600),
        ..Limits::default()
    };
    let config = GatewayConfig { limits, ..GatewayConfig::default() };
    Gateway::with(&[backend_of_all().await], complete(routes()), config, None)
}

/// A connection from `from`, on which `bytes` were sent.
async fn from(from: &str, gateway: &Gateway, bytes: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
    let mut stream = socket.connect(gateway.http()).await.unwrap();
    stream.write_all(bytes).await.ok();
    stream
}

/// Whether somebody new at `address` is served, within the time of a test.
async fn is_served(address: &str, gateway: &Gateway) {
    within(async {
        loop {
            let mut answer = String::new();
            from(address, gateway, GET).await.read_to_string(&mut answer).await.ok();
            if answer.starts_with("HTTP/1.1 200") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Sends a byte every 30 ms, a seventh of what is asked for, until the other side has enough of it.
fn dribble(mut stream: TcpStream) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while stream.write_all(b"y").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    })
}

#[tokio::test]
async fn slow_uploads_give_their_places_to_others_and_who_only_takes_time_stays() {
    let gateway = with_sixteen_places().await;
    let poll = from("127.0.0.2", &gateway, b"GET /poll HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    // Ten times what is asked for: no fast client, and none that has to go.
    let mut upload =
        from("127.0.0.2", &gateway, b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4800\r\n\r\n").await;
    let uploading = tokio::spawn(async move {
        for _ in 0..40 {
            upload.write_all(&[b'z'; 120]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut answer = vec![0; 15];
        upload.read_exact(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    });
    let mut slow = Vec::new();
    for _ in 0..14 {
        let head = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n";
        slow.push(dribble(from("127.0.0.9", &gateway, head).await));
    }
    is_served("127.0.0.3", &gateway).await;
    is_served("127.0.0.9", &gateway).await;
    let record = gateway.record(|record| record["end"] == "Crowded").await;
    assert!(record["client"].as_str().unwrap().starts_with("127.0.0.9:"), "{record}");
    assert_eq!(within(uploading).await.unwrap(), "HTTP/1.1 200 OK");
    let mut byte = [0];
    let silence = tokio::time::timeout(Duration::from_millis(50), poll.peek(&mut byte)).await;
    assert!(silence.is_err(), "the long poll goes on");
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    gateway.stop().await;
}

#[tokio::test]
async fn clients_that_do_not_read_give_their_places_to_others() {
    let gateway = with_sixteen_places().await;
    let mut slow = Vec::new();
    for _ in 0..14 {
        slow.push(from("127.0.0.9", &gateway, b"GET /large HTTP/1.1\r\nHost: a.test\r\n\r\n").await);
    }
    is_served("127.0.0.9", &gateway).await;
    gateway.record(|record| record["end"] == "Crowded").await;
    drop(slow);
    gateway.stop().await;
}

#[tokio::test]
async fn http2_clients_whose_streams_all_wait_for_them_give_their_places_to_others() {
    let gateway = with_sixteen_places().await;
    let (mut shut, mut upload) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        // Windows of a byte.
        let mut client = RawClient::connect(gateway.http(), &[0, 4, 0, 0, 0, 1]).await;
        client.send(&headers(1, END_STREAM, &request("GET", "/large"))).await;
        shut.push(client);
        let mut client = RawClient::connect(gateway.http(), &[]).await;
        client.send(&headers(1, 0, &request("POST", "/"))).await;
        upload.push(client);
    }
    is_served("127.0.0.1", &gateway).await;
    drop((shut, upload));
    gateway.stop().await;
}

#[tokio::test]
async fn idle_connections_give_their_places_to_others_and_http2_ones_are_told() {
    let gateway = with_sixteen_places().await;
    let mut idle = Vec::new();
    for _ in 0..13 {
        let mut stream = from("127.0.0.9", &gateway, b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        within(stream.read_exact(&mut [0; 15])).await.unwrap();
        idle.push(stream);
    }
    let mut http2 = RawClient::connect(gateway.http(), &[]).await;
    is_served("127.0.0.9", &gateway).await;
    // One comes and stays for each that leaves, until the turn of HTTP/2 has come.
    let told = async {
        loop {
            match http2.next().await {
                Some(frame) if frame.kind == GOAWAY => return frame.code(),
                Some(_) => {}
                None => panic!("it ended without GOAWAY"),
            }
        }
    };
    let crowd = async {
        loop {
            idle.push(from("127.0.0.9", &gateway, b"GET /poll HTTP/1.1\r\nHost: a.test\r\n\r\n").await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let code = tokio::select! {
        code = told => code,
        () = crowd => 1,
    };
    assert_eq!(code, 0, "NO_ERROR");
    drop(idle);
    gateway.stop().await;
}

#[tokio::test]
async fn while_there_are_places_nobody_is_hurried() {
    let gateway = with_sixteen_places().await;
    let mut slow = from("127.0.0.9", &gateway, b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 40\r\n\r\n").await;
    let mut idle = from("127.0.0.9", &gateway, b"").await;
    for _ in 0..40 {
        slow.write_all(b"y").await.unwrap();
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    let mut answer = vec![0; 15];
    within(slow.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200 OK");
    idle.write_all(GET).await.unwrap();
    within(idle.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200 OK");
    gateway.stop().await;
}
