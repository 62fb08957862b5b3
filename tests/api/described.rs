//! schemathesis makes calls of the description, right ones and wrong ones, and chains of them, and judges the answers by it.

use crate::support::postgres::Postgres;
use crate::support::{Doorstep, alone};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// Where tests/run puts it.
const TOOL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.tools/python/bin/schemathesis");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/schemathesis.toml");

#[test]
fn the_description_and_the_answers_agree_on_sqlite() {
    agree(&[]);
}

#[test]
fn the_description_and_the_answers_agree_on_postgresql() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = runtime.block_on(Postgres::shared().database());
    let folder = tempfile::tempdir().unwrap();
    // The URL has a password, which stands on no command line.
    let file = folder.path().join("store");
    std::fs::write(&file, url).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    agree(&["--store-file", file.to_str().unwrap()]);
}

fn agree(store: &[&str]) {
    let _turn = alone();
    assert!(Path::new(TOOL).exists(), "schemathesis is not at {TOOL}; tests/run installs it");
    let doorstep = Doorstep::start_with(store);
    let token = std::fs::read_to_string(doorstep.folder.join("api-token")).unwrap();
    doorstep.deploy("haimaz", "integration", "1");
    doorstep.deploy("haimaz", "staging", "1");
    let base = format!("http://{}", doorstep.api);
    let output = Command::new(TOOL)
        .args(["--config-file", CONFIG, "run", &format!("{base}/api/v1/openapi.json"), "--url", &base])
        .args(["--header", &format!("Authorization: Bearer {}", token.trim()), "--checks", "all", "--no-color"])
        .args(["--max-examples", &std::env::var("DOORSTEP_TEST_EXAMPLES").unwrap_or_else(|_| "20".to_owned())])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // A reproduction may hold a body of megabytes.
    let short: Vec<String> = said.lines().map(|line| line.chars().take(400).collect()).collect();
    assert!(output.status.success(), "{}\n{}", short.join("\n"), String::from_utf8_lossy(&output.stderr));
    let summary = short.iter().position(|line| line.contains("SUMMARY")).unwrap_or_default();
    println!("{}", short[summary..].join("\n"));
    doorstep.stop();
}
