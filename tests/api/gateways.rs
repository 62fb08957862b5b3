//! What is ready is ready through every gateway: Ready, the monitor and the wait say the same.

use crate::support::{Doorstep, Gateway, wait_for};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// An admin port whose gateway may come later.
struct Port {
    address: SocketAddr,
    leads_to: Arc<Mutex<Option<SocketAddr>>>,
}

impl Port {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, leads_to) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(None::<SocketAddr>)));
        let target = leads_to.clone();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let Some(target) = *target.lock().unwrap() else { continue };
                let Ok(mut gateway) = TcpStream::connect(target) else { continue };
                let mut request = [0; 4096];
                let Ok(length) = client.read(&mut request) else { continue };
                // One answer, and the end: the next question asks where it leads by then.
                let asked =
                    String::from_utf8_lossy(&request[..length]).replacen("\r\n", "\r\nconnection: close\r\n", 1);
                let _gone = gateway.write_all(asked.as_bytes());
                let _gone = std::io::copy(&mut gateway, &mut client);
            }
        });
        Self { address, leads_to }
    }
}

#[test]
fn nothing_is_ready_before_every_gateway_leads_there() {
    let port = Port::open();
    let url = format!("http://{}", port.address);
    let doorstep = Doorstep::start_with(&["--gateway", &url]);
    let parameters = ["-p", "TAG_FRONT=1", "-p", "TAG_ASSETS=7", "-p", "VERSION=3.1.0"];
    doorstep.cli_ok(&[&["env", "deploy", "integration", "--user", "haimaz"], &parameters[..]].concat());
    let path = "/environments/haimaz/integration";
    let monitor = || doorstep.api(&format!("{path}/generations/1"));
    let behind = wait_for("the missing gateway to be told", || {
        let told = monitor();
        let said = told["message"].as_str().unwrap_or_default().to_owned();
        if said.contains(&url) { Ok(told) } else { Err(said) }
    });
    assert_eq!((&behind["state"], &behind["done"]), (&Value::from("progressing"), &Value::from(false)), "{behind}");
    assert_eq!(doorstep.api(&format!("{path}/generations/1:wait?timeout=0"))["done"], false);
    assert_eq!(doorstep.api(path)["ready"], false, "and Ready says the same");

    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = doorstep.folder.join("kubeconfig");
    // The node of this machine gives pods loopback addresses.
    let gateway = Gateway::start_in(folder.path(), &kubeconfig, &["--allow-loopback-endpoints"]);
    *port.leads_to.lock().unwrap() = Some(gateway.admin);
    let told = doorstep.api(&format!("{path}/generations/1:wait?timeout=60"));
    assert_eq!((&told["state"], &told["done"]), (&Value::from("ready"), &Value::from(true)), "{told}");
    assert_eq!(doorstep.api(path)["ready"], true);
    let answer = gateway.ask("fronthaimaz.int.localhost");
    assert!(answer.starts_with("HTTP/1.1 200"), "the other gateway answers as well: {answer}");
    gateway.terminate();
    gateway.ended();
    doorstep.stop();
}
