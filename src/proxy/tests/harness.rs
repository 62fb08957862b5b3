//! A gateway before backends of the test's making, and a raw client.

use crate::proxy::{GatewayConfig, Limits, Running, bind};
use crate::routing::*;
use crate::telemetry::access_log::{AccessLog, Sink};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub type Content = BoxBody<Bytes, Infallible>;

/// An index of a cluster whose one class, integration, has hosts like `front{user}.int.test`.
pub fn routes() -> Routes {
    let mut routes = Routes::new("test".parse().unwrap());
    let (name, pattern) = ("integration".parse().unwrap(), "front{user}.int.{domain}".parse().unwrap());
    routes.set_classes([ClassHosts { name, pattern, created: 1 }]);
    routes
}

/// All requests to the hosts of `claims` go to the service `name`.
pub fn contribution(name: &str, claims: Claims, protocol: Protocol) -> Contribution {
    let cluster = ClusterName { namespace: "default".into(), service: name.into(), port: PortName::Number(80) };
    let backends = vec![BackendSpec::Service { cluster, slice_port: "http".into(), protocol, weight: 1 }];
    let source = SourceKey { kind: SourceKind::Service, namespace: "default".into(), name: name.into() };
    let rules = vec![RuleSpec { matcher: Matcher::any(), backends, ..RuleSpec::default() }];
    Contribution::of_one_group(source, 0, claims, rules)
}

pub fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint { pod: Some("pod-1".into()), ..Endpoint::new(address) }
}

/// A gateway at which no request waits for an endpoint.
pub fn impatient() -> GatewayConfig {
    GatewayConfig { limits: Limits { wait: Duration::ZERO, ..Limits::default() }, ..GatewayConfig::default() }
}

/// A gateway whose host `a.test` leads to `cluster`.
pub struct Gateway {
    pub running: Running,
    pub table: Arc<Table>,
    pub routes: Routes,
    pub cluster: Arc<Cluster>,
    pub log: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    /// With HTTP/1.1 to `endpoints`.
    pub fn new(endpoints: &[SocketAddr]) -> Self {
        Self::with(endpoints, complete(routes()), GatewayConfig::default(), None)
    }

    /// With HTTP/2 to `endpoints`.
    pub fn h2c(endpoints: &[SocketAddr]) -> Self {
        let mut routes = complete(routes());
        routes.apply(contribution("a", a_test(), Protocol::H2c));
        Self::with(endpoints, routes, GatewayConfig::default(), None)
    }

    /// With `routes`; unless they have the service `a`, it gets the host `a.test`.
    pub fn with(
        endpoints: &[SocketAddr],
        mut routes: Routes,
        mut config: GatewayConfig,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        if routes.snapshot().host("a.test").is_none() {
            routes.apply(contribution("a", a_test(), Protocol::Http1));
        }
        let snapshot = routes.snapshot();
        let cluster = cluster_of(&snapshot, "a.test");
        cluster.replace(endpoints.iter().copied().map(endpoint));
        let table = Arc::new(Table::default());
        table.store(snapshot);
        let log = Arc::new(Mutex::new(Vec::new()));
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http = Some(config.http.unwrap_or(local));
        config.https = tls.as_ref().map(|_| local);
        config.workers = 1;
        let access_log = AccessLog::new(Sink::Test(log.clone())).unwrap();
        let running = bind(config, table.clone(), tls, access_log).unwrap().start();
        Self { running, table, routes, cluster, log }
    }

    pub fn http(&self) -> SocketAddr {
        self.running.addresses().http.unwrap()
    }

    /// The first record that `wanted` takes, once it is there.
    pub async fn record(&self, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        within(async {
            loop {
                let lines = self.log.lock().unwrap().clone();
                let mut records = lines.iter().map(|line| serde_json::from_str(line).unwrap());
                if let Some(found) = records.find(|record| wanted(record)) {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
    }

    /// Sends `bytes` and reads to the end of the connection, which the request should ask for.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.http()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut all = Vec::new();
        within(stream.read_to_end(&mut all)).await.ok();
        String::from_utf8_lossy(&all).into_owned()
    }

    pub async fn stop(self) {
        within(self.running.shutdown(Duration::from_secs(5))).await.unwrap();
    }
}

fn a_test() -> Claims {
    Claims::Named(vec![HostClaim::parse("a.test").unwrap()])
}

fn cluster_of(snapshot: &Snapshot, host: &str) -> Arc<Cluster> {
    let (method, headers) = (http::Method::GET, http::HeaderMap::new());
    match snapshot.find(&RequestView::new(host, "/", &method, &headers)) {
        Match::Rule(rule) => rule.backends[0].cluster.clone(),
        other => panic!("{other:?}"),
    }
}

pub fn complete(mut routes: Routes) -> Routes {
    routes.mark_complete();
    routes
}

/// What should take no time at all gets twenty seconds, as the machine may be busy.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it should have ended long ago")
}

pub fn full(text: impl Into<Bytes>) -> Content {
    Full::new(text.into()).boxed()
}

/// A backend that answers by `answer`, on a port of its own. Aborting the handle takes it away.
pub async fn backend<A, F>(answer: A) -> (SocketAddr, tokio::task::JoinHandle<()>)
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Content>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            connections.spawn(async move {
                let service = hyper::service::service_fn(move |request| {
                    let response = answer(request);
                    async move { Ok::<_, Infallible>(response.await) }
                });
                let mut builder = hyper::server::conn::http1::Builder::new();
                builder.header_read_timeout(None);
                builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await.ok();
            });
        }
    });
    (address, task)
}

/// A backend that tells the request's head and content back.
pub async fn mirror() -> (SocketAddr, tokio::task::JoinHandle<()>) {
    backend(|request: Request<Incoming>| async move {
        let (parts, body) = request.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned();
        let mut text = format!("{} {}\n", parts.method, parts.uri);
        for (name, value) in &parts.headers {
            text.push_str(&format!("{name}: {}\n", value.to_str().unwrap()));
        }
        if let Some(trailers) = trailers {
            text.push_str(&format!("trailers: {trailers:?}\n"));
        }
        text.push_str(&format!("content: {}\n", String::from_utf8_lossy(&collected.to_bytes())));
        Response::new(full(text))
    })
    .await
}
