//! An endpoint dies, and nobody tells: no request fails by it.

use super::harness::*;
use crate::proxy::{GatewayConfig, Limits};
use crate::routing::{Claims, HostClaim, Protocol};
use http::{Request, Response};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

async fn hello(_: Request<Incoming>) -> Response<Content> {
    // Some requests are always under way.
    tokio::time::sleep(Duration::from_millis(1)).await;
    Response::new(full("hello"))
}

/// Sixty-four clients ask again and again until told to stop; gives how many answers came, and those that were no success.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |_| {
            let (stop, done) = (stop.clone(), done.clone());
            tokio::spawn(async move {
                let mut failed = Vec::new();
                let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
                while !stop.load(Ordering::Relaxed) {
                    stream.get_mut().write_all(GET).await.unwrap();
                    let status = within(answer(&mut stream)).await;
                    if !status.starts_with("HTTP/1.1 200") {
                        failed.push(status);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
                failed
            })
        };
        Self { clients: (0..64).map(client).collect(), stop, done }
    }

    /// Waits for `more` answers.
    async fn go_on(&self, more: usize) {
        let wanted = self.done.load(Ordering::Relaxed) + more;
        within(async {
            while self.done.load(Ordering::Relaxed) < wanted {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut failed = Vec::new();
        for client in self.clients {
            failed.extend(client.await.unwrap());
        }
        failed
    }
}

async fn answer(stream: &mut BufReader<TcpStream>) -> String {
    let (mut status, mut length) = (String::new(), 0);
    stream.read_line(&mut status).await.unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" || line.is_empty() {
            break;
        }
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await.unwrap();
    status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_endpoints_dies_unannounced_and_no_request_fails() {
    let ((first, dies), (second, _stays)) = (backend(hello).await, backend(hello).await);
    let gateway = Gateway::new(&[first, second]);
    let load = Load::start(gateway.http());
    load.go_on(2000).await;
    dies.abort();
    load.go_on(4000).await;
    assert_eq!(load.end().await, Vec::<String>::new());
    let set = gateway.cluster.endpoints();
    let dead = set.all().find(|endpoint| endpoint.address == first).unwrap();
    assert!(dead.load.is_ejected(), "it failed often enough to be left alone");
    let (method, fields) = (http::Method::GET, http::HeaderMap::new());
    let told = gateway.table.load().explain(&crate::routing::RequestView::new("a.test", "/", &method, &fields));
    let ejected = told.backends[0].endpoints.iter().filter(|endpoint| endpoint.ejected);
    assert_eq!(ejected.map(|endpoint| endpoint.address.clone()).collect::<Vec<_>>(), [first.to_string()]);
    assert!(set.all().filter(|endpoint| endpoint.address == second).all(|endpoint| !endpoint.load.is_ejected()));
    drop(set);
    gateway.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_takes_no_connection_in_time_is_passed_over_and_ejected() {
    let (silent, _socket, _waiting) = super::deadlines::unanswering();
    let (good, _backend) = backend(hello).await;
    let limits = Limits { connect: Duration::from_millis(50), ..Limits::default() };
    let config = GatewayConfig { limits, ..GatewayConfig::default() };
    let gateway = Gateway::with(&[silent, good], complete(routes()), config, None);
    let post = b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    for _ in 0..12 {
        assert!(gateway.raw(post).await.starts_with("HTTP/1.1 200"));
    }
    assert!(gateway.cluster.endpoints().all().any(|endpoint| endpoint.address == silent && endpoint.load.is_ejected()));
    gateway.stop().await;
}

/// Takes each request whole and hangs up without a word, counting.
async fn hangs_up(seen: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let seen = seen.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                if stream.read(&mut buffer).await.unwrap_or_default() > 0 {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn what_may_be_repeated_is_and_the_rest_is_not() {
    let seen = Arc::new(AtomicUsize::new(0));
    let (bad, (good, _backend)) = (hangs_up(seen.clone()).await, backend(hello).await);
    let gateway = Gateway::new(&[bad, good]);
    for _ in 0..4 {
        assert!(gateway.raw(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await.contains(" 200 "));
    }
    assert!(seen.load(Ordering::SeqCst) > 0, "nothing came there");
    let alone = Gateway::new(&[bad]);
    let before = seen.load(Ordering::SeqCst);
    let put = b"PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
    let answer = alone.raw(put).await;
    assert!(answer.contains("\"code\":\"UpstreamReset\""), "{answer}");
    assert_eq!(seen.load(Ordering::SeqCst), before + 1, "content was sent twice");
    alone.stop().await;
    gateway.stop().await;
}

/// A process that was stopped: its system takes connections for it, and nobody answers.
fn stopped() -> (SocketAddr, std::net::TcpListener) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    (listener.local_addr().unwrap(), listener)
}

fn soon() -> GatewayConfig {
    let limits = Limits { silence: Duration::from_millis(200), ..Limits::default() };
    GatewayConfig { limits, ..GatewayConfig::default() }
}

#[tokio::test]
async fn what_waits_for_a_stopped_endpoint_goes_to_another_one_long_before_its_deadline() {
    let ((silent, _listener), (good, _backend)) = (stopped(), backend(hello).await);
    let gateway = Gateway::with(&[silent, good], complete(routes()), soon(), None);
    let get = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let answers = futures::future::join_all((0..16).map(|_| gateway.raw(get))).await;
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200")), "{answers:?}");
    let is_ejected = |address| {
        let set = gateway.cluster.endpoints();
        set.all().any(|endpoint| endpoint.address == address && endpoint.load.is_ejected())
    };
    assert!(is_ejected(silent) && !is_ejected(good));
    gateway.stop().await;
}

#[tokio::test]
async fn a_rules_own_time_for_an_attempt_needs_no_other_sign() {
    let ((silent, _listener), (good, _backend)) = (stopped(), backend(hello).await);
    let mut routes = complete(routes());
    let claims = Claims::Named(vec![HostClaim::parse("a.test").unwrap()]);
    let mut own = contribution("a", claims, Protocol::Http1);
    own.groups[0].rules[0].timeouts.attempt = Some(Duration::from_millis(100));
    routes.apply(own);
    let gateway = Gateway::with(&[silent, good], routes, GatewayConfig::default(), None);
    let get = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    for _ in 0..4 {
        let answer = gateway.raw(get).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    gateway.record(|record| record["retries"] == 1).await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_slow_page_is_waited_for_and_asked_for_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = asked.clone();
    let slow = move |_: Request<Incoming>| {
        counts.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::time::sleep(Duration::from_millis(900)).await;
            Response::new(full("at last"))
        }
    };
    let ((one, _a), (two, _b)) = (backend(slow.clone()).await, backend(slow).await);
    let gateway = Gateway::with(&[one, two], complete(routes()), soon(), None);
    let get = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let answers = futures::future::join_all((0..4).map(|_| gateway.raw(get))).await;
    assert!(answers.iter().all(|answer| answer.ends_with("at last")), "{answers:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 4, "none was asked for twice");
    gateway.stop().await;
}

/// A backend that answers with the status that it is told, and counts.
async fn says(status: Arc<AtomicUsize>, seen: Arc<AtomicUsize>) -> SocketAddr {
    let (address, _task) = backend(move |_: Request<Incoming>| {
        seen.fetch_add(1, Ordering::SeqCst);
        let status = status.load(Ordering::SeqCst) as u16;
        async move { Response::builder().status(status).body(full("said")).unwrap() }
    })
    .await;
    address
}

#[tokio::test]
async fn of_several_replicas_the_one_that_says_that_it_cannot_gets_no_requests_for_a_while() {
    let get = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    // What one of two replicas answers; what the other answers; whether the first is left alone.
    for (first, second, limits, is_left) in [
        (503, 200, Limits::default(), true),
        (502, 404, Limits::default(), true),
        (504, 500, Limits::default(), true),
        (500, 200, Limits::default(), false),
        (503, 503, Limits::default(), false),
        (503, 200, Limits { eject_by_status: false, ..Limits::default() }, false),
    ] {
        let [status, other] = [first, second].map(|status| Arc::new(AtomicUsize::new(status)));
        let seen = Arc::new(AtomicUsize::new(0));
        let (in_trouble, good) = (says(status, seen.clone()).await, says(other, Arc::default()).await);
        let config = GatewayConfig { limits, ..GatewayConfig::default() };
        let gateway = Gateway::with(&[in_trouble, good], complete(routes()), config, None);
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(gateway.raw(get).await[9..12].parse::<usize>().unwrap());
        }
        let told = statuses.iter().filter(|status| **status == first).count();
        assert!(told > 0 && told >= seen.load(Ordering::SeqCst), "each such answer reached a client: {statuses:?}");
        let ejected = |address| {
            let set = gateway.cluster.endpoints();
            set.all().any(|endpoint| endpoint.address == address && endpoint.load.is_ejected())
        };
        assert_eq!(ejected(in_trouble), is_left, "{first} beside {second}");
        assert!(!ejected(good), "{first} beside {second}");
        assert!(
            !is_left || seen.load(Ordering::SeqCst) == 5,
            "{first} beside {second}: {}",
            seen.load(Ordering::SeqCst)
        );
        gateway.stop().await;
    }
}

#[tokio::test]
async fn the_only_replica_is_asked_whatever_it_answers() {
    let status = Arc::new(AtomicUsize::new(503));
    let only = says(status.clone(), Arc::default()).await;
    let gateway = Gateway::new(&[only]);
    let get = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    for _ in 0..20 {
        assert!(gateway.raw(get).await.starts_with("HTTP/1.1 503"));
    }
    let (method, fields) = (http::Method::GET, http::HeaderMap::new());
    let told = gateway.table.load().explain(&crate::routing::RequestView::new("a.test", "/", &method, &fields));
    assert!(told.backends[0].endpoints.iter().all(|endpoint| !endpoint.ejected && endpoint.failures == 20));
    status.store(200, Ordering::SeqCst);
    assert!(gateway.raw(get).await.starts_with("HTTP/1.1 200"));
    gateway.stop().await;
}
