//! A real name server with one zone that takes updates.

use base64::Engine as _;
use doorstep::dns::rfc2136::{Algorithm, Key, Rfc2136, Server, ServerAddress};
use doorstep::dns::{Guard, Keeper, KeeperConfig, Provider, RecordSet, Values, Verifier};
use doorstep::model::Hostname;
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const ZONE: &str = "int.example.test";
/// How long anything may take before a test gives up. It bounds a hang; it measures nothing.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The records of somebody else. They have to be there at the end, byte for byte.
const FOREIGN: &str = "\
$ORIGIN int.example.test.
$TTL 300
@ IN SOA ns.int.example.test. hostmaster.int.example.test. 1 3600 600 86400 60
@ IN NS ns.int.example.test.
ns IN A 127.0.0.1
www IN A 192.0.2.1
www IN A 192.0.2.2
www IN TXT \"of somebody else\"
mail IN MX 10 mail.elsewhere.test.
old IN CNAME www.int.example.test.
*.wild IN AAAA 2001:db8::7
_sip._tcp IN SRV 0 5 5060 www.int.example.test.
frontu7 IN A 192.0.2.77
frontu8 IN CNAME www.int.example.test.
_doorstep-a.frontu9 IN TXT \"heritage=doorstep,owner=another\"
frontu9 IN A 192.0.2.99
";

/// Which program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    Bind,
    Knot,
}

pub const MAKES: [Make; 2] = [Make::Bind, Make::Knot];

/// A running name server. It is killed when this is dropped.
pub struct NameServer {
    pub address: SocketAddr,
    folder: tempfile::TempDir,
    child: Child,
}

pub fn secret(of: &str) -> Vec<u8> {
    of.bytes().cycle().take(64).collect()
}

pub fn base64(secret: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(secret)
}

/// The keys that the servers know: `stranger` is known and may do nothing.
const KEYS: [(&str, &str); 4] =
    [("one", "hmac-sha256"), ("two", "hmac-sha512"), ("reader", "hmac-sha256"), ("stranger", "hmac-sha256")];

impl NameServer {
    /// Starts one.
    pub fn start(make: Make) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("zone.db"), FOREIGN).unwrap();
        // Somebody else may take the port between our look and the start; then another one is tried.
        for _ in 0..5 {
            let port = free_port();
            let address: SocketAddr = ([127, 0, 0, 1], port).into();
            let mut child = spawn(make, folder.path(), port);
            if answers(make, &mut child, address) {
                return Self { address, folder, child };
            }
            let _gone = child.kill();
            let _reaped = child.wait();
        }
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        panic!("{make:?} does not start: {log}");
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// All records but the SOA, each as `dig` prints it, as the key `one` gets them.
    pub fn records(&self) -> BTreeSet<String> {
        let key = format!("hmac-sha256:one:{}", base64(&secret("one")));
        let port = self.address.port().to_string();
        let dig = Command::new("dig")
            .args(["@127.0.0.1", "-p", &port, "-y", &key, ZONE, "AXFR", "+noall", "+answer", "+onesoa"])
            .output()
            .expect("dig (Debian package bind9-dnsutils) runs");
        let text = String::from_utf8(dig.stdout).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with(';') && !line.contains("\tSOA\t"));
        let lines: BTreeSet<String> = lines
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| !line.is_empty())
            .collect();
        assert!(lines.len() > 3, "{text}");
        lines
    }

    /// What it answers who asks for the addresses of a name: its code, like `NXDOMAIN`, and the addresses.
    pub fn resolve(&self, name: &str) -> (String, Vec<String>) {
        let port = self.address.port().to_string();
        let dig = Command::new("dig")
            .args(["@127.0.0.1", "-p", &port, name, "A", "+noall", "+comments", "+answer", "+tries=3"])
            .output()
            .expect("dig (Debian package bind9-dnsutils) runs");
        let text = String::from_utf8(dig.stdout).unwrap();
        let code = text.split_once("status: ").and_then(|(_, rest)| rest.split_once(',')).map(|(code, _)| code);
        let answers = text.lines().filter(|line| !line.starts_with(';'));
        let addresses = answers.filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect();
        (code.unwrap_or_else(|| panic!("{name}: {text}")).to_owned(), addresses)
    }

    /// Changes the zone as somebody else would, with `nsupdate`.
    pub fn nsupdate(&self, commands: &str) {
        use std::io::Write as _;
        let key = format!("hmac-sha256:one:{}", base64(&secret("one")));
        let mut child = Command::new("nsupdate")
            .args(["-y", &key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsupdate (Debian package bind9-dnsutils) runs");
        let script = format!("server 127.0.0.1 {}\nzone {ZONE}\n{commands}\nsend\n", self.address.port());
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{commands}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A port that nobody has, neither by UDP nor by TCP.
pub fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address.port();
        }
    }
}

fn spawn(make: Make, folder: &Path, port: u16) -> Child {
    let at = folder.display();
    let (program, arguments, text) = match make {
        Make::Bind => ("named", vec!["-g", "-n", "1", "-c"], bind_configuration(&at.to_string(), port)),
        Make::Knot => ("knotd", vec!["-c"], knot_configuration(&at.to_string(), port)),
    };
    let file = folder.join("configuration");
    std::fs::write(&file, text).unwrap();
    // Knot makes the folders of its journal, but not the one above them.
    std::fs::create_dir_all(folder.join("db")).unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut daemon = daemon(program);
    daemon.args(arguments).arg(&file).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    daemon.spawn().unwrap_or_else(|error| panic!("{program} (Debian package bind9 or knot) does not start: {error}"))
}

/// A command of a daemon, which Debian keeps out of the paths of people.
pub fn daemon(program: &str) -> Command {
    let known = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"].map(|folder| Path::new(folder).join(program));
    Command::new(known.iter().find(|path| path.exists()).map_or(Path::new(program), PathBuf::as_path))
}

fn bind_configuration(at: &str, port: u16) -> String {
    let keys: String = KEYS
        .iter()
        .map(|(name, algorithm)| {
            format!("key \"{name}\" {{ algorithm {algorithm}; secret \"{}\"; }};\n", base64(&secret(name)))
        })
        .collect();
    format!(
        "options {{ directory \"{at}\"; pid-file none; session-keyfile \"{at}/session.key\"; lock-file none; \
         managed-keys-directory \"{at}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; \
         dnssec-validation no; notify no; allow-transfer {{ none; }}; tcp-clients 500; }};\ncontrols {{ }};\n{keys}\
         zone \"{ZONE}\" {{ type primary; file \"{at}/zone.db\"; allow-transfer {{ key one; key two; key reader; }}; \
         allow-update {{ key one; key two; }}; }};\n"
    )
}

fn knot_configuration(at: &str, port: u16) -> String {
    let keys: String = KEYS
        .iter()
        .map(|(name, algorithm)| {
            format!("  - id: {name}\n    algorithm: {algorithm}\n    secret: {}\n", base64(&secret(name)))
        })
        .collect();
    format!(
        "server:\n  listen: 127.0.0.1@{port}\n  rundir: {at}\n  tcp-workers: 1\n  udp-workers: 1\n\
         database:\n  storage: {at}/db\nlog:\n  - target: stderr\n    any: info\nkey:\n{keys}\
         acl:\n  - id: change\n    key: [one, two]\n    action: [update, transfer]\n\
         \x20 - id: list\n    key: reader\n    action: transfer\n\
         zone:\n  - domain: {ZONE}\n    storage: {at}\n    file: zone.db\n    acl: [change, list]\n    zonefile-sync: -1\n"
    )
}

/// Waits until it answers for its zone; `false` when it ended.
fn answers(make: Make, child: &mut Child, address: SocketAddr) -> bool {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        let port = address.port().to_string();
        let dig = Command::new("dig")
            .args(["@127.0.0.1", "-p", &port, ZONE, "SOA", "+short", "+tries=1", "+time=1", "+tcp"])
            .output()
            .expect("dig (Debian package bind9-dnsutils) runs");
        if String::from_utf8_lossy(&dig.stdout).contains("hostmaster") {
            return true;
        }
        let (_keep, never) = std::sync::mpsc::channel::<()>();
        let _timeout = never.recv_timeout(Duration::from_millis(20));
    }
    panic!("{make:?} does not answer");
}

// ---- Our side ----

pub fn zone() -> Hostname {
    ZONE.parse().unwrap()
}

pub fn key(name: &str) -> Key {
    let algorithm = if name == "two" { Algorithm::Sha512 } else { Algorithm::Sha256 };
    Key::new(name, algorithm, secret(name)).unwrap()
}

pub fn at(address: SocketAddr) -> ServerAddress {
    address.to_string().parse().unwrap()
}

pub fn provider(address: SocketAddr, key_name: &str) -> Rfc2136 {
    Rfc2136::new(Server::new(at(address), key(key_name)))
}

/// A keeper for `owner` that writes by `through` and asks the server itself.
pub fn keeper(server: &NameServer, through: SocketAddr, owner: &str, key_name: &str) -> Keeper {
    let provider: Arc<dyn Provider> = Arc::new(provider(through, key_name));
    Keeper::new(KeeperConfig {
        zone: zone(),
        provider,
        authority: vec![at(server.address)],
        owner: owner.parse().unwrap(),
        guard: Guard { percent: 100, always: 0 },
        period: Duration::from_secs(300),
        verifier: Verifier::new(&[]),
    })
}

pub fn set(name: &str, ttl: u32, value: &str) -> RecordSet {
    let values = match value.parse() {
        Ok(address) => Values::of_addresses([address]).remove(0),
        Err(_) => Values::Cname(value.parse().unwrap()),
    };
    RecordSet { name: format!("{name}.{ZONE}").parse().unwrap(), ttl, values }
}

/// The lines that a set and its mark make, as [`NameServer::records`] gives them.
pub fn lines(set: &RecordSet, owner: &str) -> Vec<String> {
    let kind = set.kind();
    let mut lines: Vec<String> = set
        .values
        .texts()
        .iter()
        .map(|value| {
            let dot = if kind == doorstep::dns::Kind::Cname { "." } else { "" };
            format!("{}. {} IN {kind} {value}{dot}", set.name, set.ttl)
        })
        .collect();
    let wildcard = if set.name.is_wildcard() { "_wildcard." } else { "" };
    let label = kind.as_str().to_lowercase();
    lines.push(format!(
        "_doorstep-{label}.{wildcard}{}. 300 IN TXT \"heritage=doorstep,owner={owner}\"",
        set.name.base()
    ));
    lines
}

/// A manager that always leads.
pub fn may() -> doorstep::dns::May {
    Arc::new(|| true)
}
