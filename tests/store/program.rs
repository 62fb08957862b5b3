//! The store under the whole program: its commands, its webhooks, and what `kill -9` leaves of its audit, on both databases.

use crate::harness::postgres::{PASSWORD, Postgres};
use crate::harness::receiver::receiver;
use crate::harness::{Doorstep, alone, binary, texts, wait_for};
use doorstep::store::{NewToken, Store, StoreUrl, TokenGrant};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where the store of a test is: what is given to `up`, and to `admin`.
struct Where {
    arguments: Vec<String>,
    _folder: tempfile::TempDir,
}

/// The data folder's own file.
fn sqlite() -> Where {
    Where { arguments: Vec::new(), _folder: tempfile::tempdir().unwrap() }
}

/// A new database, by a file that holds the URL with its password.
fn postgres() -> Where {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = runtime.block_on(Postgres::shared().database());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, url).unwrap();
    Where { arguments: vec!["--store-file".to_owned(), file.display().to_string()], _folder: folder }
}

impl Where {
    fn start(&self, folder: &Path, more: &[&str]) -> Doorstep {
        let own = self.arguments.iter().map(String::as_str).chain(more.iter().copied());
        Doorstep::start_in(folder, &own.collect::<Vec<_>>())
    }

    fn admin(&self, doorstep: &Doorstep, arguments: &[&str]) -> String {
        let own = self.arguments.iter().map(String::as_str);
        let all = std::iter::once("admin").chain(arguments.iter().copied()).chain(own);
        doorstep.cli_ok(&all.collect::<Vec<_>>())
    }
}

const PARAMETERS: [&str; 6] = ["-p", "TAG_FRONT=1", "-p", "TAG_ASSETS=1", "-p", "VERSION=1"];

fn deploy(doorstep: &Doorstep, user: &str) -> bool {
    let arguments = [&["env", "deploy", "integration", "--user", user], &PARAMETERS[..]].concat();
    doorstep.cli(&arguments).status.success()
}

fn json(doorstep: &Doorstep, arguments: &[&str]) -> Value {
    serde_json::from_str(&doorstep.cli_ok(&[arguments, &["-o", "json"]].concat())).unwrap()
}

fn a_killed_manager_leaves_a_whole_audit(place: &Where) {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut doorstep = place.start(folder.path(), &[]);
    for round in 0..3 {
        std::thread::scope(|scope| {
            for number in 0..8 {
                let doorstep = &doorstep;
                scope.spawn(move || {
                    let user = format!("user{number}");
                    while deploy(doorstep, &user)
                        && doorstep.cli(&["env", "delete", "integration", "--user", &user, "--yes"]).status.success()
                    {
                    }
                });
            }
            let before = round * 20;
            wait_for("calls in the audit", || {
                match json(&doorstep, &["audit", "--limit", "1"])["items"][0]["seq"].as_i64() {
                    Some(seq) if seq > before + 20 => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            });
            doorstep.strike();
        });
        doorstep.kill();
        doorstep = place.start(folder.path(), &[]);
    }
    let open = wait_for("an end of every call", || {
        let all = json(&doorstep, &["audit", "--limit", "100000"]);
        let steps = |step: &str| -> std::collections::BTreeSet<String> {
            let items = all["items"].as_array().unwrap().iter().filter(|item| item["step"] == step);
            items.map(|item| item["call"].as_str().unwrap().to_owned()).collect()
        };
        let left = steps("begun").difference(&steps("ended")).count();
        if left == 0 { Ok(all) } else { Err(format!("{left} are open")) }
    });
    assert!(open["items"].as_array().unwrap().len() >= 60);
    let chain = json(&doorstep, &["audit", "verify"]);
    assert_eq!((&chain["whole"], &chain["faults"]), (&Value::from(true), &Value::Array(Vec::new())), "{chain}");
    let said = place.admin(&doorstep, &["check"]);
    assert!(said.contains("audit: "), "{said}");
    assert!(!doorstep.log().contains(PASSWORD), "a password in the log");
    doorstep.stop();
}

#[test]
fn a_killed_manager_leaves_a_whole_audit_in_sqlite() {
    a_killed_manager_leaves_a_whole_audit(&sqlite());
}

#[test]
fn a_killed_manager_leaves_a_whole_audit_in_postgresql() {
    a_killed_manager_leaves_a_whole_audit(&postgres());
}

#[test]
fn the_audit_is_listed_exported_and_verified_by_commands() {
    let folder = tempfile::tempdir().unwrap();
    let doorstep = sqlite().start(folder.path(), &[]);
    assert!(deploy(&doorstep, "anna") && deploy(&doorstep, "ben"));
    let mine = json(&doorstep, &["audit", "--user", "ANNA", "--oldest"]);
    let steps: Vec<&Value> = mine["items"].as_array().unwrap().iter().map(|item| &item["step"]).collect();
    assert_eq!(steps, ["begun", "ended"]);
    assert_eq!(mine["items"][1]["after"]["parameters"]["TAG_FRONT"], "1");
    let table = doorstep.cli_ok(&["audit"]);
    assert!(table.contains("WHO") && table.contains("/environments/ben/integration"), "{table}");
    let lines = doorstep.cli_ok(&["audit", "export", "--format", "jsonl", "--oldest"]);
    let seqs: Vec<i64> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_i64().unwrap()).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    let file = folder.path().join("audit.csv");
    let to = file.to_str().unwrap();
    doorstep.cli_ok(&["audit", "export", "--to", to]);
    let csv = std::fs::read_to_string(&file).unwrap();
    assert_eq!(csv.lines().count(), 5, "{csv}");
    assert!(doorstep.cli_fails(1, &["audit", "export", "--to", to]).contains("cannot be written"));
    assert!(doorstep.cli_fails(2, &["audit", "--result", "dne"]).contains("done, refused, failed or interrupted"));
    assert!(doorstep.cli_fails(2, &["audit", "--from", "yesterday"]).contains("a time like 2026"));
    let head = json(&doorstep, &["audit", "verify"])["head"].as_str().unwrap().to_owned();
    assert!(deploy(&doorstep, "carl"));
    assert!(doorstep.cli_ok(&["audit", "verify", "--noted", &head]).contains("the chain is whole"));
    let forged = format!("2:{}", "0".repeat(64));
    let said = doorstep.cli_fails(1, &["audit", "verify", "--noted", &forged]);
    assert!(said.contains("record 2 is not the one that was noted"), "{said}");
    assert!(doorstep.cli_fails(2, &["audit", "verify", "--noted", "x"]).contains("NUMBER:HASH"));
    doorstep.stop();
}

#[test]
fn a_store_is_backed_up_while_it_is_used_and_restored() {
    let folder = tempfile::tempdir().unwrap();
    let place = sqlite();
    let doorstep = place.start(folder.path(), &[]);
    assert!(deploy(&doorstep, "anna"));
    let backup = folder.path().join("store.backup");
    let file = backup.to_str().unwrap();
    assert!(place.admin(&doorstep, &["backup", file]).contains("rows of sqlite:"));
    assert!(doorstep.cli_fails(1, &["admin", "backup", file]).contains("is there already"));
    assert!(doorstep.cli_ok(&["admin", "check", "--backup", file]).contains("whole"));
    let said = doorstep.cli_fails(1, &["admin", "restore", file, "--replace"]);
    assert!(said.contains("is in use by another manager"), "{said}");
    let moved = postgres();
    assert!(moved.admin(&doorstep, &["restore", file]).contains("rows of"));
    assert!(moved.admin(&doorstep, &["check"]).contains("audit: 3 records from 1 on"), "the restoring is noted");
    let said = doorstep.cli_fails(2, &["admin", "check", "--store", "postgres://u:hunter2@h/d"]);
    assert!(said.contains("everybody on this machine could read") && !said.contains("hunter2"), "{said}");
    let said = doorstep.cli_fails(3, &["admin", "check", "--store", "sqlite:/nowhere/store.db"]);
    assert!(said.contains("does not exist"), "{said}");
    doorstep.stop();
}

#[test]
fn a_store_that_cannot_be_had_ends_the_start_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let start = |url: &str| {
        let output = Command::new(binary())
            .args([
                "up",
                "--http",
                "127.0.0.1:0",
                "--https",
                "127.0.0.1:0",
                "--api",
                "127.0.0.1:0",
                "--kube",
                "127.0.0.1:0",
            ])
            .arg("--data")
            .arg(folder.path())
            .env("DOORSTEP_STORE", url)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(if url.starts_with("my") { 2 } else { 1 }));
        texts(&output).1
    };
    let said = start(&format!("postgres://doorstep:{PASSWORD}@127.0.0.1:1/doorstep"));
    assert!(said.contains("postgres://127.0.0.1:1/doorstep does not answer") && !said.contains(PASSWORD), "{said}");
    assert!(start("sqlite:/proc/nothing/store.db").contains("the store sqlite:/proc/nothing/store.db"));
    assert!(start("mysql://h/d").contains("give sqlite:PATH or postgres://USER@HOST/DATABASE"));
}

#[test]
fn a_command_prints_a_list_of_more_than_one_page_whole() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ids: BTreeSet<String> = (0..1001).map(|number| format!("t{number:012x}")).collect();
    runtime.block_on(async {
        let store = Store::open(&StoreUrl::in_folder(folder.path())).await.unwrap();
        for id in &ids {
            // The longest name that there may be, in the cursor of each page.
            let grant = TokenGrant { name: "🦀".repeat(128), role: "viewer".to_owned(), ..TokenGrant::default() };
            let (hash, created_by, created_at) = (id.repeat(4), "anna".to_owned(), jiff::Timestamp::now());
            let token = NewToken { id: id.clone(), hash, grant, created_by, created_at, expires_at: None };
            store.tokens().create(&token).await.unwrap();
        }
        store.close().await;
    });
    let doorstep = sqlite().start(folder.path(), &[]);
    let told = json(&doorstep, &["token", "list", "--all"]);
    let listed: Vec<String> =
        told["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((listed.len(), told.get("next")), (ids.len(), None), "each once");
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), ids);
    doorstep.stop();
}

#[test]
fn a_webhook_is_told_of_no_change_for_a_pin_an_end_or_a_class_that_leaves_the_pods_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let doorstep = sqlite().start(folder.path(), &["--webhook-allow", "127.0.0.0/8"]);
    let (url, _got) = receiver();
    let made = json(&doorstep, &["webhook", "create", &url]);
    // What is to be told is in the outbox in its order, be it sent or not.
    let kinds = || {
        let told = json(&doorstep, &["webhook", "deliveries", made["id"].as_str().unwrap()]);
        let kinds =
            told["items"].as_array().unwrap().iter().rev().map(|item| item["kind"].as_str().unwrap().to_owned());
        kinds.collect::<Vec<_>>().join(" ")
    };
    let settled = || {
        let shown = json(&doorstep, &["env", "show", "integration", "--user", "anna"]);
        let is_seen = shown["observedGeneration"] == shown["generation"] && shown["ready"] == true;
        if is_seen { Ok(()) } else { Err(shown.to_string()) }
    };
    doorstep.deploy("anna", "integration", "1");
    doorstep.cli_ok(&["env", "pin", "integration", "--user", "anna"]);
    wait_for("the pin to be seen", settled);
    doorstep.cli_ok(&["env", "extend", "integration", "--user", "anna", "--until", "2999-01-01T00:00:00Z"]);
    wait_for("the end to be seen", settled);
    let mut spec = json(&doorstep, &["classes", "integration"])["spec"].clone();
    let mut apply = |edit: &dyn Fn(&mut Value)| {
        edit(&mut spec);
        let (kind, metadata) = ("EnvironmentClass", serde_json::json!({"name": "integration"}));
        let class = serde_json::json!({"apiVersion": "doorstep.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
        let file = folder.path().join("class.yaml");
        std::fs::write(&file, class.to_string()).unwrap();
        doorstep.cli_ok(&["classes", "--apply", file.to_str().unwrap()]);
    };
    apply(&|spec| spec["description"] = "told in other words".into());
    // The next change of the class comes after that one, so all that was told of it stands before.
    apply(&|spec| {
        let variable = serde_json::json!({"name": "ANOTHER", "value": "1"});
        let container = &mut spec["template"]["spec"]["containers"][0];
        match container["env"].as_array_mut() {
            Some(variables) => variables.push(variable),
            None => container["env"] = serde_json::json!([variable]),
        }
    });
    let wanted = "created ready changed ready";
    wait_for("what the class changed", || if kinds() == wanted { Ok(()) } else { Err(kinds()) });
    doorstep.deploy("anna", "integration", "2");
    let wanted = "created ready changed ready changed ready";
    wait_for("what the deploy changed", || if kinds() == wanted { Ok(()) } else { Err(kinds()) });
    doorstep.stop();
}

#[test]
fn a_webhook_is_told_what_happens_to_an_environment() {
    let folder = tempfile::tempdir().unwrap();
    let doorstep = sqlite().start(folder.path(), &["--webhook-allow", "127.0.0.0/8"]);
    let (url, got) = receiver();
    let made = json(&doorstep, &["webhook", "create", &url, "--event", "created,ready,deleted", "--user", "anna"]);
    let id = made["id"].as_str().unwrap();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_") && made["secret"].as_str().unwrap().len() > 30);
    let listed = doorstep.cli_ok(&["webhook", "list", "-o", "json"]);
    assert!(!listed.contains(made["secret"].as_str().unwrap()), "a secret is shown once");
    doorstep.deploy("ben", "integration", "1");
    doorstep.deploy("anna", "integration", "1");
    doorstep.cli_ok(&["env", "delete", "integration", "--user", "anna", "--yes", "--wait"]);
    let kinds =
        || -> Vec<String> { got.all().iter().map(|message| message["type"].as_str().unwrap().to_owned()).collect() };
    wait_for("the three messages", || {
        let mut kinds = kinds();
        kinds.sort();
        let wanted = ["environment.created", "environment.deleted", "environment.ready"];
        if kinds == wanted { Ok(()) } else { Err(format!("{kinds:?}")) }
    });
    assert!(got.all().iter().all(|message| message["data"]["user"] == "anna"));
    let deliveries = json(&doorstep, &["webhook", "deliveries", id, "--state", "delivered"]);
    let delivery = deliveries["items"][0]["id"].as_str().unwrap();
    doorstep.cli_ok(&["webhook", "resend", id, delivery]);
    wait_for("it once more", || if kinds().len() == 4 { Ok(()) } else { Err(format!("{:?}", kinds())) });
    assert_eq!(json(&doorstep, &["webhook", "disable", id])["enabled"], false);
    let said = doorstep.cli_fails(2, &["webhook", "create", "http://169.254.169.254/latest", "--event", "redy"]);
    assert!(said.contains("link-local") && said.contains("did you mean \"ready\"?"), "{said}");
    assert!(doorstep.cli_fails(3, &["webhook", "show", "wh_none"]).contains("there is no webhook"));
    doorstep.cli_ok(&["webhook", "delete", id]);
    assert!(doorstep.cli_fails(3, &["webhook", "show", id]).contains("there is no webhook"));
    doorstep.stop();
}

#[test]
fn costs_are_reckoned_with_the_prices_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let prices = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prices.yaml");
    let doorstep = sqlite().start(folder.path(), &["--prices", prices]);
    let costs = json(&doorstep, &["costs", "--by", "user,day"]);
    assert_eq!((&costs["currency"], &costs["total"]["cost"]), (&Value::from("EUR"), &Value::from(0.0)), "{costs}");
    assert!(doorstep.cli_ok(&["costs"]).contains("total"));
    assert!(doorstep.cli_fails(2, &["costs", "--by", "month"]).contains("user, class, day"));
    assert!(doorstep.cli_fails(2, &["costs", "--from", "2026-02-30"]).contains("a day like"));
    doorstep.stop();
}

#[test]
fn a_server_that_is_away_refuses_changes_with_a_sentence_and_loses_none() {
    let mut server = Postgres::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("url");
    std::fs::write(&file, runtime.block_on(server.database())).unwrap();
    let doorstep = Doorstep::start_in(folder.path(), &["--store-file", file.to_str().unwrap()]);
    let url = doorstep.deploy("anna", "integration", "1");
    server.stop();
    let arguments = [&["env", "deploy", "integration", "--user", "ben"], &PARAMETERS[..]].concat();
    let said = doorstep.cli_fails(1, &arguments);
    assert!(said.contains("the store does not answer; nothing was changed; try again in a moment"), "{said}");
    assert!(doorstep.cli_fails(1, &["audit"]).contains("the store does not answer"));
    assert!(doorstep.cli_ok(&["env", "list"]).contains("anna"), "reading goes on");
    assert!(doorstep.curl(&["-o", "/dev/null", "-w", "%{http_code}", &url]) == "200", "and so do environments");
    server.run();
    wait_for("the store again", || if deploy(&doorstep, "ben") { Ok(()) } else { Err("not yet".to_owned()) });
    let users: Vec<Value> = json(&doorstep, &["audit", "--result", "done"])["items"].as_array().unwrap().to_vec();
    assert!(["anna", "ben"].iter().all(|user| users.iter().any(|item| item["user"] == *user)), "{users:?}");
    assert_eq!(json(&doorstep, &["audit", "verify"])["whole"], true);
    assert!(!doorstep.log().contains(PASSWORD));
    doorstep.stop();
}
