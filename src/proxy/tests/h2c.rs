//! Backends that speak HTTP/2 by prior knowledge.

use super::harness::*;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, watch};

/// A backend that speaks HTTP/2 alone.
struct H2c {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    /// Counts up: all connections get GOAWAY.
    away: watch::Sender<u32>,
}

async fn h2c<A, F>(answer: A) -> H2c
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Content>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, away) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(0));
    let (count, goings) = (accepted.clone(), away.clone());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let (answer, mut going) = (answer.clone(), goings.subscribe());
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request| {
                    let response = answer(request);
                    async move { Ok::<_, Infallible>(response.await) }
                });
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
                tokio::select! {
                    _ = connection.as_mut() => return,
                    _ = going.changed() => connection.as_mut().graceful_shutdown(),
                }
                connection.await.ok();
            });
        }
    });
    H2c { address, accepted, away }
}

/// Tells the content, the request's fields, and its trailers; ends with trailers of its own, as gRPC does.
async fn grpc(request: Request<Incoming>) -> Response<Content> {
    let (parts, body) = request.into_parts();
    let collected = body.collect().await.unwrap();
    let sum = collected.trailers().and_then(|trailers| trailers.get("x-sum")).cloned();
    let mut text = format!("{:?} {} {}\n", parts.version, parts.method, parts.uri);
    for (name, value) in &parts.headers {
        text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
    }
    text.push_str(&format!("sum: {sum:?}\ncontent: {}\n", String::from_utf8_lossy(&collected.to_bytes())));
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [Frame::data(Bytes::from(text)), Frame::trailers(trailers)];
    let stream = futures::stream::iter(frames.map(Ok::<_, Infallible>));
    let mut response = Response::new(BoxBody::new(StreamBody::new(stream)));
    response.headers_mut().insert("trailer", HeaderValue::from_static("grpc-status"));
    response
}

#[tokio::test]
async fn a_grpc_call_keeps_its_trailers_both_ways() {
    let backend = h2c(grpc).await;
    let gateway = Gateway::h2c(&[backend.address]);
    let stream = TcpStream::connect(gateway.http()).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("7"));
    let frames = [Frame::data(Bytes::from("abc")), Frame::trailers(trailers)];
    let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, Infallible>)));
    let request = Request::post("http://a.test/s/M").header("te", "trailers").body(body).unwrap();
    let response = within(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    let collected = within(response.into_body().collect()).await.unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    let told = String::from_utf8(collected.to_bytes().to_vec()).unwrap();
    for part in ["HTTP/2.0 POST http://a.test/s/M\n", "te: trailers\n", "sum: Some(\"7\")", "content: abc"] {
        assert!(told.contains(part), "{part:?}: {told}");
    }
    drop(sender);
    gateway.stop().await;
}

#[tokio::test]
async fn an_http1_client_reaches_an_h2c_backend_trailers_included() {
    let backend = h2c(grpc).await;
    let gateway = Gateway::h2c(&[backend.address]);
    let request = "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\nTE: trailers\r\n\
                   Connection: close\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n";
    let response = gateway.raw(request.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    for part in ["HTTP/2.0 POST http://a.test/p\n", "sum: Some(\"7\")", "content: abc", "grpc-status: 0\r\n"] {
        assert!(response.contains(part), "{part:?}: {response}");
    }
    assert!(!response.contains("\nconnection: te"), "{response}");
    gateway.stop().await;
}

#[tokio::test]
async fn requests_to_one_endpoint_share_one_connection() {
    let together = Arc::new(Barrier::new(8));
    let backend = h2c(move |_| {
        let together = together.clone();
        async move {
            // Nobody is answered before all are there.
            together.wait().await;
            Response::new(full("hello"))
        }
    })
    .await;
    let gateway = Gateway::h2c(&[backend.address]);
    let get = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let answers = futures::future::join_all((0..8).map(|_| gateway.raw(get))).await;
    assert!(answers.iter().all(|answer| answer.ends_with("hello")), "{answers:?}");
    assert_eq!(backend.accepted.load(Ordering::SeqCst), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_that_was_told_to_go_is_replaced_and_no_post_fails() {
    let backend = h2c(grpc).await;
    let gateway = Gateway::h2c(&[backend.address]);
    let post = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    for round in 1..=5 {
        let answer = gateway.raw(post).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("content: hi"), "{answer}");
        assert_eq!(backend.accepted.load(Ordering::SeqCst), round);
        backend.away.send_modify(|round| *round += 1);
        // The connection has ended once its task holds no receiver any more.
        within(async {
            while backend.away.receiver_count() > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        })
        .await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_is_gone_has_a_successor_also_over_http2() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let backend = h2c(grpc).await;
    let gateway = Gateway::h2c(&[gone, backend.address]);
    for _ in 0..4 {
        let post = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
        let answer = gateway.raw(post).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    gateway.stop().await;
}
