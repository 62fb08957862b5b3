//! The endpoints: one process that listens on every address of the pods' network and says on which it was asked.

use crate::support::objects::PORT;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The argument by which this program becomes the endpoints.
pub const ROLE: &str = "endpoints";

/// Starts them as a process of their own.
pub fn spawn() -> Child {
    let executable = std::env::current_exe().unwrap();
    Command::new(executable).arg(ROLE).stdin(Stdio::null()).spawn().unwrap()
}

/// Answers for ever.
pub fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await.unwrap();
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        }
    });
}

async fn answer(mut stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let body = stream.local_addr().ok()?.ip().to_string();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut buffer = Vec::with_capacity(4096);
    loop {
        // No request here has a body, so each ends with an empty line.
        while let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            buffer.drain(..end + 4);
            stream.write_all(answer.as_bytes()).await.ok()?;
        }
        if stream.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
    }
}
