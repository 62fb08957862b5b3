//! What every test needs: a control plane, front ends at addresses of pods, and time.

use crate::support::objects::{Objects, PORT, address};
use crate::support::{ControlPlane, Wrk, client_of, namespace, wait_for};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Longer than any test takes. A load is ended by its test, and must not have ended before.
pub const LONG_SECONDS: u32 = 900;
/// Tells a test that it is in its own namespaces.
const INSIDE: &str = "DOORSTEP_FAULT";
/// Whose environment is under load.
pub const USER: &str = "loaded";

/// Runs `test` in namespaces of its own, when no other test of this program runs.
pub fn in_a_namespace(path: &str, test: impl FnOnce()) {
    static TURN: Mutex<()> = Mutex::new(());
    let (_, name) = path.split_once("::").expect("a test's path");
    if std::env::var(INSIDE).is_ok_and(|inside| inside == name) {
        return test();
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let arguments = ["--exact", name, "--nocapture", "--test-threads=1"];
    let mut inside = namespace::command();
    inside.args(arguments).env(INSIDE, name).env("DOORSTEP_TEST_CLUSTER", "real");
    let output = inside.output().expect("unshare runs (Debian package util-linux)");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    print!("{}", text(&output.stdout));
    eprint!("{}", text(&output.stderr));
    assert!(output.status.success(), "{name} failed in its namespace");
    assert!(text(&output.stdout).contains("1 passed"), "{name} was not run in its namespace");
}

/// A control plane, and the environment of [`USER`] in it.
pub struct World {
    pub plane: ControlPlane,
    pub runtime: Runtime,
    pub objects: Objects,
}

impl World {
    pub fn start() -> Self {
        let plane = ControlPlane::start();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let objects = runtime.block_on(async { Objects::prepare(&client_of(&plane.kubeconfig).await).await });
        Self { plane, runtime, objects }
    }

    /// Gives the environment under load these endpoints.
    pub fn load_on(&self, endpoints: &[&Front]) {
        let addresses: Vec<IpAddr> = endpoints.iter().map(|front| front.address).collect();
        self.runtime.block_on(self.objects.create(USER, &addresses));
    }
}

/// A front end at an address of a pod: the sample front of the default classes.
pub struct Front {
    pub address: IpAddr,
    child: Child,
}

impl Front {
    /// Starts one at the address of this number, and waits until it answers.
    pub fn start(number: usize) -> Self {
        let address = address(number);
        let child = Command::new(env!("CARGO_BIN_EXE_doorstep"))
            .arg("sample-front")
            .env("HOST", address.to_string())
            .env("PORT", PORT.to_string())
            .env("VERSION", format!("of-{address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("the front end", || TcpStream::connect(SocketAddr::new(address, PORT)).map_err(|e| e.to_string()));
        Self { address, child }
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Load on the environment of [`USER`], as much as 64 connections can have.
pub fn load(gateway: SocketAddr) -> Wrk {
    Wrk::start(gateway, &crate::support::objects::host(USER), LONG_SECONDS)
}

/// The same load, where the cluster needs the processors for what happens meanwhile.
pub fn load_giving_way(gateway: SocketAddr) -> Wrk {
    Wrk::giving_way(gateway, &crate::support::objects::host(USER), LONG_SECONDS)
}

/// Lets a fault last until so long after `began`, and holds to `invariant` all the while.
pub fn last(began: Instant, duration: Duration, mut invariant: impl FnMut()) {
    while began.elapsed() < duration {
        invariant();
        step();
    }
}

fn step() {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let _timeout = never.recv_timeout(Duration::from_millis(20));
}
