//! A public resolver: what it remembers of the time before a record was there keeps an environment from being called ready by
//! name, and is told.

use crate::harness::{Doorstep, texts, wait_for};
use crate::server::{Make, NameServer, ZONE, base64, daemon, free_port, secret};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// For so many seconds it remembers that there is nothing.
const REMEMBERED: u32 = 15;

/// A resolver with a memory, real BIND. It is killed when this is dropped.
struct Resolver {
    address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Resolver {
    /// One that asks `authority` for everything.
    fn start(authority: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (at, port) = (folder.path().display(), free_port());
        let text = format!(
            "options {{ directory \"{at}\"; pid-file none; session-keyfile \"{at}/session.key\"; lock-file none; \
             managed-keys-directory \"{at}\"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; \
             recursion yes; allow-recursion {{ 127.0.0.0/8; }}; dnssec-validation no; forward only; \
             forwarders {{ 127.0.0.1 port {}; }}; max-ncache-ttl {REMEMBERED}; }};\ncontrols {{ }};\n",
            authority.port()
        );
        let file = folder.path().join("configuration");
        std::fs::write(&file, text).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut named = daemon("named");
        named.args(["-g", "-n", "1", "-c"]).arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = named.spawn().expect("named (Debian package bind9) starts");
        let resolver = Self { address: ([127, 0, 0, 1], port).into(), child, _folder: folder };
        wait_for("the resolver", || match resolver.code(&format!("www.{ZONE}")).as_str() {
            "NOERROR" => Ok(()),
            other => Err(other.to_owned()),
        });
        resolver
    }

    /// The code of its answer for a name.
    fn code(&self, name: &str) -> String {
        let port = self.address.port().to_string();
        let mut dig = Command::new("dig");
        let dig = dig.args(["@127.0.0.1", "-p", &port, name, "A", "+noall", "+comments", "+tries=1", "+time=1"]);
        let (out, _) = texts(&dig.output().expect("dig (Debian package bind9-dnsutils) runs"));
        out.split_once("status: ")
            .and_then(|(_, rest)| rest.split_once(','))
            .map_or(out.clone(), |(it, _)| it.to_owned())
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn file(folder: &Path, server: &NameServer, resolver: &Resolver) -> String {
    std::fs::write(folder.join("secret"), base64(&secret("one"))).unwrap();
    let text = json!({
        "owner": "one", "resolvers": [resolver.address.to_string()],
        "defaults": {"mode": "record", "target": ["10.0.0.4"], "ttlSeconds": 30},
        "zones": [{"zone": ZONE, "rfc2136": {
            "server": server.address.to_string(), "key": "one", "algorithm": "hmac-sha256", "secretFile": "secret"}}],
    });
    let file = folder.join("dns.yaml");
    std::fs::write(&file, text.to_string()).unwrap();
    file.display().to_string()
}

fn dns_ready(doorstep: &Doorstep) -> Value {
    let out = doorstep.kubectl_ok(&["get", "environment", "haimaz-integration", "-o", "json"]);
    let object: Value = serde_json::from_str(&out).unwrap();
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == "DNSReady").unwrap_or_default()
}

#[test]
fn a_resolver_that_remembers_that_there_was_nothing_is_waited_for_and_named() {
    let server = NameServer::start(Make::Bind);
    let resolver = Resolver::start(server.address);
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path(), &server, &resolver);
    let doorstep = Doorstep::start_with(&["--domain", "example.test", "--dns-file", &file]);
    let name = format!("fronthaimaz.{ZONE}");
    assert_eq!(resolver.code(&name), "NXDOMAIN", "and it remembers that");
    doorstep.deploy("haimaz", "integration", "1");
    let told = wait_for("what the resolver says", || match dns_ready(&doorstep) {
        told if told["reason"] == "NotResolvedYet" => Ok(told),
        told => Err(told.to_string()),
    });
    println!("{told}");
    assert_eq!(told["status"], "False");
    let said = told["message"].as_str().unwrap();
    assert!(said.contains(&format!("the resolver {} still answers nothing", resolver.address)), "{said}");
    assert_eq!(server.resolve(&name).0, "NOERROR", "its authority has it");
    // The plan has nothing to do, and the look tells who does not know it yet.
    let plan: Value = serde_json::from_str(&doorstep.cli_ok(&["dns", "plan", "-o", "json"])).unwrap();
    assert_eq!(plan["zones"][0]["changes"], json!([]), "{plan}");
    let (out, err) = texts(&doorstep.cli(&["dns", "verify"]));
    println!("{out}{err}");
    wait_for("the resolver's knowledge", || match dns_ready(&doorstep) {
        told if told["status"] == "True" => Ok(()),
        told => Err(told.to_string()),
    });
    assert!(doorstep.cli_ok(&["dns", "verify"]).contains(&name));
    doorstep.stop();
}
