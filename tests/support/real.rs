//! Doorstep on a real control plane: gateway, manager and node as processes of their own.

use super::control_plane::ControlPlane;
use super::doorstep::{Addresses, Parts, address};
use super::program::Program;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The three roles in `folder`, on the control plane that runs for this folder, or on a fresh one. Arguments are the gateway's;
/// the manager is told of a file of routes as well.
pub(super) fn start(folder: &Path, arguments: &[&str]) -> Parts {
    let control_plane = of_folder(folder);
    std::fs::copy(&control_plane.kubeconfig, folder.join("kubeconfig")).expect("a kubeconfig");
    let log = folder.join("doorstep.log");
    let kubeconfig = folder.join("kubeconfig").to_string_lossy().into_owned();
    let start = |name: &'static str, kubeconfig: &str, data: &Path, arguments: &[&str]| {
        Program::start(name, data, &log, ["--kubeconfig", kubeconfig].iter().chain(arguments))
    };
    // The roles have their own rights and no more; only the node, which stands for the cluster, is the administrator's.
    let account = |role: &str| {
        let name = format!("doorstep-{role}");
        control_plane.service_account("doorstep", &name).to_string_lossy().into_owned()
    };

    let (pki, network) = (control_plane.pki.to_string_lossy(), control_plane.network.as_str());
    let node = ["--addresses", network, "--listen", "127.0.0.1:0", "--pki", &pki];
    let node = start("node", &kubeconfig, &folder.join("node"), &node);
    let access_log = folder.join("access.log").to_string_lossy().into_owned();
    // As `up` has it: whoever reaches this cluster owns it.
    let trusted = ["--certificate-namespace", "default"];
    let own =
        ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", &access_log];
    let mut gateway =
        start("gateway", &account("gateway"), &folder.join("gateway"), &[&own[..], &trusted, arguments].concat());
    let said = gateway.addresses();
    let [http, https, admin] = ["http", "https", "admin"].map(|name| address(&said, name));
    let _old = std::fs::remove_file(folder.join("authority.pem"));
    std::os::unix::fs::symlink("gateway/authority.pem", folder.join("authority.pem")).expect("a link");
    let (http_port, https_port) = (http.port().to_string(), https.port().to_string());
    let own = ["--api", "127.0.0.1:0", "--http-port", &http_port, "--https-port", &https_port, "--local-commands"];
    let routes =
        arguments.iter().position(|argument| *argument == "--routes").map_or(&[][..], |at| &arguments[at..at + 2]);
    let mut manager = start(
        "manager",
        &account("manager"),
        folder,
        &[&own[..], &trusted, &["--publish-address", "127.0.0.1"], routes].concat(),
    );
    let api = address(&manager.addresses(), "api");
    let addresses = Addresses { http, https, api, admin };
    Parts { addresses, programs: vec![gateway, manager, node], control_plane: Some(control_plane) }
}

/// The control plane of a folder outlives the Doorstep that was killed there.
fn of_folder(folder: &Path) -> Arc<ControlPlane> {
    static KNOWN: Mutex<Option<HashMap<PathBuf, Weak<ControlPlane>>>> = Mutex::new(None);
    let known = |folder: &Path| {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_default().get(folder).and_then(Weak::upgrade)
    };
    known(folder).unwrap_or_else(|| {
        let fresh = Arc::new(ControlPlane::start());
        fresh.install();
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_default().insert(folder.to_owned(), Arc::downgrade(&fresh));
        fresh
    })
}
