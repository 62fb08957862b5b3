//! Deadlines end what would wait without end, and say which one it was.

use super::harness::*;
use crate::proxy::{GatewayConfig, Limits};
use crate::routing::{Claims, HostClaim, Protocol};
use http::Response;
use socket2::{Domain, Socket, Type};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

fn config(limits: Limits) -> GatewayConfig {
    GatewayConfig { limits, ..GatewayConfig::default() }
}

#[tokio::test]
async fn a_response_that_does_not_begin_is_given_up() {
    let (address, _backend) = backend(|_| std::future::pending::<Response<Content>>()).await;
    let short = Limits { response_head: Duration::from_millis(50), ..Limits::default() };
    let gateway = Gateway::with(&[address], complete(routes()), config(short), None);
    let answer = gateway.raw(GET).await;
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("\"code\":\"ResponseHeadTimeout\""), "{answer}");
    assert!(answer.contains("error=http_response_timeout"), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_rules_own_deadline_goes_before_the_gateways() {
    let (address, _backend) = backend(|_| std::future::pending::<Response<Content>>()).await;
    let mut routes = complete(routes());
    let claims = Claims::Named(vec![HostClaim::parse("a.test").unwrap()]);
    let mut own = contribution("a", claims, Protocol::Http1);
    own.groups[0].rules[0].timeouts.response_head = Some(Duration::from_millis(50));
    routes.apply(own);
    let gateway = Gateway::with(&[address], routes, GatewayConfig::default(), None);
    let answer = gateway.raw(GET).await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    gateway.stop().await;
}

/// A socket whose queue is full: the system answers no further connection. Give all back to keep it so.
pub fn unanswering() -> (SocketAddr, Socket, Vec<TcpStream>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let waiting: Vec<_> =
        (0..64).map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()).collect();
    assert!(waiting.len() < 64, "the queue has no end");
    (address, socket, waiting)
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_given_up() {
    let (address, _socket, _waiting) = unanswering();
    let short = Limits { connect: Duration::from_millis(50), ..Limits::default() };
    let gateway = Gateway::with(&[address], complete(routes()), config(short), None);
    let answer = gateway.raw(GET).await;
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("\"code\":\"ConnectTimeout\""), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn a_head_that_does_not_end_and_a_client_that_is_silent_are_closed() {
    let short = Duration::from_millis(50);
    let limits = Limits { head: short, client_idle: short, wait: Duration::ZERO, ..Limits::default() };
    let gateway = Gateway::with(&[], complete(routes()), config(limits), None);
    for part in ["GE", "GET / HTTP/1.1\r\nHost: a.te", "GET / HTTP/1.1\r\nHost: a.test\r\n"] {
        let answer = gateway.raw(part.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"code\":\"HeadTimeout\""), "{answer}");
    }
    let record = gateway.record(|record| record["refusal"] == "HeadTimeout").await;
    assert_eq!(record["status"], 408);
    assert_eq!(gateway.raw(b"").await, "", "who says nothing is told nothing");
    let answer = gateway.raw(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    gateway.stop().await;
}
