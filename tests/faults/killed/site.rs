//! A manager on a real control plane that keeps a zone, and a trap that kills it.

use super::zone::{Provider, Zone};
use crate::support::fault_proxy::FaultProxy;
use crate::support::trap::Trap;
use crate::support::{ControlPlane, Program, curl, texts, wait_for, write_leading_to};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

pub const CLASS: &str = "integration";
/// Where records lead to.
pub const TARGETS: [&str; 2] = ["192.0.2.10", "192.0.2.11"];

/// Something that is asked of the manager.
pub enum Call<'c> {
    /// A call of the API: method, path and body.
    Api(&'c str, &'c str, &'c str),
    /// The same, and meanwhile an administrator changes the class as well.
    ApiAndClass(&'c str, &'c str, &'c str, &'c Value),
    /// An administrator changes the class.
    Class(&'c Value),
}

/// All that there is. A manager, its names and its cluster.
pub struct Site {
    // The manager goes first, the control plane last.
    manager: Option<Program>,
    _node: Program,
    _proxy: FaultProxy,
    pub zone: Zone,
    /// Where the records lead to now.
    pub target: &'static str,
    trap: Trap,
    arguments: Vec<String>,
    api: SocketAddr,
    token: String,
    calls: usize,
    plane: ControlPlane,
    folder: tempfile::TempDir,
}

impl Site {
    pub fn start(provider: Provider) -> Self {
        let (plane, zone, folder) = (ControlPlane::start(), Zone::start(provider), tempfile::tempdir().unwrap());
        plane.install();
        let trap = Trap::default();
        let proxy = FaultProxy::start_with(&plane.server, &plane.pki.join("ca.pem"), trap.clone());
        let path = |name: &str| folder.path().join(name);
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let (kubeconfig, pki) = (text(plane.kubeconfig.clone()), text(plane.pki.clone()));
        let of_node =
            ["--kubeconfig", &kubeconfig, "--addresses", &plane.network, "--listen", "127.0.0.1:0", "--pki", &pki];
        let node = Program::start("node", &path("node"), &path("node.log"), of_node);
        write_leading_to(&proxy.url(), &plane.service_account("doorstep", "doorstep-manager"), &path("leading"));
        std::fs::write(path("dns.yaml"), zone.file(folder.path(), TARGETS[0], &trap)).unwrap();
        let (leading, dns) = (text(path("leading")), text(path("dns.yaml")));
        let arguments = [
            ["--kubeconfig", &leading],
            ["--api", "127.0.0.1:0"],
            ["--domain", zone.domain()],
            ["--lease-duration", "2"],
            ["--dns", &dns],
            ["--webhook-allow", "127.0.0.0/8"],
        ];
        let arguments = arguments.concat().into_iter().chain(["--local-commands"]).map(str::to_owned).collect();
        let mut site = Self {
            manager: None,
            _node: node,
            _proxy: proxy,
            zone,
            target: TARGETS[0],
            trap,
            arguments,
            api: ([127, 0, 0, 1], 0).into(),
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

    /// Asks, and lets the manager be killed after so many writes; a call without an answer is made again, as a client
    /// does, with the same key. Waits for `goal`, and gives whether it was killed.
    pub fn call(
        &mut self,
        after: usize,
        call: &Call<'_>,
        seen: &mut BTreeSet<String>,
        goal: &dyn Fn(&Self) -> Result<(), String>,
    ) -> bool {
        self.trap.arm(self.manager.as_ref().expect("it runs").pid(), after);
        let (of_api, of_class) = match call {
            Call::Api(method, path, body) => (Some((*method, *path, *body)), None),
            Call::ApiAndClass(method, path, body, spec) => (Some((*method, *path, *body)), Some(*spec)),
            Call::Class(spec) => (None, Some(*spec)),
        };
        let what = of_api.map_or_else(|| "the class".to_owned(), |(method, path, _)| format!("{method} {path}"));
        self.calls += usize::from(of_api.is_some());
        let key = format!("call-{}", self.calls);
        let mut answer = of_api.and_then(|(method, path, body)| self.ask(method, path, body, &key));
        if let Some(spec) = of_class {
            self.class(spec);
        }
        let mut replaced = false;
        wait_for(&format!("{what}, killed after {after} writes"), || {
            if !replaced && self.trap.has_sprung() {
                self.replace_killed();
                replaced = true;
            }
            let Some((method, path, body)) = of_api else { return goal(self) };
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

    /// Kills the manager, lets something happen, and starts another one.
    pub fn without_manager(&mut self, act: impl FnOnce(&Self)) {
        self.manager.take().expect("it runs").kill();
        act(self);
        self.start_manager();
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
    pub fn ask(&self, method: &str, path: &str, body: &str, key: &str) -> Option<(u16, String)> {
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

    /// Changes the spec of the class, past the trap.
    pub fn class(&self, spec: &Value) {
        let patch = serde_json::json!({ "spec": spec }).to_string();
        self.kubectl(&["patch", "environmentclass", CLASS, "--type", "merge", "-p", &patch]);
    }

    pub fn environment(&self, user: &str) -> Option<(u16, Value)> {
        let (status, body) = self.ask("GET", &format!("/environments/{user}/{CLASS}"), "", "")?;
        Some((status, serde_json::from_str(&body).unwrap_or_default()))
    }

    /// Whether it serves what was deployed last, by its name.
    pub fn is_ready(&self, user: &str, tag: &str) -> Result<(), String> {
        let found = self.environment(user);
        let right = found.as_ref().is_some_and(|(status, environment)| {
            *status == 200 && environment["ready"] == true && environment["parameters"]["TAG_FRONT"] == tag
        });
        if !right {
            return Err(format!("{found:?}"));
        }
        self.zone.has(user, Some(self.target))
    }

    pub fn is_gone(&self, user: &str) -> Result<(), String> {
        match self.environment(user) {
            Some((404, _)) => self.zone.has(user, None),
            other => Err(format!("{other:?}")),
        }
    }

    /// Whether an environment has one object of each kind, and one set of records.
    pub fn is_once(&self, user: &str) {
        for kind in ["environments", "deployments", "services"] {
            let names = self.kubectl(&["get", kind, "-l", &format!("doorstep.dev/user={user}"), "-o", "name"]);
            assert_eq!(names.lines().count(), 1, "{kind} of {user}: {names}");
        }
        self.zone.has(user, Some(self.target)).unwrap();
    }

    /// Waits until no object of any environment is left: an orphan would never go.
    pub fn nothing_is_left(&self) {
        wait_for("the end of all objects", || {
            let kinds = "environments,deployments,services,controllerrevisions,pods";
            let left = self.kubectl(&["get", kinds, "-o", "name"]);
            let left: Vec<&str> = left.lines().filter(|name| *name != "service/kubernetes").collect();
            if left.is_empty() { Ok(()) } else { Err(format!("orphans: {left:?}")) }
        });
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.plane.kubectl_ok(arguments)
    }

    /// Ends the manager and looks through its store. Each call that began has ended, with some result, and the chain is whole;
    /// gives how many records there are.
    pub fn end(&mut self) -> usize {
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
        self.manager.take().expect("it runs").stop();
        let mut check = Command::new(crate::support::binary());
        let checked = check.args(["admin", "check", "--data"]).arg(self.folder.path()).output().unwrap();
        assert!(checked.status.success(), "{:?}", texts(&checked));
        println!("{}", texts(&checked).0.trim());
        assert_eq!(self.zone.violations(), Vec::<String>::new());
        records.len()
    }
}
