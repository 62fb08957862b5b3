//! A gateway that is restarted while the API server is away.

use crate::harness::{Doorstep, wait_for};
use crate::roles::Gateway;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// The way to an API server, which can be cut: connections under way end, and new ones with them.
struct Line {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    cut: bool,
    streams: Vec<TcpStream>,
}

impl Line {
    fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let mut state = shared.lock().unwrap();
                if state.cut {
                    continue;
                }
                let Ok(far) = TcpStream::connect(server) else { continue };
                state.streams.extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || pump(near, far));
                std::thread::spawn(move || pump(far_too, near_too));
            }
        });
        Self { address, state }
    }

    fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        state.cut = true;
        state.streams.drain(..).for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }

    fn mend(&self) {
        self.state.lock().unwrap().cut = false;
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

/// The kubeconfig of a running `doorstep up`, with another way to it.
fn kubeconfig(doorstep: &Doorstep, folder: &Path) -> (Line, std::path::PathBuf) {
    let text = std::fs::read_to_string(doorstep.folder.join("kubeconfig")).unwrap();
    let (_, rest) = text.split_once("https://").unwrap();
    let server: String = rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
    let line = Line::to(server.parse().unwrap());
    let path = folder.join("kubeconfig");
    std::fs::write(&path, text.replace(&server, &line.address.to_string())).unwrap();
    (line, path)
}

#[test]
fn a_gateway_restarted_without_the_api_server_serves_every_host_of_its_last_good_table() {
    let doorstep = Doorstep::start();
    let environments = [("haimaz", "integration"), ("haimaz", "staging"), ("chanigo", "integration")];
    for (user, class) in environments {
        doorstep.deploy(user, class, "1.4.2");
    }
    let hosts = ["fronthaimaz.int.localhost", "fronthaimaz.dev.localhost", "frontchanigo.int.localhost"];
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (line, kubeconfig) = kubeconfig(&doorstep, folder.path());
    let arguments = ["--allow-loopback-endpoints", "--kubeconfig", kubeconfig.to_str().unwrap()];
    let serves_all = |gateway: &Gateway| {
        for host in hosts {
            let page = gateway.get("http", "/", host);
            assert!(page.contains("TAG_FRONT: 1.4.2"), "{host}: {page}");
        }
    };

    let gateway = Gateway::start(&data, &arguments);
    serves_all(&gateway);
    let file = data.join("last-good");
    wait_for("the last good table on disk", || {
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let has = |(user, class): &(&str, &str)| {
            let service = format!(r#""kubernetes.io/service-name":"{user}-{class}""#);
            text.lines().any(|line| line.contains(&service) && line.contains(r#""ready":true"#))
        };
        if environments.iter().all(has) { Ok(()) } else { Err(text) }
    });

    line.cut();
    wait_for("the status of a running gateway", || match gateway.get("admin", "/readyz?verbose", "localhost") {
        said if said.starts_with("ok\n") && said.contains("Service: live; the API server cannot be asked since") => {
            Ok(())
        }
        said => Err(said),
    });
    serves_all(&gateway);
    gateway.stop();

    let began = Instant::now();
    let gateway = Gateway::start(&data, &arguments);
    let ready = began.elapsed();
    serves_all(&gateway);
    eprintln!(
        "restarted without the API server: ready after {ready:?}, {} hosts after {:?}",
        hosts.len(),
        began.elapsed()
    );
    let said = gateway.get("admin", "/readyz?verbose", "localhost");
    assert!(said.starts_with("ok\n") && said.contains("EndpointSlice: from disk, as of "), "{said}");
    let metrics = gateway.get("admin", "/metrics", "localhost");
    assert!(metrics.contains(r#"doorstep_table_kind_current{kind="Service"} 0"#), "{metrics}");

    line.mend();
    wait_for("live lists", || match gateway.get("admin", "/readyz?verbose", "localhost") {
        said if said.lines().skip(1).all(|line| line.ends_with(": live")) => Ok(()),
        said => Err(said),
    });
    serves_all(&gateway);
    gateway.stop();
    doorstep.stop();
}

#[test]
fn a_corrupted_last_good_table_is_refused_with_a_sentence_and_the_gateway_stays_unready() {
    let doorstep = Doorstep::start();
    doorstep.deploy("haimaz", "integration", "1.4.2");
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("table"));
    let (line, kubeconfig) = kubeconfig(&doorstep, folder.path());
    let arguments = [
        "--allow-loopback-endpoints",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
        "--last-good",
        file.to_str().unwrap(),
    ];
    let gateway = Gateway::start(&data, &arguments);
    let mut bytes = wait_for("the file", || std::fs::read(&file).map_err(|error| error.to_string()));
    line.cut();
    gateway.stop();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();

    let gateway = Gateway::begin(&data, &arguments);
    let expected =
        format!("the last good table {} is not used: its content does not match the SHA-256", file.display());
    wait_for("the refusal", || match gateway.get("admin", "/readyz", "localhost") {
        said if said.contains(&expected) => Ok(()),
        said => Err(said),
    });
    let problem = gateway.get("http", "/", "fronthaimaz.int.localhost");
    assert!(problem.contains("GatewayStarting"), "{problem}");
    line.mend();
    wait_for("readiness by the API server", || match gateway.get("admin", "/readyz", "localhost") {
        said if said == "ok\n" => Ok(()),
        said => Err(said),
    });
    assert!(gateway.get("http", "/", "fronthaimaz.int.localhost").contains("TAG_FRONT: 1.4.2"));
    gateway.stop();
    doorstep.stop();
}
