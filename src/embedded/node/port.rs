//! The port of a node for an API server of another process, as a kubelet has one: the logs of its containers, by mutual TLS.

use std::{convert::Infallible, fmt::Display, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt;
use http::{Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use percent_encoding::percent_decode_str;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    super::api::{LogError, LogOptions},
    NodeError, Shared,
};

/// How long a client may take for its TLS handshake, and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to rest after an accept that failed, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// Where the port is, and who may come.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// A folder with `node.pem` and `node-key.pem`, by which the node is known, and `ca.pem`, whose clients are let in.
    pub pki: PathBuf,
}

/// A port that is bound and not served yet.
pub(super) struct Port {
    listener: TcpListener,
    address: SocketAddr,
    tls: TlsAcceptor,
}

impl Port {
    pub async fn bind(config: &PortConfig) -> Result<Self, NodeError> {
        let failed = |reason: &dyn Display| NodeError::Port { address: config.listen, reason: reason.to_string() };
        let tls = tls(config).map_err(|reason| failed(&reason))?;
        let listener = TcpListener::bind(config.listen).await.map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        Ok(Self { listener, address, tls })
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.address.port()
    }

    /// Serves until dropped; connections end with it.
    pub async fn serve(self, node: Arc<Shared>) {
        let mut connections = JoinSet::new();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (tls, node) = (self.tls.clone(), Arc::clone(&node));
                    connections.spawn(connection(stream, tls, node));
                }
                Err(error) => {
                    tracing::warn!(%error, "the node could not accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

fn tls(config: &PortConfig) -> Result<TlsAcceptor, String> {
    let path = |name: &str| config.pki.join(name);
    let certificates = |name: &str| -> Result<Vec<CertificateDer<'static>>, String> {
        let all = CertificateDer::pem_file_iter(path(name)).and_then(Iterator::collect);
        all.map_err(|error| format!("{} cannot be used: {error}", path(name).display()))
    };
    let key = PrivateKeyDer::from_pem_file(path("node-key.pem"))
        .map_err(|error| format!("{} cannot be used: {error}", path("node-key.pem").display()))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates("ca.pem")?);
    let provider = crate::tls::provider();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let clients = clients.build().map_err(|error| format!("{}: {error}", path("ca.pem").display()))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_client_cert_verifier(clients)
        .with_single_cert(certificates("node.pem")?, key)
        .map_err(|error| format!("{}: {error}", path("node.pem").display()))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, node: Arc<Shared>) {
    let stream = match tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake with the node failed"),
        Err(_) => return tracing::debug!("a TLS handshake with the node took too long"),
    };
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    server.http2().timer(TokioTimer::new());
    let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&node, &request))));
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(error = %error, "a connection to the node ended early");
    }
}

/// `/containerLogs/NAMESPACE/POD/CONTAINER` with the options of `PodLogOptions`.
fn answer<B>(node: &Shared, request: &Request<B>) -> Response<Body> {
    let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let segments: Vec<String> = request.uri().path().split('/').skip(1).map(decoded).collect();
    let [room, namespace, pod, container] = segments.as_slice() else {
        return told(StatusCode::NOT_FOUND, "the node answers /containerLogs/NAMESPACE/POD/CONTAINER");
    };
    if room != "containerLogs" || request.method() != Method::GET {
        return told(StatusCode::NOT_FOUND, "the node answers GET /containerLogs/NAMESPACE/POD/CONTAINER");
    }
    let options = LogOptions::of_query(Some(container.clone()), request.uri().query().unwrap_or_default());
    let options = match options {
        Ok(options) => options,
        Err(reason) => return told(StatusCode::BAD_REQUEST, &reason),
    };
    match node.log_stream(namespace, pod, options) {
        Ok(lines) => {
            let mut response = Response::new(StreamBody::new(lines.map_ok(Frame::data)).boxed_unsync());
            response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
            response
        }
        Err(error) => {
            let status = match error {
                LogError::NoSuchPod(_) => StatusCode::NOT_FOUND,
                LogError::NoSuchContainer { .. } | LogError::NotStarted { .. } | LogError::NoPrevious { .. } => {
                    StatusCode::BAD_REQUEST
                }
                LogError::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            told(status, &error.to_string())
        }
    }
}

fn told(status: StatusCode, sentence: &str) -> Response<Body> {
    let body = Full::new(Bytes::from(format!("{sentence}\n"))).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use std::path::Path;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Writes what the port reads, and gives the authority to a client.
    fn make_pki(folder: &Path) -> RootCertStore {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = authority.self_signed(&key).unwrap();
        std::fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
        let issuer = Issuer::from_ca_cert_der(certificate.der(), key).unwrap();
        let key = KeyPair::generate().unwrap();
        let node = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join("node.pem"), node.pem()).unwrap();
        std::fs::write(folder.join("node-key.pem"), key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        roots
    }

    #[tokio::test]
    async fn who_shows_no_certificate_of_the_authority_is_sent_away() {
        let folder = tempfile::tempdir().unwrap();
        let roots = make_pki(folder.path());
        let config = PortConfig { listen: "127.0.0.1:0".parse().unwrap(), pki: folder.path().to_owned() };
        let Port { listener, address, tls } = Port::bind(&config).await.unwrap();
        let client = rustls::ClientConfig::builder_with_provider(crate::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let asked = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = address.ip().into();
            let mut stream = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
            stream.write_all(b"GET /containerLogs/a/b/c HTTP/1.1\r\nhost: node\r\n\r\n").await?;
            stream.read(&mut [0; 1]).await
        };
        let served = async { tls.accept(listener.accept().await.unwrap().0).await.map(drop) };
        let (asked, served) = tokio::join!(asked, served);
        assert!(served.is_err() && asked.is_err(), "{asked:?} {served:?}");
    }

    #[tokio::test]
    async fn a_missing_file_is_named() {
        let config = PortConfig { listen: "127.0.0.1:0".parse().unwrap(), pki: "/absent".into() };
        let said = Port::bind(&config).await.err().unwrap().to_string();
        assert!(said.contains("/absent/node-key.pem"), "{said}");
    }
}
