//! Clients that mean no good, at a live manager: slow, silent, many, or with far too much.

use crate::support::{Doorstep, wait_for};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Longer than any of the manager's own deadlines.
const PATIENCE: Duration = Duration::from_secs(60);

struct Api<'a> {
    doorstep: &'a Doorstep,
    token: String,
}

impl<'a> Api<'a> {
    fn of(doorstep: &'a Doorstep) -> Self {
        let token = std::fs::read_to_string(doorstep.folder.join("api-token")).unwrap().trim().to_owned();
        Self { doorstep, token }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.doorstep.api).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The head of a call, with `fields` and the end of the head.
    fn head(&self, method: &str, path: &str, fields: &str) -> String {
        let token = &self.token;
        format!("{method} /api/v1{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n{fields}\r\n")
    }

    /// What a call of `path` with `body` is answered.
    fn put(&self, path: &str, body: &str) -> String {
        let fields =
            format!("content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
        let mut stream = self.connect();
        stream.write_all(self.head("PUT", path, &fields).as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        answer(stream)
    }
}

/// All that comes until the other side closes, which it has to.
fn answer(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&text)),
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Writes `bytes` one by one, a second apart, until the other side ends it.
fn drip(stream: &TcpStream, bytes: &'static [u8]) -> std::thread::JoinHandle<()> {
    let mut stream = stream.try_clone().unwrap();
    std::thread::spawn(move || {
        // A pace, not a wait for anything.
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        for byte in bytes.iter().cycle() {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            let _pace = never.recv_timeout(Duration::from_secs(1));
        }
    })
}

#[test]
fn slow_heads_and_slow_bodies_are_ended_with_a_sentence() {
    let doorstep = Doorstep::start();
    let api = Api::of(&doorstep);
    let head = api.connect();
    let dripping = drip(&head, b"GET /api/v1/version HTTP/1.1\r\nhost: localhost\r\nx-slow: ");
    let mut body = api.connect();
    let fields = "content-type: application/json\r\ncontent-length: 1000\r\n";
    body.write_all(api.head("PUT", "/environments/haimaz/integration", fields).as_bytes()).unwrap();
    let body_dripping = drip(&body, b" ");
    let said = answer(head);
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("not complete after 10 seconds"), "{said}");
    let said = answer(body);
    assert!(said.starts_with("HTTP/1.1 408 ") && said.contains("body-too-slow"), "{said}");
    dripping.join().unwrap();
    body_dripping.join().unwrap();
    doorstep.stop();
}

#[test]
fn a_body_of_a_gigabyte_and_json_of_a_hundred_thousand_levels_are_refused() {
    let doorstep = Doorstep::start();
    let api = Api::of(&doorstep);
    let path = "/environments/haimaz/integration";
    // Announced: nothing of it is asked for. Not announced: as much is read as may be.
    for fields in ["content-length: 1073741824\r\nexpect: 100-continue\r\n", "transfer-encoding: chunked\r\n"] {
        let mut stream = api.connect();
        let head = api.head("PUT", path, &format!("content-type: application/json\r\n{fields}"));
        stream.write_all(head.as_bytes()).unwrap();
        if fields.starts_with("transfer") {
            let chunk = [b"8000\r\n".as_slice(), &[b' '; 0x8000], b"\r\n"].concat();
            let written = (0..32_768).take_while(|_| stream.write_all(&chunk).is_ok()).count();
            assert!(written < 1000, "{written} chunks were taken");
        }
        let said = answer(stream);
        // A client that goes on to write after it was refused may lose the answer, not the refusal.
        let told = said.starts_with("HTTP/1.1 413 ") && said.contains("more than 65536 bytes");
        assert!(told || (said.is_empty() && fields.starts_with("transfer")), "{said}");
    }
    // As deep as fits, and then deeper than fits.
    let nested = |levels: usize| format!("{{\"parameters\": {}", "[".repeat(levels));
    let said = api.put(path, &nested(60_000));
    assert!(said.starts_with("HTTP/1.1 400 ") && said.contains("recursion limit"), "{said}");
    let said = api.put(path, &nested(100_000));
    assert!(said.starts_with("HTTP/1.1 413 ") && said.contains("more than 65536 bytes"), "{said}");
    assert_eq!(doorstep.api("/environments")["items"].as_array().unwrap().len(), 0, "nothing came of any of it");
    doorstep.stop();
}

#[test]
fn thousands_of_connections_that_do_nothing_keep_nobody_out() {
    let doorstep = Doorstep::start();
    let api = Api::of(&doorstep);
    let idle: Vec<TcpStream> = (0..2_000).map(|_| api.connect()).collect();
    for _ in 0..20 {
        assert!(doorstep.api("/version")["version"].is_string());
    }
    doorstep.deploy("haimaz", "integration", "1");
    for stream in idle {
        stream.shutdown(Shutdown::Both).ok();
    }
    wait_for("a call after all of them", || match doorstep.api("/version")["version"].as_str() {
        Some(_) => Ok(()),
        None => Err("no version".to_owned()),
    });
    doorstep.stop();
}
