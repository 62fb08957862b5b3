//! `doorstep login`, and what comes of it.

use crate::Person;
use crate::harness::{Doorstep, curl, texts};
use crate::issuer::{Issuer, Mood};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

/// A Doorstep that knows an issuer, the issuer, and somebody who has not logged in yet.
struct Setting {
    issuer: Issuer,
    _doorstep: Doorstep,
    person: Person,
    _folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

fn setting() -> Setting {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let issuer = runtime.block_on(Issuer::start());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("identity.yaml");
    let text = format!(
        r#"
issuers:
- name: test
  issuer: {}
  audiences: [doorstep]
  displayName: name
  user: {{claim: user}}
  login: {{clientId: cli}}
  grants: [{{role: user, when: [{{claim: sub, equals: "1"}}]}}]
"#,
        issuer.url
    );
    std::fs::write(&file, text).unwrap();
    let doorstep = Doorstep::start_in(folder.path(), &["--identity", file.to_str().unwrap()]);
    let person = Person::of(format!("http://{}", doorstep.api));
    Setting { issuer, _doorstep: doorstep, person, _folder: folder, _runtime: runtime }
}

/// Logs in as a person does: the page's address is printed, a browser goes there and is sent back.
fn log_in(person: &Person) -> (Option<i32>, String, String) {
    let mut command = person.command(&["login", "--no-browser", "--timeout", "60s", "-o", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    let page = loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended early: {seen}");
        seen.push_str(&line);
        if line.starts_with("http") {
            break line.trim().to_owned();
        }
    };
    let page = curl().arg("--location").arg(&page).output().unwrap();
    seen.push_str(&texts(&page).0);
    let output = child.wait_with_output().unwrap();
    for line in said.lines() {
        seen.push_str(&line.unwrap());
    }
    (output.status.code(), texts(&output).0, seen)
}

#[test]
fn a_person_logs_in_calls_is_renewed_and_logs_out() {
    let Setting { issuer, person, .. } = &setting();
    assert!(person.fails(4, &["whoami"]).contains("api-token"), "nobody yet");
    issuer.set_lifetime(30);
    let (code, out, said) = log_in(person);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("You are logged in"), "{said}");
    let caller: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&caller["user"], &caller["role"]), (&"haimaz".into(), &"user".into()), "{caller}");
    let kept = person.folder().join("logins.json");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);

    // A token that is about to end is renewed before it is used; several commands at once renew it once.
    let before = issuer.renewals();
    issuer.set_lifetime(3600);
    let commands: Vec<_> = (0..4)
        .map(|_| person.command(&["whoami"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    for command in commands {
        let output = command.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", texts(&output).1);
    }
    assert_eq!(issuer.renewals(), before + 1);
    assert!(person.ok(&["whoami"]).contains("Haima Z."));
    // Nobody is named: the environment is that of who is logged in, whatever the login name of this machine is.
    let own = person.fails(3, &["env", "show", "integration"]);
    assert!(own.contains("haimaz has no environment of class integration"), "{own}");
    let own = person.ok(&["env", "list", "-o", "json"]);
    assert!(own.contains("items"), "{own}");
    let others = person.fails(4, &["env", "delete", "integration", "--user", "mallory", "--yes"]);
    assert!(others.contains("mallory-integration is of the user mallory, and you are haimaz"), "{others}");

    assert!(person.ok(&["logout"]).contains("logged out"));
    assert_eq!(issuer.revoked(), 1);
    assert!(person.fails(4, &["whoami"]).contains("api-token"));
    assert!(person.ok(&["logout"]).is_empty(), "twice is once");
}

#[test]
fn a_login_on_another_device_needs_no_browser() {
    let Setting { person, .. } = &setting();
    let output = person.run(&["login", "--device", "--timeout", "60s"]);
    let (out, said) = texts(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("enter the code ABCD-EFGH"), "{said}");
    assert!(out.contains("as Haima Z., in the role user"), "{out}");
}

#[test]
fn each_way_to_get_a_login_wrong_has_its_sentence() {
    let Setting { issuer, person, .. } = &setting();
    issuer.set_mood(Mood::Refuses);
    let (code, _, said) = log_in(person);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("the issuer refused the login: access_denied: not today"), "{said}");
    issuer.set_mood(Mood::OtherIssuer);
    assert!(person.fails(4, &["login", "--no-browser"]).contains("it is of the issuer"));
    issuer.set_mood(Mood::Down);
    assert!(person.fails(4, &["login", "--no-browser"]).contains("answers with the status 500"));
    issuer.set_mood(Mood::Well);
    let said = person.fails(2, &["login", "--issuer", "tst"]);
    assert!(said.contains("did you mean \"test\"?"), "{said}");
    assert!(person.fails(2, &["login", "--timeout", "2h"]).contains("at most an hour"));
    assert!(!person.folder().join("logins.json").exists(), "nothing is kept");
}
