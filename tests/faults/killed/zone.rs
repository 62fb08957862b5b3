//! Who keeps the records: a real name server, or Azure as its emulator has it. A trap hears of each write once it was taken.

use crate::emulator::{Emulator, GROUP, Incoming, SUBSCRIPTION, spelled};
use crate::name_server::{Make, NameServer, base64, secret};
use crate::support::trap::Trap;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Whose records the manager writes.
pub const OWNER: &str = "killed";

/// Which kind of keeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    Bind,
    Knot,
    /// Private DNS zones, where the answer of each write is lost.
    AzurePrivate,
    /// Public DNS zones, which answer.
    AzurePublic,
}

/// A zone with records of others in it.
pub enum Zone {
    Server(NameServer),
    Azure { emulator: Emulator, is_private: bool, _runtime: Runtime },
}

impl Zone {
    pub fn start(provider: Provider) -> Self {
        match provider {
            Provider::Bind => Self::Server(NameServer::start(Make::Bind)),
            Provider::Knot => Self::Server(NameServer::start(Make::Knot)),
            Provider::AzurePrivate => Self::azure(true),
            Provider::AzurePublic => Self::azure(false),
        }
    }

    fn azure(is_private: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let emulator = runtime.block_on(Emulator::start(1));
        let mut state = emulator.state();
        state.make_zone(crate::emulator::ZONE, is_private);
        state.faults.lost_after = if is_private { 1.0 } else { 0.0 };
        for (name, metadata) in [("vpn", json!({})), ("fronttaken", json!({"doorstep-owner": "another"}))] {
            let properties = json!({"ttl": 300, "aRecords": [{"ipv4Address": "192.0.2.1"}], "metadata": metadata});
            let properties = spelled(properties, is_private);
            let etag = state.next();
            state.zone(crate::emulator::ZONE, is_private).records.put("A", name, properties, etag, Duration::ZERO);
        }
        drop(state);
        Self::Azure { emulator, is_private, _runtime: runtime }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Server(_) => crate::name_server::ZONE,
            Self::Azure { .. } => crate::emulator::ZONE,
        }
    }

    /// The domain of the environments whose class `integration` has its hosts in this zone.
    pub fn domain(&self) -> &'static str {
        self.name().strip_prefix("int.").unwrap()
    }

    /// A file of DNS that leads here, past `trap`.
    pub fn file(&self, folder: &Path, target: &str, trap: &Trap) -> String {
        let mut file = json!({
            "owner": OWNER, "confirm": {"percent": 100, "always": 1000},
            "defaults": {"mode": "record", "target": [target], "ttlSeconds": 60},
        });
        match self {
            Self::Server(server) => file["zones"] = json!([of_server(server, folder, trap)]),
            Self::Azure { emulator, is_private, .. } => {
                let (azure, zone) = of_azure(emulator, *is_private, trap);
                file["azure"] = azure;
                file["zones"] = json!([zone]);
            }
        }
        file.to_string()
    }

    /// Every record, as text that tells all of it.
    pub fn records(&self) -> BTreeSet<String> {
        match self {
            Self::Server(server) => server.records(),
            Self::Azure { .. } => self.items().iter().map(Value::to_string).collect(),
        }
    }

    fn items(&self) -> Vec<Value> {
        match self {
            Self::Server(_) => Vec::new(),
            Self::Azure { emulator, is_private, .. } => {
                emulator.state().zone(crate::emulator::ZONE, *is_private).records.all()
            }
        }
    }

    /// Whether the zone holds, of one user, just the record that leads to `target`, with our mark; or nothing at all.
    pub fn has(&self, user: &str, target: Option<&str>) -> Result<(), String> {
        let (found, right) = match self {
            Self::Server(server) => {
                let name = format!("front{user}.{}.", self.name());
                let found: Vec<String> = server.records().into_iter().filter(|line| line.contains(&name)).collect();
                // The record and its mark.
                let right = target.is_some_and(|target| {
                    let leads = found.iter().any(|line| line.ends_with(&format!(" {target}")));
                    found.len() == 2 && leads && found.iter().any(|line| line.contains(&format!("owner={OWNER}")))
                });
                (found, right)
            }
            Self::Azure { is_private, .. } => {
                let name = format!("front{user}");
                let found: Vec<Value> = self.items().into_iter().filter(|item| item["name"] == name).collect();
                let right = target.is_some_and(|target| {
                    let due = json!({"ttl": 60, "aRecords": [{"ipv4Address": target}]});
                    let due = spelled(due, *is_private);
                    let has = |item: &Value| due.as_object().unwrap().iter().all(|(k, v)| item["properties"][k] == *v);
                    let is_ours = |item: &Value| item["properties"]["metadata"]["doorstep-owner"] == OWNER;
                    found.len() == 1 && found.iter().all(|item| has(item) && is_ours(item))
                });
                (found.iter().map(Value::to_string).collect(), right)
            }
        };
        let is_so = if target.is_some() { right } else { found.is_empty() };
        if is_so { Ok(()) } else { Err(format!("{found:?}, where {target:?} is due")) }
    }

    /// What the keeper has against the calls that it got.
    pub fn violations(&self) -> Vec<String> {
        match self {
            Self::Server(_) => Vec::new(),
            Self::Azure { emulator, .. } => emulator.state().violations.clone(),
        }
    }
}

fn of_server(server: &NameServer, folder: &Path, trap: &Trap) -> Value {
    let key = folder.join("secret");
    std::fs::write(&key, base64(&secret("one"))).unwrap();
    let way = relay(server.address, trap.clone());
    json!({
        "zone": crate::name_server::ZONE, "authority": [server.address.to_string()],
        "rfc2136": {"server": way.to_string(), "key": "one", "algorithm": "hmac-sha256", "secretFile": key},
    })
}

fn of_azure(emulator: &Emulator, is_private: bool, trap: &Trap) -> (Value, Value) {
    let trap = trap.clone();
    emulator.state().witness = Some(Box::new(move |call: &Incoming, status| {
        // What is read is a listing, or a look after an answer that was lost: a moment to be killed at as well.
        let counts = match call.method.as_str() {
            "GET" => {
                let is_listing = ["/ALL", "/recordsets"].iter().any(|listing| call.path.ends_with(listing));
                matches!(status, 200 | 404) && !is_listing
            }
            _ => status < 300,
        };
        counts && trap.note(|| format!("{} at Azure: {status}", call.method))
    }));
    let origin = format!("https://{}", emulator.address);
    let credential = json!({"tenant": "tenant-1", "client": "client-1", "secretFile": emulator.secret_file()});
    let azure = json!({
        "cloud": {"custom": {"management": origin, "login": origin, "audience": "https://management.test"}},
        "authorities": emulator.folder().join("authority.pem"),
        "credential": {"clientSecret": credential},
    });
    let at = json!({"subscription": SUBSCRIPTION, "resourceGroup": GROUP, "private": is_private});
    (azure, json!({"zone": crate::emulator::ZONE, "azure": at}))
}

/// A way to a name server that notes each update once the server has taken it.
fn relay(server: SocketAddr, trap: Trap) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), trap) = (client, trap.clone()) else { return };
            std::thread::spawn(move || way(client, server, &trap));
        }
    });
    address
}

fn way(mut client: TcpStream, server: SocketAddr, trap: &Trap) -> Option<()> {
    let mut server = TcpStream::connect(server).ok()?;
    loop {
        let question = message(&mut client)?;
        // The opcode of RFC 1035, section 4.1.1; 5 is UPDATE (RFC 2136).
        let is_update = question.get(4).is_some_and(|flags| flags >> 3 & 0b1111 == 5);
        server.write_all(&question).ok()?;
        let mut answer = message(&mut server)?;
        if is_update && trap.note(|| "UPDATE by DNS".to_owned()) {
            return None;
        }
        client.write_all(&answer).ok()?;
        // A transfer may come in several messages.
        server.set_nonblocking(false).ok()?;
        while !is_update && has_more(&mut server) {
            answer = message(&mut server)?;
            client.write_all(&answer).ok()?;
        }
    }
}

fn has_more(server: &mut TcpStream) -> bool {
    let long = Duration::from_millis(50);
    drop(server.set_read_timeout(Some(long)));
    let more = server.peek(&mut [0]).is_ok_and(|count| count > 0);
    drop(server.set_read_timeout(None));
    more
}

/// A message with its length before it.
fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut bytes = length.to_vec();
    bytes.resize(2 + usize::from(u16::from_be_bytes(length)), 0);
    stream.read_exact(&mut bytes[2..]).ok()?;
    Some(bytes)
}
