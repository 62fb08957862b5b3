//! Something that stands before the API server and goes wrong on command: Doorstep's roles get a kubeconfig that leads here.
//!
//! Plain HTTP in front, TLS behind. A connection in front has one behind, so what hyper keeps apart stays apart; watches
//! are streamed.

use super::trap::Trap;
use bytes::Bytes;
use futures::StreamExt;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_util::sync::CancellationToken;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Nobody listens, and open connections are cut: the API server has ended.
    Refuse,
    /// Requests are taken and never answered, and open watches fall silent: it has frozen.
    Hang,
    /// Every request is answered with this status, like 429 or 500.
    Answer(u16),
}

/// How a Status says 410.
const GONE: &[u8] = br#""code":410"#;

/// What is in force now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    fault: Fault,
    /// Grows when all open connections are to be cut.
    cuts: u64,
}

/// A running one. It ends when it is dropped.
pub struct FaultProxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    counts: Arc<Counts>,
    end: CancellationToken,
    thread: Option<JoinHandle<bool>>,
}

/// What every connection needs.
#[derive(Clone)]
struct Behind {
    api: SocketAddr,
    tls: TlsConnector,
    state: watch::Receiver<State>,
    counts: Arc<Counts>,
    trap: Trap,
}

#[derive(Default)]
struct Counts {
    /// Requests that got a fault's answer.
    answered: AtomicU64,
    /// Watches that were told 410 by the API server itself.
    gone: AtomicU64,
    /// How often each kind of thing was asked for, like `WATCH pods`.
    asked: std::sync::Mutex<BTreeMap<String, u64>>,
    /// How many watches of each kind are open now.
    watches: std::sync::Mutex<BTreeMap<String, u64>>,
}

/// A watch that is open.
struct OpenWatch(String, Arc<Counts>);

impl OpenWatch {
    fn of<B>(request: &Request<B>, counts: &Arc<Counts>) -> Option<Self> {
        let kind = asked(request).strip_prefix("WATCH ")?.to_owned();
        *counts.watches.lock().unwrap_or_else(PoisonError::into_inner).entry(kind.clone()).or_default() += 1;
        Some(Self(kind, counts.clone()))
    }
}

impl Drop for OpenWatch {
    fn drop(&mut self) {
        let mut open = self.1.watches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.0) {
            *count -= 1;
        }
    }
}

type Body = UnsyncBoxBody<Bytes, hyper::Error>;
type Connection = SendRequest<Incoming>;

impl FaultProxy {
    /// Starts one before the API server at this URL, whose certificate is of the authority in the file `authority`.
    pub fn start(server: &str, authority: &Path) -> Self {
        Self::start_with(server, authority, Trap::default())
    }

    /// The same, with a trap for the one that writes through it. Renewals of a Lease and Events do not count.
    pub fn start_with(server: &str, authority: &Path, trap: Trap) -> Self {
        let api = server.trim_start_matches("https://").parse().expect("the API server's address");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (state, receiver) = watch::channel(State { fault: Fault::None, cuts: 0 });
        let counts = Arc::new(Counts::default());
        let behind = Behind { api, tls: connector(authority), state: receiver, counts: counts.clone(), trap };
        let end = CancellationToken::new();
        let accepting = end.clone().run_until_cancelled_owned(accept(Some(listener), address, behind));
        let thread = std::thread::spawn(move || runtime.block_on(accepting).is_some());
        Self { address, state, counts, end, thread: Some(thread) }
    }

    /// Where it stands, for a kubeconfig.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Goes wrong in this way from now on. Open watches stay, unless it refuses connections.
    pub fn set(&self, fault: Fault) {
        self.state.send_modify(|state| {
            state.fault = fault;
            state.cuts += u64::from(fault == Fault::Refuse);
        });
    }

    /// Cuts every open connection, and so every watch, in the middle.
    pub fn break_watches(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// How many requests have got a fault's answer so far.
    pub fn answered(&self) -> u64 {
        self.counts.answered.load(Ordering::Relaxed)
    }

    /// How often each kind of thing was asked for so far, like `LIST pods` or `PATCH environments/status`.
    pub fn asked(&self) -> BTreeMap<String, u64> {
        self.counts.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many watches of each kind are open now.
    pub fn watches(&self) -> BTreeMap<String, u64> {
        let open = self.counts.watches.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter(|(_, count)| **count > 0).map(|(kind, count)| (kind.clone(), *count)).collect()
    }

    /// How many watches the API server has told so far that their version is gone (410).
    pub fn gone(&self) -> u64 {
        self.counts.gone.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn connector(authority: &Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(authority).expect("the API server's certificate");
    roots.add_parsable_certificates(certificates.map(|certificate| certificate.expect("a certificate")));
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
    Arc::new(config.with_root_certificates(roots).with_no_client_auth()).into()
}

/// Accepts for ever, but for the times in which nobody is to listen.
async fn accept(mut listener: Option<TcpListener>, address: SocketAddr, behind: Behind) {
    let mut state = behind.state.clone();
    loop {
        if state.borrow_and_update().fault == Fault::Refuse {
            listener = None;
            drop(state.changed().await);
            continue;
        }
        if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        let Some(listening) = &listener else { panic!("{address} was taken by somebody else") };
        tokio::select! {
            changed = state.changed() => drop(changed),
            accepted = listening.accept() => if let Ok((stream, _)) = accepted {
                drop(stream.set_nodelay(true));
                tokio::spawn(serve(stream, behind.clone()));
            }
        }
    }
}

/// Serves one connection until it ends or is cut.
async fn serve(stream: TcpStream, behind: Behind) {
    let mut state = behind.state.clone();
    let cuts = state.borrow().cuts;
    let connection: Arc<Mutex<Option<Connection>>> = Arc::default();
    let service = service_fn(move |request| answer(request, behind.clone(), connection.clone()));
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = serving => drop(ended),
        cut = state.wait_for(|state| state.cuts != cuts) => drop(cut),
    }
}

async fn answer(
    request: Request<Incoming>,
    mut behind: Behind,
    connection: Arc<Mutex<Option<Connection>>>,
) -> Result<Response<Body>, io::Error> {
    *behind.counts.asked.lock().unwrap_or_else(PoisonError::into_inner).entry(asked(&request)).or_default() += 1;
    let watch = OpenWatch::of(&request, &behind.counts);
    let fault = not_hanging(&mut behind.state).await;
    if let Fault::Answer(status) = fault {
        behind.counts.answered.fetch_add(1, Ordering::Relaxed);
        return Ok(refusal(status));
    }
    let mut connection = connection.lock().await;
    let mut sender = match connection.take().filter(|sender| !sender.is_closed()) {
        Some(sender) => sender,
        None => connect(&behind).await?,
    };
    sender.ready().await.map_err(io::Error::other)?;
    let write = write_of(&request);
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    if write.is_some_and(|write| behind.trap.note(|| format!("{write}: {}", answer.status().as_u16()))) {
        return Err(io::Error::other("the one that asked is dead"));
    }
    *connection = Some(sender);
    Ok(answer.map(|body| streamed(body, behind, watch)))
}

/// The verb and the resource of a request, without any name.
fn asked<B>(request: &Request<B>) -> String {
    let uri = request.uri();
    let parts: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
    // /api/v1/… and /apis/GROUP/VERSION/…, with or without a namespace.
    let rest = match parts.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        _ => return format!("{} {}", request.method(), uri.path()),
    };
    let rest = match rest {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    let (resource, name, below) = match rest {
        [] => return format!("{} {}", request.method(), uri.path()),
        [resource] => (*resource, false, None),
        [resource, _] => (*resource, true, None),
        [resource, _, below, ..] => (*resource, true, Some(*below)),
    };
    let watches = uri.query().is_some_and(|query| query.contains("watch=true") || query.contains("watch=1"));
    let verb = match request.method().as_str() {
        "GET" if watches => "WATCH",
        "GET" if name => "GET",
        "GET" => "LIST",
        other => other,
    };
    match below {
        Some(below) => format!("{verb} {resource}/{below}"),
        None => format!("{verb} {resource}"),
    }
}

/// Kinds whose writes are of no consequence, or of none but for who leads.
const SMALL: [&str; 5] =
    ["/leases", "/events", "/selfsubjectaccessreviews", "/selfsubjectrulesreviews", "/tokenreviews"];

/// How a request that changes something is told of.
fn write_of<B>(request: &Request<B>) -> Option<String> {
    let path = request.uri().path();
    let is_write = !request.method().is_safe() && !SMALL.iter().any(|kind| path.contains(kind));
    is_write.then(|| asked(request))
}

/// What the API server says, frame by frame, and nothing of it while it hangs.
fn streamed(body: Incoming, behind: Behind, watch: Option<OpenWatch>) -> Body {
    let frames = BodyStream::new(body).then(move |frame| {
        let _open = &watch;
        let Behind { mut state, counts, .. } = behind.clone();
        async move {
            not_hanging(&mut state).await;
            let data = frame.as_ref().ok().and_then(|frame| frame.data_ref());
            let gone = |data: &Bytes| data.windows(GONE.len()).any(|window| window == GONE);
            if data.is_some_and(gone) {
                counts.gone.fetch_add(1, Ordering::Relaxed);
            }
            frame
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

/// Waits while it hangs; gives what goes wrong after that.
async fn not_hanging(state: &mut watch::Receiver<State>) -> Fault {
    state.wait_for(|state| state.fault != Fault::Hang).await.map_or(Fault::None, |state| state.fault)
}

async fn connect(behind: &Behind) -> io::Result<Connection> {
    let stream = TcpStream::connect(behind.api).await?;
    stream.set_nodelay(true)?;
    let stream = behind.tls.connect(ServerName::from(behind.api.ip()), stream).await?;
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

/// As the API server says that it is overloaded or broken.
fn refusal(status: u16) -> Response<Body> {
    let (reason, message) = match status {
        429 => ("TooManyRequests", "too many requests, please try again later"),
        _ => ("InternalError", "an error on the server has prevented the request from succeeding"),
    };
    let body = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": status,
    });
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    if status == 429 {
        headers.insert(RETRY_AFTER, http::HeaderValue::from_static("1"));
    }
    response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}
