//! The bearer token of the management API.

use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What a caller of the management API must present. It never appears in logs.
#[derive(Clone)]
pub struct Token(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("the API token cannot be read from {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("the API token cannot be written to {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} holds no API token; delete it, and the next start makes a new one", .0.display())]
    Malformed(PathBuf),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for an API token")]
    NoEntropy,
}

impl Token {
    /// The shortest text that counts as a token.
    const MIN_CHARS: usize = 16;

    /// Takes a token that somebody else made.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
        (text.len() >= Self::MIN_CHARS && printable).then(|| Self(text.to_owned()))
    }

    /// Reads the token in the file `path`.
    pub fn load(path: &Path) -> Result<Self, TokenError> {
        let text = fs::read_to_string(path).map_err(|source| TokenError::Read { path: path.to_owned(), source })?;
        Self::new(&text).ok_or_else(|| TokenError::Malformed(path.to_owned()))
    }

    /// Reads the token in the file `path`, or makes one there that only its owner can read.
    pub fn load_or_create(path: &Path) -> Result<Self, TokenError> {
        match Self::load(path) {
            Err(TokenError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Ok(token) => {
                let write = |source| TokenError::Write { path: path.to_owned(), source };
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(write)?;
                return Ok(token);
            }
            Err(error) => return Err(error),
        }
        let token = Self::random()?;
        token.store(path).map_err(|source| TokenError::Write { path: path.to_owned(), source })?;
        Ok(token)
    }

    fn random() -> Result<Self, TokenError> {
        let mut bytes = [0_u8; 32];
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.secure_random.fill(&mut bytes).map_err(|_| TokenError::NoEntropy)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Whole or not at all: a crash in between must not leave half a token.
    fn store(&self, path: &Path) -> io::Result<()> {
        let draft = path.with_extension(format!("new.{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        writeln!(file, "{}", self.0)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    }

    /// Whether `given` is this token, in a time that does not tell how much of it was right.
    pub fn verify(&self, given: &str) -> bool {
        // Digests have one length and nobody can steer them byte by byte.
        let (ours, theirs) = (Sha256::digest(self.0.as_bytes()), Sha256::digest(given.as_bytes()));
        ours.iter().zip(theirs.iter()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }

    /// The token itself, to be sent.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api-token");
        let made = Token::load_or_create(&path).unwrap();
        assert_eq!(made.reveal().len(), 64);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Token::load_or_create(&path).unwrap().reveal(), made.reveal());
        assert_eq!(Token::load(&path).unwrap().reveal(), made.reveal());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn only_the_whole_token_is_accepted_and_it_is_never_shown() {
        let token = Token::new("0123456789abcdef").unwrap();
        assert!(token.verify("0123456789abcdef"));
        for wrong in ["", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF"] {
            assert!(!token.verify(wrong), "{wrong}");
        }
        assert!(!format!("{token:?}").contains("0123"));
    }

    #[test]
    fn a_file_that_holds_no_token_is_told_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api-token");
        fs::write(&path, "\n").unwrap();
        let said = Token::load_or_create(&path).unwrap_err().to_string();
        assert!(said.contains("holds no API token; delete it"), "{said}");
        let missing = Token::load(&folder.path().join("none")).unwrap_err().to_string();
        assert!(missing.contains("cannot be read from"), "{missing}");
    }
}
