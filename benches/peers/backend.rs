//! The backend: one process that answers at once, `/` with 128 bytes and `/large` with 64 KiB.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The argument by which this program becomes the backend.
pub const ROLE: &str = "backend";

/// Starts it as a process of its own.
pub fn spawn(port: u16, processors: &str) -> Child {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", processors]).arg(std::env::current_exe().unwrap()).args([ROLE, &port.to_string()]);
    command.stdin(Stdio::null()).spawn().expect("taskset runs (Debian package util-linux)")
}

/// Answers for ever.
pub fn run(port: u16) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.unwrap();
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        }
    });
}

async fn answer(mut stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (small, large) = (response(128), response(65_536));
    let mut buffer = Vec::with_capacity(4096);
    loop {
        // No request here has a body, so each ends with an empty line.
        while let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let of_large = buffer.starts_with(b"GET /large ");
            buffer.drain(..end + 4);
            stream.write_all(if of_large { &large } else { &small }).await.ok()?;
        }
        if stream.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn response(bytes: usize) -> Vec<u8> {
    let body = "x".repeat(bytes);
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {bytes}\r\n\r\n{body}").into_bytes()
}
