//! TLS and HTTP/1.1 around the state.

use super::reply::{Cut, Reply};
use super::state::{Incoming, State};
use bytes::Bytes;
use doorstep::tls::provider;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

type Chunks = futures::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, std::io::Error>>>;

pub async fn serve(listener: TcpListener, certificate: Arc<CertifiedKey>, state: Arc<Mutex<State>>) {
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate)));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(acceptor.clone(), stream, state.clone()));
    }
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, state: Arc<Mutex<State>>) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(move |request| answer(state.clone(), request));
    let mut server = hyper::server::conn::http1::Builder::new();
    // A connection that a test has cut ends with an error: that is what was wanted.
    let _ = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: hyper::Request<hyper::body::Incoming>,
) -> Result<hyper::Response<StreamBody<Chunks>>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let incoming = Incoming {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: header("authorization"),
        if_match: header("if-match"),
        if_none_match: header("if-none-match"),
        client_request_id: header("x-ms-client-request-id"),
        content_type: header("content-type"),
        body: body.to_vec(),
    };
    let reply = state.lock().unwrap().answer(&incoming);
    send(reply)
}

fn send(reply: Reply) -> Result<hyper::Response<StreamBody<Chunks>>, std::io::Error> {
    let lost = || std::io::Error::other("the answer is lost");
    if reply.cut == Cut::Before {
        return Err(lost());
    }
    let mut response = hyper::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    let whole = Bytes::from(reply.body.unwrap_or_default());
    if reply.status != 204 {
        response =
            response.header("content-type", "application/json; charset=utf-8").header("content-length", whole.len());
    }
    let chunks = match reply.cut {
        Cut::Whole | Cut::Before if whole.is_empty() => Vec::new(),
        Cut::Whole | Cut::Before => vec![Ok(Frame::data(whole))],
        Cut::Within => vec![Ok(Frame::data(whole.slice(..whole.len() / 2))), Err(lost())],
    };
    Ok(response.body(StreamBody::new(futures::stream::iter(chunks))).unwrap())
}
