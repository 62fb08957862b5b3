//! The commands of people: each has help, JSON, an exit code, and a sentence for each way to get it wrong.

use crate::support::Doorstep;
use serde_json::Value;

const COMMANDS: &[&[&str]] = &[
    &["env", "history"],
    &["env", "rollback"],
    &["env", "restart"],
    &["env", "sleep"],
    &["env", "wake"],
    &["env", "extend"],
    &["env", "pin"],
    &["env", "unpin"],
    &["env", "bulk"],
    &["routes"],
    &["preview"],
    &["classes"],
];

#[test]
fn each_command_does_what_it_says_in_words_and_in_json() {
    let doorstep = Doorstep::start();
    for command in COMMANDS {
        let help = doorstep.cli_ok(&[command, &["--help"][..]].concat());
        assert!(help.contains("Usage:") && help.contains("-o, --output"), "{command:?}: {help}");
    }
    let json = |arguments: &[&str]| -> Value {
        let text = doorstep.cli_ok(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"))
    };
    doorstep.deploy("haimaz", "integration", "1");
    doorstep.deploy("haimaz", "integration", "2");
    let of = |command: &'static str| ["env", command, "integration", "--user", "haimaz"];
    assert_eq!(json(&of("history"))["items"][0]["number"], 2);
    assert_eq!(json(&of("rollback"))["parameters"]["TAG_FRONT"], "1");
    assert_eq!(json(&of("sleep"))["sleeping"], true);
    assert_eq!(json(&of("wake"))["sleeping"], false);
    assert_eq!(json(&of("pin"))["pinned"], true);
    assert_eq!(json(&of("unpin"))["pinned"], false);
    assert_eq!(json(&of("restart"))["name"], "haimaz-integration");
    assert_eq!(json(&[&of("extend")[..], &["--by", "24h"]].concat())["name"], "haimaz-integration");
    assert_eq!(json(&["env", "bulk", "delete", "--all", "--dry-run"])["items"][0]["outcome"], "planned");
    assert_eq!(json(&["routes", "haimaz"])["items"][0]["environment"], "haimaz-integration");
    doorstep.stop();
}

#[test]
fn each_way_to_get_it_wrong_has_its_sentence_and_its_code() {
    let doorstep = Doorstep::start();
    for (code, arguments, said) in [
        (3, &["env", "history", "integration", "--user", "nobody"][..], "has no environment"),
        (3, &["env", "rollback", "integration", "--user", "nobody"], "has no environment"),
        (3, &["env", "wake", "integration", "--user", "nobody"], "has no environment"),
        (2, &["env", "rollback", "integration", "--to", "0"], "is not in 1.."),
        (2, &["env", "sleep", "Integration!"], "class"),
        (2, &["env", "pin", "integration", "--user", "a-b"], "user"),
        (2, &["env", "extend", "integration"], "--by"),
        (2, &["env", "bulk", "delete", "--yes"], "\"all\": true"),
        (2, &["env", "bulk", "delete", "--all", "--by", "1h"], "extend alone"),
        (2, &["env", "bulk", "extend", "--all"], "by how much"),
        (2, &["env", "bulk", "burn"], "invalid value"),
        (2, &["routes", "a/b"], "a part of a host name"),
        (2, &["preview", "/nonexistent"], "cannot be read"),
        (3, &["classes", "integraton", "--delete"], "did you mean \"integration\"?"),
        (2, &["classes", "--delete"], "name"),
    ] {
        let told = doorstep.cli_fails(code, arguments);
        assert!(told.to_lowercase().contains(&said.to_lowercase()), "{arguments:?}: {told}");
    }
    doorstep.stop();
}
