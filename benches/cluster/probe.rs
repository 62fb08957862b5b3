//! The client that asks, on one connection and without a pause, until it gets what it waits for.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// When a change that does not come is given up.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// One connection to the gateway.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What the gateway answered.
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Connection {
    pub fn open(gateway: SocketAddr) -> Self {
        let stream = TcpStream::connect(gateway).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE * 2)).unwrap();
        Self { stream, buffer: Vec::with_capacity(16 * 1024) }
    }

    /// One request, and its answer. A connection that was closed is opened anew.
    pub fn ask(&mut self, host: &str) -> Answer {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let address = self.stream.peer_addr().unwrap();
        self.stream.write_all(request.as_bytes()).unwrap();
        let (head, body) = loop {
            if let Some(found) = self.whole() {
                break found;
            }
            let mut chunk = [0; 8192];
            let count = self.stream.read(&mut chunk).unwrap();
            assert!(count > 0, "the gateway closed the connection before it answered");
            self.buffer.extend_from_slice(&chunk[..count]);
        };
        if head.contains("connection: close") {
            *self = Self::open(address);
        }
        Answer { status: head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default(), body }
    }

    /// Takes an answer out of the buffer, if it is there to its end.
    fn whole(&mut self) -> Option<(String, String)> {
        let end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse::<usize>().ok()?;
        let body = self.buffer.get(end + 4..end + 4 + length)?;
        let body = String::from_utf8_lossy(body).into_owned();
        self.buffer.drain(..end + 4 + length);
        Some((head, body))
    }
}

/// What is waited for.
#[derive(Clone, Copy)]
pub enum Expected {
    /// An answer by this endpoint.
    Endpoint(IpAddr),
    /// Any endpoint's answer.
    Any,
}

struct Watch {
    host: String,
    expected: Expected,
    begun: oneshot::Sender<()>,
    found: oneshot::Sender<Instant>,
}

/// The client, on a thread of its own.
pub struct Probe(mpsc::Sender<Watch>);

impl Probe {
    pub fn start(gateway: SocketAddr) -> Self {
        let (sender, watches) = mpsc::channel::<Watch>();
        std::thread::spawn(move || {
            let mut connection = Connection::open(gateway);
            for watch in watches {
                look(&mut connection, watch);
            }
        });
        Self(sender)
    }

    /// Begins to ask for `host`. When this returns, one answer was given; what it gives back is told when the first of the
    /// expected answers was there.
    pub async fn watch(&self, host: String, expected: Expected) -> oneshot::Receiver<Instant> {
        let (begun, has_begun) = oneshot::channel();
        let (found, when) = oneshot::channel();
        assert!(self.0.send(Watch { host, expected, begun, found }).is_ok(), "the probe has ended");
        // A host that is waited for by the gateway itself has no first answer before the change.
        drop(tokio::time::timeout(Duration::from_millis(50), has_begun).await);
        when
    }
}

fn look(connection: &mut Connection, watch: Watch) {
    let end = Instant::now() + DEADLINE;
    let mut begun = Some(watch.begun);
    while Instant::now() < end {
        let answer = connection.ask(&watch.host);
        let expected = match watch.expected {
            Expected::Endpoint(address) => answer.body == address.to_string(),
            Expected::Any => true,
        };
        if answer.status == 200 && expected {
            let _given_up = watch.found.send(Instant::now());
            return;
        }
        if let Some(begun) = begun.take() {
            let _given_up = begun.send(());
        }
    }
}
