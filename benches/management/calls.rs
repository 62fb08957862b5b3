//! Calls of the management API on one connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A connection with a token.
pub struct Calls {
    stream: TcpStream,
    token: String,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    pub took: Duration,
}

impl Calls {
    pub fn open(api: SocketAddr, token: String) -> Self {
        let stream = TcpStream::connect(api).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, token }
    }

    /// One call, with its answer whole.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let began = Instant::now();
        write!(
            self.stream,
            "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        )
        .unwrap();
        let mut buffer = Vec::with_capacity(64 * 1024);
        let head_end = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more(&mut buffer);
        };
        let head = String::from_utf8_lossy(&buffer[..head_end]).to_ascii_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        if let Some(length) = field("content-length:") {
            let end = head_end + length.parse::<usize>().unwrap();
            while buffer.len() < end {
                self.more(&mut buffer);
            }
        } else if field("transfer-encoding:").is_some() {
            while !buffer.ends_with(b"0\r\n\r\n") {
                self.more(&mut buffer);
            }
        }
        Answer { status, body: buffer.split_off(head_end), took: began.elapsed() }
    }

    fn more(&mut self, buffer: &mut Vec<u8>) {
        let mut chunk = [0; 64 * 1024];
        let count = self.stream.read(&mut chunk).unwrap();
        assert!(count > 0, "the connection was closed: {}", String::from_utf8_lossy(buffer));
        buffer.extend_from_slice(&chunk[..count]);
    }
}
