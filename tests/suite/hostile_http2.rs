//! What one hostile HTTP/2 client costs at most, whatever it does with all of its streams.

use crate::edge::{answers, gateway, resident, silent};
use crate::harness::wait_for;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// docs/operations.md states this bound.
const HOSTILE: usize = 16 * 1024 * 1024;
const CLIENTS: usize = 4;
const STREAMS: u32 = 100;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A string of HPACK without Huffman's code.
fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Some(mut rest) = text.len().checked_sub(127) else {
        bytes.push(u8::try_from(text.len()).unwrap());
        return [&bytes, text.as_bytes()].concat();
    };
    bytes.push(127);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    [&bytes, text.as_bytes()].concat()
}

fn literal(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

/// A header block, in as many frames as it takes.
fn block(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = block.chunks(16 * 1024).collect();
    let frames = parts.iter().enumerate().map(|(at, part)| {
        let end = if at + 1 == parts.len() { END_HEADERS } else { 0 };
        if at == 0 { frame(HEADERS, flags | end, stream, part) } else { frame(CONTINUATION, end, stream, part) }
    });
    frames.collect::<Vec<_>>().concat()
}

/// A request's head with `fields`.
fn head(stream: u32, flags: u8, method: &str, fields: &[Vec<u8>]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "one.test")];
    let mut fields_of_all: Vec<u8> = pseudo.iter().flat_map(|(name, value)| literal(name, value)).collect();
    fields_of_all.extend(fields.concat());
    block(stream, flags, &fields_of_all)
}

/// A connection whose streams have windows of so many bytes, on which `bytes` were sent as far as the gateway takes them.
fn client(address: SocketAddr, window: u32, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let settings = [&[0, 4][..], &window.to_be_bytes()].concat();
    stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(SETTINGS, 0, 0, &settings)[..]].concat()).unwrap();
    // The gateway's settings, its acknowledgement, and the window of the connection, which is larger than HTTP/2's own.
    stream.read_exact(&mut [0; 67]).unwrap();
    // One that goes too far is told to go meanwhile.
    stream.write_all(bytes).ok();
    stream
}

/// Answers each request with more than anybody takes, as fast as it is taken.
fn flooding() -> (SocketAddr, Arc<Mutex<Vec<TcpStream>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, kept) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<TcpStream>>>::default());
    let keeper = kept.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _head = stream.read(&mut [0; 1024]);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").ok();
            stream.set_nonblocking(true).unwrap();
            while !matches!(stream.write(&[b'x'; 64 * 1024]), Err(error) if error.kind() == ErrorKind::WouldBlock) {}
            keeper.lock().unwrap().push(stream);
        }
    });
    (address, kept)
}

fn all_streams(part: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..STREAMS).flat_map(|n| part(2 * n + 1)).collect()
}

#[test]
fn a_hostile_http2_client_takes_no_more_memory_than_is_stated() {
    let large: Vec<Vec<u8>> = (0..95).map(|n| literal(&format!("x-{n}"), &"v".repeat(620))).collect();
    let tiny: Vec<Vec<u8>> = (0..1800).map(|n| literal(&format!("{n:x}"), "")).collect();
    // A field of 4000 bytes in HPACK's table, and a byte for each further use of it: far too many, and just enough.
    let indexed = [vec![0x40], text("bomb"), text(&"v".repeat(4000))].concat();
    let bomb = |uses: usize| vec![indexed.clone(), vec![0xbe; uses]];
    let get = |fields: &[Vec<u8>]| all_streams(|stream| head(stream, END_STREAM, "GET", fields));
    let upload = |stream| [head(stream, 0, "POST", &[]), frame(DATA, 0, stream, &[b'y'; 10_000])].concat();
    let ended = |stream| [upload(stream), block(stream, END_STREAM, &tiny.concat())].concat();
    let all = CLIENTS * STREAMS as usize;
    // Whose heads are full fill a connection's share with sixteen of them.
    let some = CLIENTS * 16;
    let kinds: [(&str, bool, u32, Vec<u8>, usize); 9] = [
        ("full heads that nobody answers", false, 65_535, get(&large), some),
        ("heads of 1800 fields, refused to shut windows", false, 0, get(&tiny), 0),
        ("an HPACK bomb that is too large", false, 65_535, get(&bomb(12_000)), 0),
        ("HPACK bombs that are not", false, 65_535, get(&bomb(14)), some),
        ("answers to shut windows", true, 0, get(&[]), all),
        ("answers to windows of a byte", true, 1, get(&[]), all),
        ("answers to windows of a byte, for full heads", true, 1, get(&large), some),
        ("uploads to a backend that does not read", false, 65_535, all_streams(upload), all),
        ("uploads with trailers of 1800 fields", false, 65_535, all_streams(ended), all),
    ];
    for (what, floods, window, bytes, requests) in kinds {
        let (backend, kept) = if floods { flooding() } else { silent() };
        // A new one for each, as memory that was given back is used again.
        let folder = tempfile::tempdir().unwrap();
        let (gateway, http) = gateway(folder.path(), backend);
        wait_for("the gateway's answer", || answers(http));
        let before = resident(gateway.pid());
        let clients: Vec<TcpStream> = (0..CLIENTS).map(|_| client(http, window, &bytes)).collect();
        // It is seen once, for half a second, nothing more came to the backend and the gateway took no more memory.
        let (mut since, mut seen) = (Instant::now(), (0, 0));
        wait_for("the end of its growth", || {
            let now = (kept.lock().unwrap().len(), resident(gateway.pid()));
            if now.0 > seen.0 || now.1 > seen.1 + 256 * 1024 {
                (since, seen) = (Instant::now(), now);
            }
            if since.elapsed() > Duration::from_millis(500) { Ok(()) } else { Err(format!("{now:?}")) }
        });
        let each = resident(gateway.pid()).saturating_sub(before) / CLIENTS;
        println!("{what}: {} KiB for each client, {} requests at the backend", each / 1024, seen.0);
        assert!(seen.0 >= requests, "{what}: {} requests at the backend", seen.0);
        assert!(each <= HOSTILE, "{what}: {each} bytes for each client, and {HOSTILE} are stated");
        wait_for("the gateway's answer", || answers(http));
        drop(clients);
        kept.lock().unwrap().clear();
        assert!(gateway.stop().success());
    }
}
