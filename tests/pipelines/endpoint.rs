//! A stand-in for the endpoint where a run asks for its token: it looks at the request and has a token signed for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A running endpoint; it ends with the process.
pub struct Endpoint {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    /// Answers `{field: token}` to whoever shows `bearer`; `token` is given the target of the request.
    pub fn start(field: &'static str, bearer: &'static str, token: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heads) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let seen = heads.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(head) = read(&stream) else { continue };
                let is_known = head.to_ascii_lowercase().contains(&format!("authorization: bearer {bearer}"));
                let target = head.split(' ').nth(1).unwrap_or_default();
                let body = serde_json::json!({ field: token(target) }).to_string();
                let (status, body) = if is_known { ("200 OK", body) } else { ("401 Unauthorized", String::new()) };
                seen.lock().unwrap().push(head);
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = (&stream).write_all(answer.as_bytes());
            }
        });
        Self { address, heads }
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// The head; the body is read and dropped.
fn read(stream: &TcpStream) -> Option<String> {
    let (mut reader, mut head, mut length) = (BufReader::new(stream), String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(head)
}
