//! The commands between a manager and those who run them: pipes that close, keys that are pressed, proxies of the environment.

use crate::harness::{Doorstep, binary, signal, texts, wait_for};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

const TOKEN: &str = "a-token-that-is-long-enough";

/// A command against a server, with nothing of this user's own.
fn command(server: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).env("DOORSTEP_SERVER", server).env("DOORSTEP_TOKEN", TOKEN).env_remove("NO_PROXY");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ended(mut child: Child) -> (Option<i32>, String) {
    let status = wait_for("the end of the command", || child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned()));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (status.code(), said)
}

/// The head of the next call that somebody makes, whose connection is left open.
fn called(listener: &TcpListener) -> (String, std::net::TcpStream) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while reader.read_line(&mut head).unwrap() > 2 {}
    (head, stream)
}

#[test]
fn a_log_that_nobody_reads_any_more_is_not_followed_on() {
    let doorstep = Doorstep::start();
    doorstep.deploy("haimaz", "integration", "1");
    let data = doorstep.folder.display().to_string();
    let arguments = ["env", "logs", "integration", "--user", "haimaz", "--follow", "--data", &data];
    let mut follow =
        Command::new(binary()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(follow.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("listening"), "{first}");
    // Its pipe is closed now, and the pod prints nothing more.
    assert_eq!(ended(follow), (Some(0), String::new()));
    let names = doorstep.cli(&["env", "list", "-o", "name"]);
    assert_eq!(texts(&names).0, "haimaz-integration\n");
    let none = doorstep.cli(&["explain", "http://nowhere.test/", "-o", "name"]);
    assert_eq!(none.status.code(), Some(2), "{:?}", texts(&none));
    doorstep.stop();
}

#[test]
fn ctrl_c_while_it_waits_says_that_what_was_asked_for_goes_on() {
    let manager = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", manager.local_addr().unwrap());
    let arguments = ["env", "delete", "integration", "--user", "haimaz", "--yes", "--wait"];
    let delete = command(&server, &arguments).spawn().unwrap();
    let (head, mut stream) = called(&manager);
    assert!(head.starts_with("DELETE /api/v1/environments/haimaz/integration"), "{head}");
    stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    drop(stream);
    let (head, _open) = called(&manager);
    assert!(head.starts_with("GET /api/v1/environments/haimaz/integration/watch"), "{head}");
    signal(delete.id(), "INT");
    let said = "doorstep: haimaz-integration is not waited for any more; what was asked for goes on\n";
    assert_eq!(ended(delete), (Some(130), said.to_owned()));
}

#[test]
fn a_proxy_leads_to_a_manager_by_tls_and_sees_no_token() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let list =
        |server: &str, variable: &str| command(server, &["env", "list"]).env(variable, &address).spawn().unwrap();

    let by_tls = list("https://doorstep.invalid", "HTTPS_PROXY");
    let (head, stream) = called(&proxy);
    drop(stream);
    assert!(head.starts_with("CONNECT doorstep.invalid:443 "), "{head}");
    assert!(!head.contains(TOKEN), "{head}");
    let (code, said) = ended(by_tls);
    assert!(code == Some(4) && said.contains("it was asked by the proxy in HTTPS_PROXY"), "{code:?}: {said}");

    let (code, said) = ended(list("http://doorstep.invalid", "HTTP_PROXY"));
    assert!(code == Some(4) && said.contains("the proxy in HTTP_PROXY was not asked"), "{code:?}: {said}");
    proxy.set_nonblocking(true).unwrap();
    assert!(proxy.accept().is_err(), "nobody came");
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("man1");
    let output = Command::new(binary()).args(["man", "--to"]).arg(&to).output().unwrap();
    assert!(output.status.success(), "{:?}", texts(&output));
    for name in ["doorstep", "doorstep-up", "doorstep-env-deploy", "doorstep-audit-export"] {
        let page =
            std::fs::read_to_string(to.join(format!("{name}.1"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(page.contains(&format!(".TH {name} 1")) && page.contains(".SH SYNOPSIS"), "{name}: {page}");
    }
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = Command::new(binary()).args(["man", "--to"]).arg(&file).output().unwrap();
    assert!(texts(&output).1.contains("cannot be written"), "{:?}", texts(&output));
}
