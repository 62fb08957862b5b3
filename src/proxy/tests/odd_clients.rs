//! Clients that speak something else than what is spoken at the port that they came to.

use super::harness::*;
use super::raw_backend::RawBackend;
use crate::proxy::GatewayConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// What is offered; what is said; what comes back.
type Case = (&'static [&'static [u8]], &'static [u8], Option<&'static [u8]>);

async fn secure() -> (RawBackend, Gateway, SocketAddr, rustls::ClientConfig) {
    let backend = RawBackend::start(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let (server, client) = super::protocols::tls_config();
    let gateway = Gateway::with(&[backend.address], complete(routes()), GatewayConfig::default(), Some(server));
    let https = gateway.running.addresses().https.unwrap();
    (backend, gateway, https, client)
}

/// All that comes back for `bytes`.
async fn said(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.ok();
    let mut all = Vec::new();
    within(stream.read_to_end(&mut all)).await.ok();
    all
}

#[tokio::test]
async fn plain_http_at_the_port_for_tls_is_told_so() {
    let (backend, gateway, https, _) = secure().await;
    let post = [b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n", &[b'x'; 100_000][..]].concat();
    for bytes in [GET, &post, HTTP2, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"] {
        let answer = String::from_utf8(said(https, bytes).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("a URL that begins with https"), "{answer}");
    }
    let record = gateway.record(|record| record["refusal"] == "BadRequest").await;
    assert_eq!(record["status"], 400);
    // What is neither gets an alert of TLS, and no more.
    let sslv2 =
        [b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00\x80".as_slice(), &[0x41; 31]].concat();
    for bytes in [&sslv2[..], b"\0\x01\x02\x03\x04\x05\x06\x07"] {
        let alert = said(https, bytes).await;
        assert_eq!(alert.first(), Some(&21), "{alert:?}");
    }
    assert_eq!(backend.received(), "");
    gateway.stop().await;
}

#[tokio::test]
async fn tls_and_the_proxy_protocol_at_the_port_for_http_are_bad_requests() {
    let (backend, gateway, _, _) = secure().await;
    let hello = [b"\x16\x03\x01\0\xf8\x01\0\0\xf4\x03\x03".as_slice(), &[0; 0xf2]].concat();
    let version1 = [b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", GET].concat();
    let version2 =
        [b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\0\x01\0\x02".as_slice(), GET].concat();
    for bytes in [hello, version1, version2, b"GET /\r\n".to_vec()] {
        let answer = String::from_utf8_lossy(&said(gateway.http(), &bytes).await).into_owned();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bytes:?}: {answer}");
    }
    assert_eq!(backend.received(), "", "an address that a client claims is none");
    gateway.stop().await;
}

#[tokio::test]
async fn what_alpn_agreed_upon_is_what_is_spoken() {
    let (backend, gateway, https, client) = secure().await;
    let cases: [Case; 7] = [
        (&[b"http/1.1"], GET, Some(b"HTTP/1.1 200")),
        (&[b"http/1.0"], b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", Some(b"HTTP/1.0 200")),
        (&[b"h2", b"http/1.1"], HTTP2, Some(b"\0\0")),
        (&[b"h2"], GET, Some(b"\0\0")),
        (&[b"http/1.1"], HTTP2, Some(b"HTTP/1.1 400")),
        (&[], HTTP2, Some(b"HTTP/1.1 400")),
        (&[b"acme-tls/1"], GET, None),
    ];
    for (offered, bytes, expected) in cases {
        let mut client = client.clone();
        client.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let stream = TcpStream::connect(https).await.unwrap();
        let connected = within(connector.connect("a.test".try_into().unwrap(), stream)).await;
        let Some(expected) = expected else {
            let error = connected.map(drop).unwrap_err().to_string();
            assert!(error.contains("NoApplicationProtocol"), "{error}");
            continue;
        };
        let mut stream = connected.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = vec![0; expected.len()];
        within(stream.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer, expected, "{offered:?} {}", String::from_utf8_lossy(bytes));
        if bytes == GET && offered == [b"h2"] {
            // HTTP/1.1 on a connection for HTTP/2: behind its SETTINGS the gateway has nothing more to say.
            let mut rest = Vec::new();
            within(stream.read_to_end(&mut rest)).await.ok();
            assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1"), "{rest:?}");
        }
    }
    let requests = backend.received().matches(" HTTP/1.1\r\n").count();
    assert_eq!(requests, 2, "{}", backend.received());
    gateway.stop().await;
}

#[tokio::test]
async fn a_length_that_some_read_as_octal_is_refused() {
    let (backend, gateway, _, _) = secure().await;
    for length in ["010", "00", "0010"] {
        let post = format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n0123456789");
        let answer = gateway.raw(post.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("leading zeros"), "{length}: {answer}");
    }
    assert_eq!(backend.received(), "");
    gateway.stop().await;
}
