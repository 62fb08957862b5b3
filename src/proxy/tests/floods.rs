//! Floods and stalls over HTTP/2: the connection ends by GOAWAY within the stated counts, and others are served meanwhile.

use super::harness::*;
use super::raw_http2::*;
use crate::proxy::{GatewayConfig, Limits};
use http::{Request, Response};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const ENHANCE_YOUR_CALM: u32 = 11;
const CANCEL: u32 = 8;

/// Counts requests; those for /never get no answer, those for /large a large one.
async fn counting() -> (SocketAddr, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let (address, _task) = backend(move |request: Request<Incoming>| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            match request.uri().path() {
                "/never" => std::future::pending().await,
                "/large" => Response::new(full(vec![b'x'; 1 << 20])),
                _ => Response::new(full("hello")),
            }
        }
    })
    .await;
    (address, seen)
}

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

/// Requests of another client on the same worker, before and after.
async fn others_are_served(gateway: &Gateway) {
    let answer = gateway.raw(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
}

/// A header block that is small on the wire and 48 MB when it is read.
fn bomb() -> Vec<u8> {
    let value = "v".repeat(4000);
    let mut bytes = block(&request("GET", "/"));
    bytes.extend([&[0x40][..], &text("bomb"), &text(&value)].concat());
    bytes.extend(vec![0xbe; 12_000]);
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &bytes)
}

#[tokio::test]
async fn a_flood_ends_by_goaway_within_its_count_and_others_are_served() {
    let (address, _seen) = counting().await;
    let gateway = Gateway::new(&[address]);
    let many = |frame: Vec<u8>, times: usize| frame.repeat(times);
    let open = headers(1, 0, &request("POST", "/never"));
    let reset = |stream: u32| {
        [headers(stream, END_STREAM, &request("GET", "/never")), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    };
    let provoked = |stream: u32| {
        let request = headers(stream, END_STREAM, &request("GET", "/never"));
        // A window of more than 2^31-1 is an error of the stream (RFC 9113, section 6.9.1).
        [request, frame(WINDOW_UPDATE, 0, stream, &[0x7f, 255, 255, 255])].concat()
    };
    let endless =
        [frame(HEADERS, END_STREAM, 1, &block(&request("GET", "/"))), many(frame(CONTINUATION, 0, 1, &[]), 21)];
    let floods: Vec<(&str, Vec<u8>)> = vec![
        ("resets", (0..60).flat_map(|n| reset(2 * n + 1)).collect()),
        ("provoked resets", (0..510).flat_map(|n| provoked(2 * n + 1)).collect()),
        ("CONTINUATION", endless.concat()),
        ("SETTINGS", many(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]), 51)),
        ("PING", many(frame(PING, 0, 0, &[7; 8]), 101)),
        ("PING answers", many(frame(PING, 1, 0, &[7; 8]), 101)),
        ("empty DATA", [open.clone(), many(frame(DATA, 0, 1, &[]), 1001)].concat()),
        ("PRIORITY", many(frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 9]), 1001)),
        ("unknown", many(frame(0xbe, 0, 0, &[0; 40]), 1001)),
        // Those that come before the gateway's first words do not count.
        ("WINDOW_UPDATE", many(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), 20_000)),
        ("HPACK bomb", bomb()),
    ];
    for (what, bytes) in floods {
        let mut client = RawClient::connect(gateway.http(), &[]).await;
        client.send(&bytes).await;
        assert_eq!(client.end().await, ENHANCE_YOUR_CALM, "{what}");
        others_are_served(&gateway).await;
        let idle = || gateway.cluster.endpoints().all().all(|endpoint| endpoint.load.active() == 0);
        eventually(&format!("{what}: nothing of it is left at the backend"), idle).await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn resets_of_requests_that_are_under_way_are_counted_too() {
    let (address, seen) = counting().await;
    let gateway = Gateway::new(&[address]);
    let mut client = RawClient::connect(gateway.http(), &[]).await;
    for n in 0..50 {
        let stream = 2 * n + 1;
        client.send(&headers(stream, END_STREAM, &request("GET", "/never"))).await;
        eventually("the request comes", || seen.load(Ordering::SeqCst) > n as usize).await;
        client.send(&frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])).await;
    }
    let one_more = [headers(101, END_STREAM, &request("GET", "/never")), frame(RST_STREAM, 0, 101, &[0, 0, 0, 8])];
    client.send(&one_more.concat()).await;
    assert_eq!(client.end().await, ENHANCE_YOUR_CALM);
    others_are_served(&gateway).await;
    gateway.stop().await;
}

#[tokio::test]
async fn who_takes_answers_may_reset_and_ping_as_often() {
    let (address, _seen) = counting().await;
    let gateway = Gateway::new(&[address]);
    let mut client = RawClient::connect(gateway.http(), &[]).await;
    for n in 0..300 {
        let (stream, cancelled) = (4 * n + 1, 4 * n + 3);
        client.send(&headers(stream, END_STREAM, &request("GET", "/"))).await;
        let answer = client.find(|frame| frame.kind == HEADERS).await.unwrap();
        assert_eq!(answer.status(), 200);
        client.send(&headers(cancelled, END_STREAM, &request("GET", "/never"))).await;
        client.send(&frame(PING, 0, 0, &[7; 8])).await;
        client.find(|frame| frame.kind == PING).await.unwrap();
        client.send(&frame(RST_STREAM, 0, cancelled, &[0, 0, 0, 8])).await;
    }
    drop(client);
    gateway.stop().await;
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused_and_the_others_go_on() {
    let (address, seen) = counting().await;
    let gateway = Gateway::new(&[address]);
    let mut client = RawClient::connect(gateway.http(), &[]).await;
    let requests: Vec<u8> = (0..101).flat_map(|n| headers(2 * n + 1, END_STREAM, &request("GET", "/never"))).collect();
    client.send(&requests).await;
    let refused = client.find(|frame| frame.kind == RST_STREAM).await.unwrap();
    assert_eq!((refused.stream, refused.code()), (201, 7), "REFUSED_STREAM for the last one");
    eventually("the others come to the backend", || seen.load(Ordering::SeqCst) == 100).await;
    drop(client);
    gateway.stop().await;
}

fn impatient_with(limits: impl FnOnce(&mut Limits)) -> GatewayConfig {
    let mut config = GatewayConfig::default();
    limits(&mut config.limits);
    config
}

#[tokio::test]
async fn a_stream_whose_window_stays_shut_is_reset_and_its_backend_is_free() {
    let (address, _seen) = counting().await;
    let config = impatient_with(|limits| limits.stream_idle = Duration::from_millis(200));
    let gateway = Gateway::with(&[address], complete(routes()), config, None);
    // SETTINGS_INITIAL_WINDOW_SIZE is zero.
    let mut client = RawClient::connect(gateway.http(), &[0, 4, 0, 0, 0, 0]).await;
    let requests: Vec<u8> = (0..20).flat_map(|n| headers(2 * n + 1, END_STREAM, &request("GET", "/large"))).collect();
    client.send(&requests).await;
    for _ in 0..20 {
        let reset = client.find(|frame| frame.kind == RST_STREAM).await.expect("each stream is reset");
        assert_eq!(reset.code(), CANCEL);
    }
    let idle = || gateway.cluster.endpoints().all().all(|endpoint| endpoint.load.active() == 0);
    eventually("no connection to the backend is held", idle).await;
    // The connection goes on.
    client.send(&headers(41, END_STREAM, &request("GET", "/"))).await;
    assert_eq!(client.find(|frame| frame.kind == HEADERS).await.unwrap().status(), 200);
    drop(client);
    gateway.stop().await;
}

#[tokio::test]
async fn a_header_block_that_does_not_end_has_the_time_of_a_head() {
    let (address, _seen) = counting().await;
    let config = impatient_with(|limits| limits.head = Duration::from_millis(100));
    let gateway = Gateway::with(&[address], complete(routes()), config, None);
    let mut client = RawClient::connect(gateway.http(), &[]).await;
    client.send(&headers(1, END_STREAM, &request("GET", "/never"))).await;
    client.send(&frame(HEADERS, END_STREAM, 3, &block(&request("GET", "/")))).await;
    // Its end comes long before a client's idle time of 75 s, and although another request is under way.
    assert!(client.find(|_| false).await.is_none());
    gateway.stop().await;
}
