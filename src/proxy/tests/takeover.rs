//! One gateway takes over from another on the same port, and no request is lost.

use super::harness::*;
use crate::proxy::GatewayConfig;
use http::{Request, Response};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

async fn hello(_: Request<Incoming>) -> Response<Content> {
    Response::new(full("hello"))
}

/// Asks on one connection until it is told to close it. An error is a request that was lost.
async fn ask(address: SocketAddr, stop: &AtomicBool, done: &AtomicUsize) -> std::io::Result<()> {
    let mut stream = BufReader::new(TcpStream::connect(address).await?);
    while !stop.load(Ordering::Relaxed) {
        stream.get_mut().write_all(GET).await?;
        let (mut status, mut closes) = (String::new(), false);
        stream.read_line(&mut status).await?;
        if !status.starts_with("HTTP/1.1 200") {
            return Err(std::io::Error::other(format!("the answer is {status:?}")));
        }
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            closes |= line == "connection: close\r\n";
            if line == "\r\n" {
                break;
            }
        }
        stream.read_exact(&mut [0; 5]).await?;
        done.fetch_add(1, Ordering::Relaxed);
        if closes {
            break;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_share_a_port_are_replaced_one_by_one_and_no_request_is_lost() {
    let (backend, _task) = backend(hello).await;
    let shared = |http| GatewayConfig { http, share_port: true, ..GatewayConfig::default() };
    let start = |http| Gateway::with(&[backend], complete(routes()), shared(http), None);
    let first = start(None);
    let address = first.http();
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..64)
        .map(|_| {
            let (stop, done) = (stop.clone(), done.clone());
            tokio::spawn(async move {
                let mut lost = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    lost.extend(within(ask(address, &stop, &done)).await.err());
                }
                lost
            })
        })
        .collect();
    let mut running = vec![first, start(Some(address))];
    for _ in 0..6 {
        let before = done.load(Ordering::Relaxed);
        running.push(start(Some(address)));
        running.remove(0).stop().await;
        within(async {
            while done.load(Ordering::Relaxed) < before + 500 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let lost = client.await.unwrap();
        assert!(lost.is_empty(), "{lost:?}");
    }
    for gateway in running {
        gateway.stop().await;
    }
}

#[tokio::test]
async fn who_was_accepted_and_has_said_nothing_yet_is_still_heard() {
    let (backend, _task) = backend(hello).await;
    let gateway = Gateway::new(&[backend]);
    let (fresh, mut used) = (TcpStream::connect(gateway.http()), TcpStream::connect(gateway.http()).await.unwrap());
    let mut fresh = fresh.await.unwrap();
    used.write_all(GET).await.unwrap();
    within(used.read_exact(&mut [0; 12])).await.unwrap();
    let stopping = tokio::spawn(gateway.running.shutdown(Duration::from_secs(5)));
    // Now it is told; what it does is up to its own thread.
    tokio::task::yield_now().await;
    let mut answers = [String::new(), String::new()];
    for (stream, answer) in [&mut fresh, &mut used].into_iter().zip(&mut answers) {
        stream.write_all(GET).await.unwrap();
        within(stream.read_to_string(answer)).await.unwrap();
        assert!(answer.contains("HTTP/1.1 200") || answer.contains("hello"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    within(stopping).await.unwrap().unwrap();
}
