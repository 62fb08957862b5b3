//! What clients cost the gateway as a process: memory and file descriptors.

use crate::harness::{Program, curl, texts, wait_for};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A gateway before a file of routes: `one.test` leads to `backend`.
pub fn gateway(folder: &Path, backend: SocketAddr) -> (Program, SocketAddr) {
    let routes = folder.join("routes.yaml");
    let text = format!("routes: [{{hosts: [one.test], rules: [{{backends: [{{address: \"{backend}\"}}]}}]}}]");
    std::fs::write(&routes, text).unwrap();
    let addresses = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let rest = ["--access-log", "off", "--routes", routes.to_str().unwrap()];
    let data = folder.join("data");
    let mut gateway = Program::start("gateway", &data, &folder.join("log"), addresses.into_iter().chain(rest));
    let http = gateway.addresses()["http"].as_str().unwrap().parse().unwrap();
    (gateway, http)
}

/// Whether the gateway answers.
pub fn answers(http: SocketAddr) -> Result<(), String> {
    let url = format!("http://{http}/");
    let (said, _) = texts(&curl().args(["--max-time", "5", "-H", "Host: two.test", &url]).output().unwrap());
    if said.contains("NoRoute") { Ok(()) } else { Err(said) }
}

/// Takes connections and keeps them; tells nobody anything.
pub fn silent() -> (SocketAddr, Arc<Mutex<Vec<TcpStream>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, kept) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<TcpStream>>>::default());
    let keeper = kept.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            keeper.lock().unwrap().push(stream.unwrap());
        }
    });
    (address, kept)
}

/// Bytes of memory that the process has.
pub fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<usize>().unwrap() * 1024
}

/// So many connections, each of which has said `hello` and read as many bytes as `answer` has at least.
fn connections(address: SocketAddr, count: usize, hello: &[u8], answer: usize) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(hello).unwrap();
        stream.read_exact(&mut vec![0; answer]).unwrap();
        stream
    };
    (0..count).map(open).collect()
}

/// docs/operations.md states these bounds.
const IDLE: usize = 32 * 1024;
const ACTIVE: usize = 64 * 1024;

#[test]
fn a_connection_takes_no_more_memory_than_is_stated() {
    const COUNT: usize = 1000;
    let unknown = b"GET / HTTP/1.1\r\nHost: two.test\r\n\r\n";
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let pending = b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n";
    let kinds: [(&str, &[u8], usize, usize); 3] =
        [("idle", unknown, 400, IDLE), ("idle HTTP/2", &preface, 18, IDLE), ("active", pending, 0, ACTIVE)];
    for (what, hello, answer, most) in kinds {
        // A new one for each, as memory that was given back is used again.
        let (folder, (backend, kept)) = (tempfile::tempdir().unwrap(), silent());
        let (gateway, http) = gateway(folder.path(), backend);
        wait_for("the gateway's answer", || answers(http));
        // What the first ones take is for all.
        drop(connections(http, 50, unknown, 400));
        let before = resident(gateway.pid());
        let open = connections(http, COUNT, hello, answer);
        if answer == 0 {
            wait_for("all requests at the backend", || match kept.lock().unwrap().len() {
                COUNT => Ok(()),
                some => Err(some.to_string()),
            });
        }
        let each = resident(gateway.pid()).saturating_sub(before) / COUNT;
        println!("{what}: {each} bytes for each connection");
        assert!(each <= most, "{what}: {each} bytes for each connection, and {most} are stated");
        drop(open);
        kept.lock().unwrap().clear();
        assert!(gateway.stop().success());
    }
}

#[test]
fn without_descriptors_accepting_goes_on_as_soon_as_there_are_some() {
    let (folder, (backend, _kept)) = (tempfile::tempdir().unwrap(), silent());
    let (mut gateway, http) = gateway(folder.path(), backend);
    wait_for("the gateway's answer", || answers(http));
    let used = std::fs::read_dir(format!("/proc/{}/fd", gateway.pid())).unwrap().count();
    let limit = format!("--nofile={0}:{0}", used + 8);
    let set = Command::new("prlimit").args(["--pid", &gateway.pid().to_string(), &limit]).status().unwrap();
    assert!(set.success());
    let pending = b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n";
    let crowd = connections(http, 60, pending, 0);
    let log = folder.path().join("log");
    wait_for("an accept that fails", || match std::fs::read_to_string(&log).unwrap() {
        said if said.contains("accepting failed") => Ok(()),
        said => Err(said),
    });
    gateway.assert_running();
    drop(crowd);
    wait_for("an answer to somebody new", || answers(http));
    assert!(gateway.stop().success());
}
