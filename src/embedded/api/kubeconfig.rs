//! How clients outside of this process get in: the bearer token and the kubeconfig that holds it.

use super::EmbeddedError;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The file of the token, beside the database.
const TOKEN_FILE: &str = "cluster.token";
/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// The token that opens the port.
#[derive(Clone)]
pub(super) struct Access {
    token: String,
}

impl Access {
    /// The token of this data folder; it stays the same from one start to the next.
    pub(super) fn load_or_create(folder: &Path) -> Result<Self, EmbeddedError> {
        let path = folder.join(TOKEN_FILE);
        if let Ok(token) = std::fs::read_to_string(&path)
            && token.trim().len() >= TOKEN_BYTES
        {
            return Ok(Self { token: token.trim().to_owned() });
        }
        let mut random = [0_u8; TOKEN_BYTES];
        let filled = rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut random);
        filled.map_err(|error| EmbeddedError::Certificate(format!("no randomness for a token: {error:?}")))?;
        let token = URL_SAFE_NO_PAD.encode(random);
        write_private(&path, &token)?;
        Ok(Self { token })
    }

    /// Whether an `Authorization` field holds the token, in a time that does not tell how much of it was right.
    pub(super) fn admits(&self, authorization: &[u8]) -> bool {
        let Some(given) = authorization.strip_prefix(b"Bearer ") else { return false };
        let token = self.token.as_bytes();
        let difference = given.iter().zip(token).fold(0_u8, |seen, (left, right)| seen | (left ^ right));
        given.len() == token.len() && difference == 0
    }

    /// Writes a kubeconfig that only its owner may read.
    pub(super) fn write(&self, path: &Path, address: SocketAddr, authority_pem: &str) -> Result<(), EmbeddedError> {
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "doorstep",
                "cluster": {
                    "server": format!("https://{address}"),
                    "certificate-authority-data": STANDARD.encode(authority_pem),
                },
            }],
            "users": [{"name": "doorstep", "user": {"token": self.token}}],
            "contexts": [{
                "name": "doorstep",
                "context": {"cluster": "doorstep", "user": "doorstep", "namespace": "default"},
            }],
            "current-context": "doorstep",
        });
        // JSON is YAML.
        write_private(path, &format!("{config:#}\n"))
    }
}

/// Writes a file of mode 0600 in one step: a reader sees the old content or the new one.
fn write_private(path: &Path, content: &str) -> Result<(), EmbeddedError> {
    let temporary = path.with_extension("new");
    let write = || {
        drop(std::fs::remove_file(&temporary));
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|error| match error.kind() {
        std::io::ErrorKind::StorageFull => EmbeddedError::DiskFull { path: path.to_owned() },
        _ => EmbeddedError::NotWritable { path: path.to_owned(), why: error.to_string() },
    })
}
