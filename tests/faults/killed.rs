//! A manager that is killed after each single write of what it does, with the records at a real name server: what was asked for
//! comes to be, once, and the audit tells of all of it.

use crate::name_server::{Make, NameServer, ZONE};
use crate::support::fault_proxy::FaultProxy;
use crate::support::trap::Trap;
use crate::support::{ControlPlane, Program, curl, texts, wait_for, write_leading_to};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

const CLASS: &str = "integration";
const TARGET: &str = "192.0.2.10";
/// No call writes as often as that; it bounds a loop.
const MOST_WRITES: usize = 60;

faults! {
    fn a_manager_killed_after_any_write_of_any_call_loses_nothing_and_does_nothing_twice_at_bind() {
        killed_after_each_write(Make::Bind);
    }

    fn a_manager_killed_after_any_write_of_any_call_loses_nothing_and_does_nothing_twice_at_knot() {
        killed_after_each_write(Make::Knot);
    }
}

fn killed_after_each_write(make: Make) {
    let began = Instant::now();
    let mut site = Site::start(make);
    let foreign = site.names.records();
    let mut kills = 0;
    let mut seen: [BTreeSet<String>; 4] = Default::default();
    for after in 1..MOST_WRITES {
        let user = format!("user{after}");
        let path = format!("/environments/{user}/{CLASS}");
        let deploy = |tag: &str| {
            serde_json::json!({"parameters": {"TAG_FRONT": tag, "TAG_ASSETS": "1", "VERSION": "1.0.0"}}).to_string()
        };
        let sprung = [
            site.call(after, ("PUT", &path, &deploy("first")), &mut seen[0], &|site| site.is_ready(&user, "first")),
            site.call(after, ("PUT", &path, &deploy("second")), &mut seen[1], &|site| site.is_ready(&user, "second")),
            site.call(after, ("POST", &format!("{path}:rollback"), "{}"), &mut seen[2], &|site| {
                site.is_ready(&user, "first")
            }),
            {
                site.is_once(&user);
                site.call(after, ("DELETE", &path, ""), &mut seen[3], &|site| site.is_gone(&user))
            },
        ];
        kills += sprung.iter().filter(|sprung| **sprung).count();
        if sprung == [false; 4] {
            break;
        }
        assert!(after + 1 < MOST_WRITES, "a call that writes for ever: {seen:?}");
    }
    // The pods of the last one may be ending still; an orphan would never go.
    wait_for("the end of all objects", || {
        let left = site.kubectl(&["get", "environments,deployments,services,controllerrevisions,pods", "-o", "name"]);
        let left: Vec<&str> = left.lines().filter(|name| *name != "service/kubernetes").collect();
        if left.is_empty() { Ok(()) } else { Err(format!("orphans: {left:?}")) }
    });
    assert_eq!(site.names.records(), foreign, "only the foreign records are left");
    let records = site.audit();
    site.manager.take().expect("it runs").stop();
    println!(
        "{make:?}: killed {kills} times in {:?}; {records} records of the audit, all calls begun and ended",
        began.elapsed()
    );
    for (name, writes) in ["create", "change", "roll back", "delete"].iter().zip(&seen) {
        println!("{name}: {}", writes.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    }
    let checked =
        Command::new(crate::support::binary()).args(["admin", "check", "--data"]).arg(site.folder.path()).output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{:?}", texts(&checked));
    println!("{}", texts(&checked).0.trim());
}

struct Site {
    // The manager goes first, the control plane last.
    manager: Option<Program>,
    _node: Program,
    _proxy: FaultProxy,
    names: NameServer,
    trap: Trap,
    arguments: Vec<String>,
    api: SocketAddr,
    token: String,
    calls: usize,
    plane: ControlPlane,
    folder: tempfile::TempDir,
}

impl Site {
    fn start(make: Make) -> Self {
        let (plane, names, folder) = (ControlPlane::start(), NameServer::start(make), tempfile::tempdir().unwrap());
        plane.install();
        let trap = Trap::default();
        let proxy = FaultProxy::start_with(&plane.server, &plane.pki.join("ca.pem"), trap.clone());
        let path = |name: &str| folder.path().join(name);
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let node = Program::start(
            "node",
            &path("node"),
            &path("node.log"),
            [
                "--kubeconfig",
                plane.kubeconfig.to_str().unwrap(),
                "--addresses",
                &plane.network,
                "--listen",
                "127.0.0.1:0",
                "--pki",
                plane.pki.to_str().unwrap(),
            ],
        );
        write_leading_to(&proxy.url(), &plane.service_account("doorstep", "doorstep-manager"), &path("leading"));
        let server = relay(names.address, trap.clone());
        std::fs::write(path("secret"), crate::name_server::base64(&crate::name_server::secret("one"))).unwrap();
        let dns = format!(
            "owner: killed\nconfirm: {{percent: 100, always: 1000}}\ndefaults: {{mode: record, target: [{TARGET}], ttlSeconds: 60}}\n\
             zones:\n- zone: {ZONE}\n  authority: [\"{}\"]\n  rfc2136: {{server: \"{server}\", key: one, algorithm: hmac-sha256, secretFile: {}}}\n",
            names.address,
            text(path("secret"))
        );
        std::fs::write(path("dns.yaml"), dns).unwrap();
        let arguments = [
            "--kubeconfig",
            &text(path("leading")),
            "--api",
            "127.0.0.1:0",
            "--domain",
            "example.test",
            "--local-commands",
            "--lease-duration",
            "2",
            "--dns",
            &text(path("dns.yaml")),
        ]
        .map(str::to_owned)
        .to_vec();
        let api = ([127, 0, 0, 1], 0).into();
        let mut site = Self {
            manager: None,
            _node: node,
            _proxy: proxy,
            names,
            trap,
            arguments,
            api,
            token: String::new(),
            calls: 0,
            plane,
            folder,
        };
        site.start_manager();
        site
    }

    fn start_manager(&mut self) {
        // One that was killed is reaped here.
        drop(self.manager.take());
        let mut manager =
            Program::start("manager", self.folder.path(), &self.folder.path().join("manager.log"), &self.arguments);
        self.api = manager.addresses()["api"].as_str().unwrap().parse().unwrap();
        self.token = std::fs::read_to_string(self.folder.path().join("api-token")).unwrap().trim().to_owned();
        self.manager = Some(manager);
    }

    /// Makes a call and lets the manager be killed after so many writes; a call without an answer is made again, as a client
    /// does, with the same key. Waits for `goal`, and gives whether it was killed.
    fn call(
        &mut self,
        after: usize,
        (method, path, body): (&str, &str, &str),
        seen: &mut BTreeSet<String>,
        goal: &dyn Fn(&Self) -> Result<(), String>,
    ) -> bool {
        self.calls += 1;
        let key = format!("call-{}", self.calls);
        self.trap.arm(self.manager.as_ref().expect("it runs").pid(), after);
        let mut answer = self.ask(method, path, body, &key);
        let mut replaced = false;
        wait_for(&format!("{method} {path}, killed after {after} writes"), || {
            if !replaced && self.trap.has_sprung() {
                self.replace_killed();
                replaced = true;
            }
            match &answer {
                Some((status, _)) if (200..300).contains(status) => goal(self),
                // It was done by the call before, whose answer was lost.
                Some((404, _)) if method == "DELETE" => goal(self),
                answered => {
                    let said = format!("{answered:?}");
                    answer = self.ask(method, path, body, &key);
                    Err(said)
                }
            }
        });
        let (writes, sprung) = self.trap.disarm();
        seen.extend(writes);
        // Perhaps only now, by a write after all was reached.
        if sprung && !replaced {
            self.replace_killed();
        }
        sprung
    }

    /// Starts another manager in the place of one that was told to die and may take a moment to.
    fn replace_killed(&mut self) {
        wait_for("the end of the killed manager", || {
            let ended = self.manager.as_mut().is_some_and(Program::has_ended);
            if ended { Ok(()) } else { Err("it runs".to_owned()) }
        });
        self.start_manager();
    }

    /// The status and the body; `None` when there was no answer.
    fn ask(&self, method: &str, path: &str, body: &str, key: &str) -> Option<(u16, String)> {
        let url = format!("http://{}/api/v1{path}", self.api);
        let mut curl = curl();
        curl.args(["-X", method, "-w", "\n%{http_code}", "-H", &format!("Authorization: Bearer {}", self.token)]);
        if method != "GET" {
            curl.args(["-H", &format!("Idempotency-Key: {key}")]);
        }
        if !body.is_empty() {
            curl.args(["-H", "Content-Type: application/json", "-d", body]);
        }
        let (out, _) = texts(&curl.arg(url).output().unwrap());
        let (body, status) = out.rsplit_once('\n')?;
        let status = status.parse().ok().filter(|status| *status != 0)?;
        Some((status, body.to_owned()))
    }

    fn environment(&self, user: &str) -> Option<(u16, Value)> {
        let (status, body) = self.ask("GET", &format!("/environments/{user}/{CLASS}"), "", "")?;
        Some((status, serde_json::from_str(&body).unwrap_or_default()))
    }

    fn is_ready(&self, user: &str, tag: &str) -> Result<(), String> {
        let found = self.environment(user);
        let right = found.as_ref().is_some_and(|(status, environment)| {
            *status == 200 && environment["ready"] == true && environment["parameters"]["TAG_FRONT"] == tag
        });
        if !right {
            return Err(format!("{found:?}"));
        }
        self.has_record(user, true)
    }

    fn is_gone(&self, user: &str) -> Result<(), String> {
        match self.environment(user) {
            Some((404, _)) => self.has_record(user, false),
            other => Err(format!("{other:?}")),
        }
    }

    fn has_record(&self, user: &str, wanted: bool) -> Result<(), String> {
        let name = format!("front{user}.{ZONE}.");
        let records = self.names.records();
        let found: Vec<&String> = records.iter().filter(|line| line.contains(&name)).collect();
        // The record and its mark.
        let count = if wanted { 2 } else { 0 };
        let right = found.len() == count && (!wanted || found.iter().any(|line| line.ends_with(TARGET)));
        if right { Ok(()) } else { Err(format!("{found:?}")) }
    }

    /// Whether an environment has one object of each kind, and one set of records.
    fn is_once(&self, user: &str) {
        for kind in ["environments", "deployments", "services"] {
            let names = self.kubectl(&["get", kind, "-l", &format!("doorstep.dev/user={user}"), "-o", "name"]);
            assert_eq!(names.lines().count(), 1, "{kind} of {user}: {names}");
        }
        self.has_record(user, true).unwrap();
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.plane.kubectl_ok(arguments)
    }

    /// How many records the audit has. Each call that began has ended, with some result.
    fn audit(&self) -> usize {
        let (status, text) = self.ask("GET", "/audit?format=jsonl", "", "").expect("an answer");
        assert_eq!(status, 200, "{text}");
        let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ids = |kind: &str| -> Vec<String> {
            let of_kind = records.iter().filter(|record| record["step"] == kind);
            of_kind.map(|record| record["call"].to_string()).collect()
        };
        let (mut begun, mut ended) = (ids("begun"), ids("ended"));
        begun.sort();
        ended.sort();
        assert!(begun.len() >= self.calls, "{} calls, {} of them in the audit", self.calls, begun.len());
        assert_eq!(begun, ended, "what began has ended");
        records.len()
    }
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
    let long = std::time::Duration::from_millis(50);
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
