//! Somebody who is told by a webhook: keeps what is sent to it, and answers that it was taken.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// The messages that came so far, each as often as it was sent.
#[derive(Clone, Default)]
pub struct Messages(Arc<Mutex<Vec<Value>>>);

impl Messages {
    pub fn all(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts one; gives its URL, and what it gets.
pub fn receiver() -> (String, Messages) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let messages = Messages::default();
    let kept = messages.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever sends may be killed in the middle of it.
            if let Some(message) = stream.ok().and_then(take) {
                kept.0.lock().unwrap_or_else(PoisonError::into_inner).push(message);
            }
        }
    });
    (url, messages)
}

/// One request, whole, and its answer.
fn take(stream: TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let message = serde_json::from_slice(&body).ok()?;
    let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    // It was told, whether or not it hears that it was.
    let _heard = reader.get_mut().write_all(answer);
    Some(message)
}
