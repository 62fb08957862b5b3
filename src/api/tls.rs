//! The management API by TLS: its certificate and the authority of client certificates, from files that are read again
//! when they change.

use crate::tls::{Assigned, BadPair, Certificates, Pair};
use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The most bytes of a file.
const MAX_BYTES: u64 = 1 << 20;

/// Which files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate's chain, the server's own first, as PEM.
    pub certificate: PathBuf,
    /// Its key, as PEM.
    pub key: PathBuf,
    /// The authorities of client certificates, as PEM; without, none are asked for.
    pub client_authority: Option<PathBuf>,
}

/// Why the API cannot be served by TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsFilesError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The certificate or its key is not one.
    #[error("the certificate {} with the key {} cannot be served: {reason}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        reason: BadPair,
    },
    /// There is no authority in the file.
    #[error("{} holds no authority of client certificates in PEM form: {reason}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The content of the files.
#[derive(PartialEq, Eq)]
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Option<Vec<u8>>,
}

impl TlsFiles {
    fn read(&self) -> Result<Content, TlsFilesError> {
        let read = |path: &Path| {
            let bounded = || {
                let mut bytes = Vec::new();
                let file = std::fs::File::open(path)?;
                io::Read::read_to_end(&mut io::Read::take(file, MAX_BYTES), &mut bytes)?;
                Ok(bytes)
            };
            bounded().map_err(|source| TlsFilesError::Read { path: path.to_owned(), source })
        };
        let authority = self.client_authority.as_deref().map(read).transpose()?;
        Ok(Content { certificate: read(&self.certificate)?, key: read(&self.key)?, authority })
    }

    fn config(&self, content: &Content) -> Result<Arc<rustls::ServerConfig>, TlsFilesError> {
        let Self { certificate, key, client_authority } = self;
        let bad = |reason| TlsFilesError::Pair { certificate: certificate.clone(), key: key.clone(), reason };
        let pair = Pair::from_pem("the API's files".to_owned(), &content.certificate, &content.key).map_err(bad)?;
        let builder = rustls::ServerConfig::builder_with_provider(crate::tls::provider());
        let builder = builder.with_safe_default_protocol_versions().map_err(|_| bad(BadPair::KeyKind))?;
        let builder = match client_authority.as_deref().zip(content.authority.as_deref()) {
            None => builder.with_no_client_auth(),
            Some((path, pem)) => {
                let refuse = |reason: String| TlsFilesError::Authority { path: path.to_owned(), reason };
                let mut roots = RootCertStore::empty();
                for certificate in CertificateDer::pem_slice_iter(pem) {
                    let certificate = certificate.map_err(|error| refuse(error.to_string()))?;
                    roots.add(certificate).map_err(|error| refuse(error.to_string()))?;
                }
                // Who has none may have a token.
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crate::tls::provider())
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| refuse(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let (certificates, mut assigned) = (Certificates::default(), Assigned::default());
        assigned.give_default(&pair);
        certificates.assign(assigned);
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A session that is resumed would bring along a certificate that the authority of today may not have issued.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

/// How the API is served by TLS, by files that are read again when they change.
pub struct TlsFromFiles {
    config: Arc<ArcSwap<rustls::ServerConfig>>,
    reload: JoinHandle<()>,
}

impl TlsFromFiles {
    /// What `files` hold now, and whatever they hold later.
    pub fn new(files: TlsFiles) -> Result<Self, TlsFilesError> {
        let content = files.read()?;
        let config = Arc::new(ArcSwap::new(files.config(&content)?));
        let reload = tokio::spawn(reload(files, content, config.clone()));
        Ok(Self { config, reload })
    }

    /// What makes the next handshake.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }
}

impl Drop for TlsFromFiles {
    fn drop(&mut self) {
        self.reload.abort();
    }
}

/// Takes changed files into use. What cannot be used changes nothing, and is logged once.
async fn reload(files: TlsFiles, mut current: Content, config: Arc<ArcSwap<rustls::ServerConfig>>) {
    let mut said = String::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let changed = match files.read() {
            Ok(content) if content == current => continue,
            Ok(content) => files.config(&content).map(|made| (content, made)),
            Err(error) => Err(error),
        };
        match changed {
            Ok((content, made)) => {
                config.store(made);
                current = content;
                said.clear();
                tracing::info!("the management API has another certificate, or another authority of clients");
            }
            Err(error) if error.to_string() == said => {}
            Err(error) => {
                tracing::error!(%error, "the management API keeps its certificate, as the changed files cannot be used");
                said = error.to_string();
            }
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address.
    pub address: SocketAddr,
    /// The client's certificate (DER), which a trusted authority issued.
    pub certificate: Option<Arc<[u8]>>,
}

impl Peer {
    /// Who is at the other end of `stream`, whose handshake is done.
    pub(super) fn of(stream: &TlsStream<TcpStream>, address: SocketAddr) -> Self {
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first).map(|leaf| leaf.as_ref().into());
        Self { address, certificate }
    }
}
