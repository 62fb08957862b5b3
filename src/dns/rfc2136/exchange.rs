//! A question and its answer, signed, over TCP (RFC 7766).

use super::tsig::{Doubt, Key, Proof};
use crate::dns::ProviderError;
use crate::model::shown;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::tsig::TsigError;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(15);
/// The largest datagram that is asked for and sent (DNS flag day 2020).
pub const MAX_DATAGRAM: u16 = 1232;

/// Where a name server is: an address or a name, with a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    host: String,
    port: u16,
}

impl FromStr for ServerAddress {
    type Err = String;

    /// `10.0.0.53`, `[fd00::53]:5353`, `ns1.example.com:53`. The port is 53 when not given.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{} is not a name server; an address or a name is, like 10.0.0.53 or ns1.example.com:53",
                shown(text)
            )
        };
        if let Ok(address) = text.parse::<std::net::SocketAddr>() {
            return Ok(Self { host: address.ip().to_string(), port: address.port() });
        }
        if let Ok(address) = text.parse::<std::net::IpAddr>() {
            return Ok(Self { host: address.to_string(), port: 53 });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?),
            None => (text, 53),
        };
        let host = host.parse::<crate::model::Hostname>().map_err(|_| wrong())?;
        Ok(Self { host: host.to_string(), port })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl ServerAddress {
    /// The addresses that it has now.
    pub async fn resolve(&self) -> Result<Vec<std::net::SocketAddr>, String> {
        let found = timeout(CONNECT_TIMEOUT, tokio::net::lookup_host((self.host.as_str(), self.port))).await;
        let found: Vec<_> = match found {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => return Err(format!("the name server {self} cannot be found: {error}")),
            Err(_) => return Err(format!("the name server {self} cannot be found in time")),
        };
        if found.is_empty() { Err(format!("the name server {self} has no address")) } else { Ok(found) }
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        let mut last = String::new();
        for address in self.resolve().await? {
            match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Questions are small and each waits for its answer.
                    let _without = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => last = format!("no connection within {} seconds", CONNECT_TIMEOUT.as_secs()),
            }
        }
        Err(format!("the name server {self} cannot be reached by TCP: {last}"))
    }
}

/// The name server of a zone, and the key that it shares with us.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where it is.
    pub address: ServerAddress,
    /// The key.
    pub key: Key,
    /// The time in seconds since 1970: the system's, unless a test wants another one.
    pub time: fn() -> u64,
}

impl Server {
    /// A server with the system's time.
    pub fn new(address: ServerAddress, key: Key) -> Self {
        let time = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { address, key, time }
    }

    /// Asks for a change, and gives the one message of the answer.
    pub(super) async fn ask(&self, message: Message) -> Result<Message, ProviderError> {
        let mut conversation = self.begin(message, ProviderError::Lost).await?;
        let answer = conversation.next().await?;
        Ok(answer)
    }

    /// Sends a question. `unanswered` is the failure that it is when no answer comes.
    pub(super) async fn begin(
        &self,
        message: Message,
        unanswered: fn(String) -> ProviderError,
    ) -> Result<Conversation<'_>, ProviderError> {
        let signed = self.key.sign(message, (self.time)());
        let (bytes, proof) =
            signed.ok_or_else(|| ProviderError::Refused(format!("the message to {self} cannot be written")))?;
        let mut stream = self.address.connect().await.map_err(ProviderError::Unavailable)?;
        let sent = timeout(SILENCE, send(&mut stream, &bytes)).await;
        if !matches!(sent, Ok(Ok(()))) {
            // A part of it may have arrived, but no server acts on a part.
            return Err(ProviderError::Unavailable(format!("the name server {self} did not take the message")));
        }
        Ok(Conversation { server: self, stream, proof, unanswered })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)
    }
}

/// An answer under way.
pub(super) struct Conversation<'s> {
    server: &'s Server,
    stream: TcpStream,
    proof: Proof,
    unanswered: fn(String) -> ProviderError,
}

impl Conversation<'_> {
    /// The next message. It is proved, or will be: see [`Self::is_proved`].
    pub(super) async fn next(&mut self) -> Result<Message, ProviderError> {
        let server = self.server;
        let bytes = match timeout(SILENCE, receive(&mut self.stream)).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => {
                return Err((self.unanswered)(format!(
                    "{server} closed the connection before its answer was whole: {error}"
                )));
            }
            Err(_) => {
                let seconds = SILENCE.as_secs();
                return Err((self.unanswered)(format!("{server} gave no answer within {seconds} seconds")));
            }
        };
        self.proof.take(&bytes).map_err(|doubt| self.explain(&doubt))
    }

    /// Whether all messages so far are proved to be the server's.
    pub(super) fn is_proved(&self) -> bool {
        self.proof.is_whole()
    }

    fn explain(&self, doubt: &Doubt) -> ProviderError {
        let (server, key) = (self.server, self.server.key.name());
        match doubt {
            Doubt::Malformed => (self.unanswered)(format!("{server} sent something that is no answer to the question")),
            // What a server says that does not take the key to be anybody's: a rule by address, or no rule at all.
            Doubt::Unsigned(code @ (ResponseCode::Refused | ResponseCode::NotAuth)) => ProviderError::Refused(format!(
                "{server} answers {code} without a signature: it does not know the key {key}, does not let it do this, or does \
                 not keep the zone; compare name, algorithm and secret on both sides"
            )),
            Doubt::Unsigned(code) => {
                (self.unanswered)(format!("{server} answers {code} without a signature, so it may not be its answer"))
            }
            Doubt::KeyRefused(TsigError::BadSig) => ProviderError::Refused(format!(
                "{server} finds our signature wrong (BADSIG): the key {key} has another secret there"
            )),
            Doubt::KeyRefused(error) => ProviderError::Refused(format!(
                "{server} does not know the key {key}, or lets it do nothing of this kind ({}): compare name and algorithm on both \
                 sides, and what it is allowed there",
                if *error == TsigError::BadKey { "BADKEY" } else { "TSIG error" }
            )),
            Doubt::Clocks { ours, theirs } => ProviderError::Refused(match theirs {
                Some(theirs) => format!(
                    "the clocks differ too much (BADTIME): here it is {ours}, at {server} {theirs} seconds since 1970, and 300 \
                     seconds are the most; set them right"
                ),
                None => format!("{server} finds our time wrong (BADTIME): set the clocks right"),
            }),
            Doubt::Forged => (self.unanswered)(format!("the answer of {server} is not signed with the key {key}")),
        }
    }
}

/// Writes a message with its length before it.
pub async fn send(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let length =
        u16::try_from(bytes.len()).map_err(|_| std::io::Error::other("the message is longer than 65535 bytes"))?;
    let mut framed = Vec::with_capacity(bytes.len() + 2);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(bytes);
    stream.write_all(&framed).await
}

/// Reads a message with its length before it.
pub async fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
