//! Where a cluster is said to be: kubeconfigs of the environment, and exec plugins that hang.

use crate::harness::{binary, signal, texts, wait_for};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

fn manager(folder: &Path, kubeconfig: &str) -> Command {
    let mut command = Command::new(binary());
    command.args(["manager", "--api", "127.0.0.1:0", "--data"]).arg(folder.join("data"));
    command.env("KUBECONFIG", kubeconfig).env("HOME", folder).env_remove("KUBERNETES_SERVICE_HOST");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn write(folder: &Path, name: &str, config: &Value) -> String {
    let path = folder.join(name);
    std::fs::write(&path, config.to_string()).unwrap();
    path.display().to_string()
}

#[test]
fn what_is_wrong_with_a_kubeconfig_of_the_environment_is_said_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let no_cluster = json!({"current-context": "a", "contexts": [{"name": "a", "context": {"cluster": "c"}}]});
    let one = write(folder, "one", &no_cluster);
    let broken = folder.join("broken").display().to_string();
    std::fs::write(&broken, "x: [").unwrap();
    let missing = folder.join("missing").display().to_string();
    let refused = |kubeconfig: &str, wanted: &[&str]| {
        let (_, said) = texts(&manager(folder, kubeconfig).output().unwrap());
        assert!(wanted.iter().all(|wanted| said.contains(wanted)), "{kubeconfig}: {said}");
    };
    refused(&missing, &["no cluster was found", &format!("there is no {missing}")]);
    refused("", &["no cluster was found", ".kube/config"]);
    refused(&broken, &["cannot be used", "failed to parse kubeconfig YAML"]);
    refused(&format!("{one}:{missing}"), &[&one, "cannot be used: it has no cluster \"c\""]);
}

#[test]
fn several_kubeconfigs_are_one_and_a_plugin_that_hangs_keeps_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (plugin, go, ended) = (folder.join("plugin"), folder.join("go"), folder.join("ended"));
    let script =
        format!("#!/bin/sh\nwhile [ ! -e '{}' ]; do sleep 0.1; done\necho >'{}'\n", go.display(), ended.display());
    std::fs::write(&plugin, script).unwrap();
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let context = json!({"cluster": "c", "user": "u"});
    let one = json!({"current-context": "a", "contexts": [{"name": "a", "context": context}]});
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": plugin, "interactiveMode": "Never"});
    let other = json!({"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"exec": exec}}]});
    let files =
        [write(folder, "one", &one), folder.join("missing").display().to_string(), write(folder, "two", &other)];
    let mut manager = manager(folder, &files.join(":")).stderr(Stdio::null()).spawn().unwrap();
    wait_for("a manager that asks its plugin", || match folder.join("data/addresses.json").exists() {
        true => Ok(()),
        false => Err(format!("{:?}", manager.try_wait())),
    });
    signal(manager.id(), "TERM");
    let status = wait_for("its end", || manager.try_wait().unwrap().ok_or_else(|| "it runs".to_owned()));
    assert!(status.success(), "{status}");
    std::fs::write(&go, "").unwrap();
    wait_for("the end of the plugin", || if ended.exists() { Ok(()) } else { Err(String::new()) });
}
