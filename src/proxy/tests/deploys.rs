//! No request fails because something was deployed.

use super::harness::*;
use http::{Request, Response};
use hyper::body::Incoming;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// Reads one response with a length; gives its status line.
async fn response(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let (mut status, mut length) = (String::new(), 0);
    stream.read_line(&mut status).await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await?;
    Ok(status)
}

async fn hello(_: Request<Incoming>) -> Response<Content> {
    Response::new(full("hello"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_is_replaced_under_load_and_no_request_fails() {
    let (first, mut running) = backend(hello).await;
    let gateway = Gateway::new(&[first]);
    let (address, done) = (gateway.http(), Arc::new(AtomicUsize::new(0)));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (done, stop) = (done.clone(), stop.clone());
            tokio::spawn(async move {
                let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
                while !stop.load(Ordering::Relaxed) {
                    stream.get_mut().write_all(GET).await.unwrap();
                    let status = within(response(&mut stream)).await.unwrap();
                    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for _ in 0..10 {
        let before = done.load(Ordering::Relaxed);
        let (next, task) = backend(hello).await;
        gateway.cluster.replace([endpoint(next)]);
        // The old one dies at once, with requests on its connections.
        running.abort();
        running = task;
        within(async {
            while done.load(Ordering::Relaxed) < before + 200 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_waits_for_the_successor_of_an_endpoint_that_is_gone() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gateway = Gateway::new(&[gone]);
    let (next, _task) = backend(hello).await;
    let cluster = gateway.cluster.clone();
    let replaced = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(60)).await;
        cluster.replace([endpoint(next)]);
    });
    let answer =
        gateway.raw(b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    replaced.await.unwrap();
    let record = gateway.record(|record| record["status"] == 200).await;
    assert!(record["retries"].as_u64().unwrap() >= 1, "{record}");
    gateway.stop().await;
}

#[tokio::test]
async fn nobody_listening_is_told_after_a_short_wait() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gateway = Gateway::with(&[gone], complete(routes()), impatient(), None);
    let answer = gateway.raw(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("ConnectRefused"), "{answer}");
    gateway.stop().await;
}

/// Answers the first request of each connection and closes it at the second, without a word.
async fn stale(accepted: Arc<AtomicUsize>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            accepted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                assert!(stream.read(&mut buffer).await.unwrap() > 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                let _second = stream.read(&mut buffer).await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_connection_that_died_unnoticed_costs_no_get_and_repeats_no_post() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let gateway = Gateway::new(&[stale(accepted.clone()).await]);
    let mut stream = BufReader::new(TcpStream::connect(gateway.http()).await.unwrap());
    for _ in 0..3 {
        stream.get_mut().write_all(GET).await.unwrap();
        assert!(within(response(&mut stream)).await.unwrap().contains("200"));
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 3);
    let post = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n";
    stream.get_mut().write_all(post).await.unwrap();
    assert!(within(response(&mut stream)).await.unwrap().contains("502"), "a POST was sent twice");
    assert_eq!(accepted.load(Ordering::SeqCst), 3);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_under_way_is_finished_before_the_gateway_stops() {
    let (begun, release) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (told, waited) = (begun.clone(), release.clone());
    let (address, _task) = backend(move |_| {
        let (told, waited) = (told.clone(), waited.clone());
        async move {
            told.notify_one();
            waited.notified().await;
            Response::new(full("late"))
        }
    })
    .await;
    let gateway = Gateway::new(&[address]);
    let http = gateway.http();
    let mut idle = TcpStream::connect(http).await.unwrap();
    let mut stream = TcpStream::connect(http).await.unwrap();
    stream.write_all(GET).await.unwrap();
    within(begun.notified()).await;
    let stopping = tokio::spawn(gateway.stop());
    let mut all = Vec::new();
    within(idle.read_to_end(&mut all)).await.ok();
    assert!(all.is_empty());
    release.notify_one();
    within(stream.read_to_end(&mut all)).await.unwrap();
    let text = String::from_utf8(all).unwrap();
    assert!(text.ends_with("late") && text.to_lowercase().contains("connection: close"), "{text}");
    stopping.await.unwrap();
    assert!(TcpStream::connect(http).await.is_err());
}

#[tokio::test]
async fn a_client_that_leaves_is_in_the_log() {
    let begun = Arc::new(tokio::sync::Notify::new());
    let told = begun.clone();
    let (address, _task) = backend(move |_| {
        told.notify_one();
        std::future::pending::<Response<Content>>()
    })
    .await;
    let gateway = Gateway::new(&[address]);
    let mut stream = TcpStream::connect(gateway.http()).await.unwrap();
    stream.write_all(GET).await.unwrap();
    within(begun.notified()).await;
    drop(stream);
    let record = gateway.record(|record| record["end"] == "ClientAbort").await;
    assert_eq!((&record["status"], &record["host"]), (&serde_json::Value::Null, &"a.test".into()));
    gateway.stop().await;
}
