//! `doorstep token`, and what a token may do.

use crate::Person;
use crate::harness::{Doorstep, texts};
use serde_json::Value;

fn with_token(person: &Person, token: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = person.command(arguments).env("DOORSTEP_TOKEN", token).output().unwrap();
    let (out, err) = texts(&output);
    (output.status.code(), out, err)
}

#[test]
fn a_token_is_made_used_and_revoked() {
    let doorstep = Doorstep::start();
    let person = Person::of(format!("http://{}", doorstep.api));
    let made =
        doorstep.cli_ok(&["token", "create", "nightly tests", "--role", "viewer", "--scope", "read", "-o", "json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let (token, id) = (made["token"].as_str().unwrap(), made["id"].as_str().unwrap());
    assert!(token.starts_with("dst_") && token.len() == 47, "{}", token.len());

    let (code, out, err) = with_token(&person, token, &["whoami", "-o", "json"]);
    assert_eq!(code, Some(0), "{err}");
    let caller: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&caller["role"], &caller["scopes"]), (&"viewer".into(), &serde_json::json!(["read"])), "{caller}");
    assert_eq!(caller["through"], format!("token/{id}"));
    let (code, _, err) = with_token(&person, token, &["env", "deploy", "integration", "-u", "haimaz", "-p", "A=1"]);
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains("the role viewer may not deploy an environment"), "{err}");
    let (code, _, err) = with_token(&person, token, &["token", "create", "more", "--role", "admin"]);
    assert_eq!(code, Some(4), "{err}");

    let list = doorstep.cli_ok(&["token", "list", "-o", "wide"]);
    assert!(list.contains(id) && list.contains("active") && !list.contains(token), "{list}");
    for folder_file in std::fs::read_dir(&doorstep.folder).unwrap() {
        let path = folder_file.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        let holds = bytes.windows(token.len()).any(|window| window == token.as_bytes());
        assert!(!holds, "{} holds the token itself", path.display());
    }

    assert!(doorstep.cli_ok(&["token", "revoke", id]).contains("revoked"));
    let (code, _, err) = with_token(&person, token, &["whoami"]);
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains(&format!("the token {id} was revoked")), "{err}");
    assert!(doorstep.cli_ok(&["token", "list"]).contains("revoked"));
}

#[test]
fn each_way_to_get_a_token_wrong_has_its_sentence() {
    let doorstep = Doorstep::start();
    for (code, arguments, part) in [
        (2, &["token", "create", ""][..], "name is needed"),
        (2, &["token", "create", "x", "--role", "owner"], "is not a role"),
        (2, &["token", "create", "x", "--scope", "write"], "is not a scope"),
        (2, &["token", "create", "x", "--lifetime", "soon"], "a duration like 720h"),
        (2, &["token", "create", "x", "--lifetime", "9000h"], "8760h at the longest"),
        (2, &["token", "revoke", "dst_abc"], "a token itself"),
        (2, &["token", "revoke", "../x"], "no id of a token"),
        (3, &["token", "revoke", "tnone"], "you have no token"),
    ] {
        let said = doorstep.cli_fails(code, arguments);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}
