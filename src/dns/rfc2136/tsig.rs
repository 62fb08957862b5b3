//! Signing what is asked and proving what is answered, by a shared secret (TSIG, RFC 8945).

use crate::model::shown;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::TSIG;
use hickory_proto::rr::rdata::tsig::{TsigAlgorithm, TsigError};
use hickory_proto::rr::{Name, TSigner};
use hickory_proto::serialize::binary::BinEncoder;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// How far the clocks of both sides may be apart, in seconds (section 10).
const FUDGE_SECONDS: u16 = 300;
/// How many messages of an answer may go by without a signature (section 5.3.1).
const MAX_UNSIGNED: usize = 99;
/// Fewer bytes than this are no secret (section 8: as long as the digest is better).
const MIN_SECRET_BYTES: usize = 16;
/// The most bytes of a file with a secret.
const MAX_SECRET_FILE_BYTES: u64 = 4096;

/// The digests that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// `hmac-sha256`
    Sha256,
    /// `hmac-sha512`
    Sha512,
}

impl Algorithm {
    /// As it is spelled in configurations of name servers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "hmac-sha256",
            Self::Sha512 => "hmac-sha512",
        }
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [Self::Sha256, Self::Sha512];
        known
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| format!("{} is not an algorithm of keys; hmac-sha256 and hmac-sha512 are", shown(text)))
    }
}

/// A key that a name server knows as well. What it prints holds no secret.
#[derive(Clone)]
pub struct Key {
    signer: TSigner,
    name: String,
}

/// Why there is no key. No sentence holds a part of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name cannot be one.
    #[error("{} is not the name of a key; it is written like a host name", shown(.0))]
    Name(String),
    /// The file cannot be read.
    #[error("the secret's file {0} cannot be read: {1}")]
    File(String, String),
    /// The file holds something else.
    #[error("the secret's file {0} does not hold a secret in base64, alone on one line, as tsig-keygen prints it")]
    NoBase64(String),
    /// The secret is too short to be one.
    #[error("the secret in {0} has {1} bytes; {MIN_SECRET_BYTES} are the fewest that protect anything")]
    TooShort(String, usize),
}

impl Key {
    /// The key `name` with the secret that a file holds in base64.
    pub fn from_file(name: &str, algorithm: Algorithm, file: &Path) -> Result<Self, KeyError> {
        use std::io::Read as _;
        let shown = file.display().to_string();
        let unreadable = |error: std::io::Error| KeyError::File(shown.clone(), error.to_string());
        let mut text = String::new();
        let opened = std::fs::File::open(file).map_err(unreadable)?;
        opened.take(MAX_SECRET_FILE_BYTES).read_to_string(&mut text).map_err(unreadable)?;
        let secret = STANDARD.decode(text.trim()).map_err(|_| KeyError::NoBase64(shown.clone()))?;
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::TooShort(shown, secret.len()));
        }
        Self::new(name, algorithm, secret)
    }

    /// The key `name` with this secret.
    pub fn new(name: &str, algorithm: Algorithm, secret: Vec<u8>) -> Result<Self, KeyError> {
        let wrong = || KeyError::Name(name.to_owned());
        let wire =
            Name::from_ascii(name.to_ascii_lowercase()).ok().filter(|wire| wire.num_labels() > 0).ok_or_else(wrong)?;
        let digest = match algorithm {
            Algorithm::Sha256 => TsigAlgorithm::HmacSha256,
            Algorithm::Sha512 => TsigAlgorithm::HmacSha512,
        };
        let signer = TSigner::new(secret, digest, wire, FUDGE_SECONDS).map_err(|_| wrong())?;
        Ok(Self { signer, name: name.to_owned() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The message with its signature of the time `now`, and what proves the answer to it.
    pub(super) fn sign(&self, mut message: Message, now: u64) -> Option<(Vec<u8>, Proof)> {
        let id = message.metadata.id;
        let (signature, _) = self.signer.sign_message(&message, now).ok()?;
        let previous = signature.data.mac.clone();
        message.set_signature(signature);
        let bytes = message.to_vec().ok()?;
        Some((bytes, Proof { key: self.clone(), id, previous, unsigned: Vec::new(), pending: 0, is_first: true, now }))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why an answer is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Doubt {
    /// It cannot be read, or is no answer to what was asked.
    Malformed,
    /// It has no signature where there has to be one; the code that it tells.
    Unsigned(ResponseCode),
    /// The server does not know the key, or says that our signature is wrong.
    KeyRefused(TsigError),
    /// The clocks differ; the server's time, if it tells it.
    Clocks { ours: u64, theirs: Option<u64> },
    /// The signature is not of the key.
    Forged,
}

/// Proves the messages of one answer, each by the one before it.
pub(super) struct Proof {
    key: Key,
    id: u16,
    previous: Vec<u8>,
    /// Messages since the last signature.
    unsigned: Vec<u8>,
    pending: usize,
    is_first: bool,
    now: u64,
}

impl Proof {
    /// Reads the next message of the answer. One without a signature is proved by a later one: see [`Self::is_whole`].
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Message, Doubt> {
        let message = Message::from_vec(bytes).map_err(|_| Doubt::Malformed)?;
        if message.metadata.id != self.id || message.metadata.message_type != hickory_proto::op::MessageType::Response {
            return Err(Doubt::Malformed);
        }
        let Some(signature) = message.signature.as_deref() else {
            let code = message.metadata.response_code;
            if self.is_first || code != ResponseCode::NoError || self.pending == MAX_UNSIGNED {
                return Err(Doubt::Unsigned(code));
            }
            self.unsigned.extend_from_slice(bytes);
            self.pending += 1;
            return Ok(message);
        };
        let signer = &self.key.signer;
        let tsig = &signature.data;
        match tsig.error {
            // These two come without a signature of their own (section 5.3.2).
            Some(error @ (TsigError::BadKey | TsigError::BadSig)) => return Err(Doubt::KeyRefused(error)),
            Some(TsigError::BadTime | TsigError::BadTrunc | TsigError::Unknown(_)) | None => {}
        }
        if signature.name != *signer.signer_name() || tsig.algorithm != *signer.algorithm() {
            return Err(Doubt::Forged);
        }
        let digested = self.digested(bytes, tsig).ok_or(Doubt::Malformed)?;
        signer.verify(&digested, &tsig.mac).map_err(|_| Doubt::Forged)?;
        if tsig.error.is_some() {
            return Err(Doubt::Clocks { ours: self.now, theirs: server_time(&tsig.other) });
        }
        if tsig.time.abs_diff(self.now) > u64::from(FUDGE_SECONDS) {
            return Err(Doubt::Clocks { ours: self.now, theirs: Some(tsig.time) });
        }
        self.previous.clone_from(&tsig.mac);
        self.unsigned.clear();
        (self.pending, self.is_first) = (0, false);
        Ok(message)
    }

    /// Whether every message so far is proved.
    pub(super) fn is_whole(&self) -> bool {
        !self.is_first && self.pending == 0
    }

    /// What the signature is about (section 4.3): the one before, what came without, this message, and the variables.
    fn digested(&self, bytes: &[u8], tsig: &TSIG) -> Option<Vec<u8>> {
        let mut digested = Vec::with_capacity(self.unsigned.len() + bytes.len() + 256);
        digested.extend_from_slice(&u16::try_from(self.previous.len()).ok()?.to_be_bytes());
        digested.extend_from_slice(&self.previous);
        digested.extend_from_slice(&self.unsigned);
        let (end, additionals) = signature_start(bytes)?;
        digested.extend_from_slice(&tsig.oid.to_be_bytes());
        digested.extend_from_slice(bytes.get(2..10)?);
        digested.extend_from_slice(&additionals.checked_sub(1)?.to_be_bytes());
        digested.extend_from_slice(bytes.get(12..end)?);
        if self.is_first {
            let mut variables = Vec::new();
            tsig.emit_tsig_for_mac(&mut BinEncoder::new(&mut variables), self.key.signer.signer_name()).ok()?;
            digested.extend_from_slice(&variables);
        } else {
            digested.extend_from_slice(tsig.time.to_be_bytes().get(2..)?);
            digested.extend_from_slice(&tsig.fudge.to_be_bytes());
        }
        Some(digested)
    }
}

/// The server's time in an answer that says BADTIME: 48 bits.
fn server_time(other: &[u8]) -> Option<u64> {
    let bytes: [u8; 6] = other.try_into().ok()?;
    Some(bytes.iter().fold(0, |time, byte| time << 8 | u64::from(*byte)))
}

/// Where the last record of a message, its signature, begins; and how many additional records the header tells.
fn signature_start(bytes: &[u8]) -> Option<(usize, u16)> {
    let number = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    let [queries, answers, authorities, additionals] = [number(4)?, number(6)?, number(8)?, number(10)?];
    let mut at = 12;
    for _ in 0..queries {
        at = after_name(bytes, at)? + 4;
    }
    let before = (u32::from(answers) + u32::from(authorities) + u32::from(additionals)).checked_sub(1)?;
    for _ in 0..before {
        let fixed = after_name(bytes, at)?;
        at = fixed + 10 + usize::from(number(fixed + 8)?);
    }
    (at < bytes.len()).then_some((at, additionals))
}

fn after_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

#[cfg(test)]
mod tests;
