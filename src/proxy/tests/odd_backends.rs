//! Answers that backends should not give: each is made one that everybody reads alike, or refused with 502.

use super::harness::*;
use super::raw_backend::RawBackend;
use super::raw_http2::*;
use crate::proxy::{GatewayConfig, Limits};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

fn get(method: &str) -> String {
    format!("{method} / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
}

/// What a client gets of `answer`.
async fn told(method: &str, answer: &'static [u8]) -> String {
    let backend = RawBackend::start(answer).await;
    let gateway = Gateway::new(&[backend.address]);
    let told = gateway.raw(get(method).as_bytes()).await;
    gateway.stop().await;
    told
}

#[tokio::test]
async fn content_in_a_coding_that_the_client_is_not_told_of_is_refused() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, identity\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let told = told("GET", answer).await;
        let what = String::from_utf8_lossy(answer);
        assert!(told.starts_with("HTTP/1.1 502") && told.contains("\"code\":\"UpstreamProtocol\""), "{what}: {told}");
    }
}

#[tokio::test]
async fn a_length_is_told_once_and_as_a_plain_number() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 002\r\n\r\nok",
    ] {
        let what = String::from_utf8_lossy(answer).into_owned();
        let http1 = told("GET", answer).await;
        assert!(
            http1.matches("content-length: 2\r\n").count() == 1 && http1.ends_with("\r\n\r\nok"),
            "{what}: {http1}"
        );
        let backend = RawBackend::start(answer).await;
        let gateway = Gateway::new(&[backend.address]);
        let mut client = RawClient::connect(gateway.http(), &[]).await;
        client.send(&headers(1, END_STREAM, &request("GET", "/"))).await;
        let head = client.find(|frame| frame.kind == HEADERS).await.unwrap();
        // HPACK's static table has content-length at 28, and 28 is 15 and 13 more (RFC 7541, section 5.1).
        let is_length = |at: &&[u8]| matches!(at, [0x0f, 13]);
        let lengths = head.payload.windows(2).filter(is_length).count();
        assert_eq!(lengths, 1, "{what}: {:?}", head.payload);
        drop(client);
        gateway.stop().await;
    }
}

#[tokio::test]
async fn an_answer_without_content_has_none_and_what_follows_it_is_nobodys() {
    for (method, answer, status) in [
        ("HEAD", &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"[..], "200"),
        ("HEAD", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200"),
        ("GET", b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello", "204"),
        ("GET", b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "204"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello", "304"),
    ] {
        let backend = RawBackend::start(answer).await;
        let gateway = Gateway::new(&[backend.address]);
        for _ in 0..3 {
            let told = gateway.raw(get(method).as_bytes()).await;
            assert!(told.starts_with(&format!("HTTP/1.1 {status} ")) && told.ends_with("\r\n\r\n"), "{told}");
        }
        let mut client = RawClient::connect(gateway.http(), &[]).await;
        client.send(&headers(1, END_STREAM, &request(method, "/"))).await;
        let answer = client.find(|frame| [HEADERS, RST_STREAM].contains(&frame.kind)).await.unwrap();
        assert_eq!(answer.kind, HEADERS, "{method} {status}");
        let has_length = answer.payload.windows(2).any(|at| at == [0x0f, 13]);
        assert!(!has_length || status != "204", "a length where there can be no content: {:?}", answer.payload);
        drop(client);
        gateway.stop().await;
    }
}

#[tokio::test]
async fn what_is_no_http1_answer_is_refused_and_old_or_plain_ones_are_taken() {
    for (answer, status) in [
        (&b"<html>from before there were heads</html>\r\n\r\n"[..], "502"),
        (b"HTTP/1.2 200 OK\r\ncontent-length: 2\r\n\r\nok", "502"),
        (b"HTTP/2 200 OK\r\ncontent-length: 2\r\n\r\nok", "502"),
        (b"http/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "502"),
        (b"HTTP/1.1 099 Odd\r\ncontent-length: 2\r\n\r\nok", "502"),
        (b"HTTP/1.1 1000 Odd\r\ncontent-length: 2\r\n\r\nok", "502"),
        (b"HTTP/1.1 200 \x1b[31m\r\ncontent-length: 2\r\n\r\nok", "502"),
        (b"HTTP/1.1 200 OK\r\nx(y): a\r\ncontent-length: 2\r\n\r\nok", "502"),
        (b"HTTP/1.1 200 OK\r\n: a\r\ncontent-length: 2\r\n\r\nok", "502"),
        (b"HTTP/1.1 200 OK\r\nx : a\r\ncontent-length: 2\r\n\r\nok", "502"),
        (b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\ncontent-length: 2\r\n\r\nok", "502"),
        (b"HTTP/1.1 200 OK\r\nx: \x1b[31m\r\ncontent-length: 2\r\n\r\nok", "502"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nok", "502"),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", "200"),
        (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", "200"),
        (b"HTTP/1.1 200 OK\r\nx.y!#$%&'*+-^`|~: a\r\ncontent-length: 2\r\n\r\nok", "200"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "200"),
    ] {
        let told = told("GET", answer).await;
        let what = String::from_utf8_lossy(answer);
        assert!(told.starts_with(&format!("HTTP/1.1 {status}")), "{what}: {told}");
        assert!(status == "502" || told.ends_with("ok"), "{what}: {told}");
    }
}

#[tokio::test]
async fn content_that_breaks_at_once_has_its_head_so_that_nobody_asks_again() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\nok\r\n0\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\nok\n0\n\n",
    ] {
        let backend = RawBackend::start(answer).await;
        let gateway = Gateway::new(&[backend.address]);
        let told = gateway.raw(get("GET").as_bytes()).await;
        assert!(
            told.starts_with("HTTP/1.1 200 OK\r\n") && !told.ends_with("0\r\n\r\n"),
            "cut off, and seen to be: {told:?}"
        );
        assert_eq!(gateway.record(|record| record["status"] == 200).await["end"], "BackendAbort");
        // Where the end of the connection ends the content, a head would say that all of it is there.
        let old = gateway.raw(b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").await;
        assert_eq!(old, "", "{old}");
        gateway.stop().await;
    }
}

/// Says `first`, and then `again` for ever.
async fn endless(first: &'static [u8], again: &'static [u8]) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let again = again.repeat(100);
                let mut said = stream.write_all(first).await;
                while said.is_ok() {
                    said = stream.write_all(&again).await;
                    // The test's threads are few.
                    tokio::task::yield_now().await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_backend_that_never_comes_to_its_answer_or_never_ends_it_is_cut_off() {
    let limits = Limits { response_head: Duration::from_millis(300), ..Limits::default() };
    for (first, again, status) in [
        (&b""[..], &b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"[..], "504"),
        (b"HTTP/1.1 200 OK\r\n", b"x: 1\r\n", "502"),
        (b"HTTP/1.1 200 OK\r\nx: ", b"xxxxxxxxxxxxxxxxxxxxxxxx", "502"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", b"x-t: 1\r\n", "200"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;", b"extension", "200"),
    ] {
        let address = endless(first, again).await;
        let config = GatewayConfig { limits: limits.clone(), ..GatewayConfig::default() };
        let gateway = Gateway::with(&[address], complete(routes()), config, None);
        let told = gateway.raw(get("GET").as_bytes()).await;
        let what = String::from_utf8_lossy(again);
        assert!(told.starts_with(&format!("HTTP/1.1 {status}")), "{what}: {told}");
        assert!(!told.contains("x-t") && !told.ends_with("0\r\n\r\n"), "{what}: {told}");
        gateway.stop().await;
    }
}
