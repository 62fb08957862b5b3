//! The commands of people: each has help, JSON, an exit code, and a sentence for each way to get it wrong.

use crate::support::{Doorstep, texts};
use serde_json::Value;

/// A command, with a way to get it right and a way to get it wrong.
struct Case {
    /// The words of the command itself.
    command: &'static [&'static str],
    /// What follows where it succeeds, or ends with `code`.
    right: &'static [&'static str],
    code: i32,
    /// A place in the JSON, and what stands there.
    finds: (&'static str, &'static str),
    /// What follows where it fails, with which code, and a part of what is said then.
    wrong: (&'static [&'static str], i32, &'static str),
}

const fn case(
    command: &'static [&'static str],
    right: &'static [&'static str],
    finds: (&'static str, &'static str),
    wrong: (&'static [&'static str], i32, &'static str),
) -> Case {
    Case { command, right, code: 0, finds, wrong }
}

const MINE: &[&str] = &["integration", "--user", "haimaz"];
const NOBODYS: &[&str] = &["integration", "--user", "nobody"];
const NAMED: (&str, &str) = ("/name", "\"haimaz-integration\"");
const NONE: (&[&str], i32, &str) = (NOBODYS, 3, "nobody has no environment of class integration");

/// In this order, against one manager that has the environments `haimaz-integration` in two revisions. `CLASSES` and `INGRESS` are files.
const CASES: &[Case] = &[
    case(&["env", "list"], &[], ("/items/0/name", "\"haimaz-integration\""), (&["--user", "a-b"], 2, "user")),
    case(&["env", "show"], MINE, ("/name", "\"haimaz-integration\""), NONE),
    case(&["env", "pods"], MINE, ("/items/0/name", ""), NONE),
    case(&["env", "history"], MINE, ("/items/0/number", "2"), NONE),
    case(&["env", "rollback"], MINE, ("/parameters/TAG_FRONT", "\"1\""), (&["integration", "--to", "0"], 2, "1..")),
    case(&["env", "rollback"], &["integration", "--user", "haimaz", "--to", "2"], NAMED, NONE),
    case(
        &["env", "list"],
        &["--class", "integration", "--sort", "-created"],
        ("/items/0/name", "\"haimaz-integration\""),
        (&["--class", "integraton"], 2, "did you mean \"integration\"?"),
    ),
    // Nothing ends it, until its end is named.
    Case { code: 1, ..case(&["env", "extend"], BY, ("", ""), (BY, 1, "nothing ends the environment")) },
    case(&["env", "extend"], &["integration", "--user", "haimaz", "--until", "2999-01-31T18:00:00Z"], NAMED, NONE_BY),
    case(&["env", "extend"], BY, NAMED, (MINE, 2, "--by")),
    case(&["env", "sleep"], MINE, ("/sleeping", "true"), (&["Integration!"], 2, "class")),
    case(&["env", "wake"], MINE, ("/sleeping", "false"), NONE),
    case(&["env", "pin"], MINE, ("/pinned", "true"), (&["integration", "--user", "a-b"], 2, "user")),
    case(&["env", "unpin"], MINE, ("/pinned", "false"), NONE),
    case(&["env", "restart"], MINE, NAMED, NONE),
    case(
        &["env", "bulk"],
        &["delete", "--all", "--dry-run"],
        ("/items/0/outcome", "\"planned\""),
        (&["delete", "--yes"], 2, "\"all\": true"),
    ),
    case(
        &["env", "bulk"],
        &["extend", "--all", "--by", "1h", "--yes"],
        ("/items/0/name", "\"haimaz-integration\""),
        (&["delete", "--all", "--by", "1h"], 2, "extend alone"),
    ),
    case(&["audit"], &["--limit", "1"], ("/items/0/step", "\"ended\""), (&["--result", "splendid"], 2, "result")),
    case(&["audit", "verify"], &[], ("/whole", "true"), (&["--noted", "x"], 2, "noted")),
    case(&["token", "create"], &["for a test"], ("/state", "\"active\""), (&["x", "--role", "king"], 2, "king")),
    case(&["token", "list"], &[], ("/items/0/name", "\"for a test\""), (&["--al"], 2, "--all")),
    case(
        &["token", "list"],
        &["--state", "active", "--sort", "-created"],
        ("/items/0/name", "\"for a test\""),
        (&["--state", "revoked?"], 2, "did you mean \"revoked\"?"),
    ),
    case(&["token", "revoke"], &["TOKEN"], ("/state", "\"revoked\""), (&["t0"], 3, "you have no token")),
    case(&["quota"], &["--user", "haimaz"], ("/users/0/user", "\"haimaz\""), (&["--user", "a-b"], 2, "user")),
    // Without a file of DNS, and without an issuer, there is nothing to succeed with: what they say stands below.
    case(&["routes"], &["haimaz"], ("/items/0/environment", "\"haimaz-integration\""), (&["a/b"], 2, "a host name")),
    case(
        &["explain"],
        &["http://fronthaimaz.int.localhost/"],
        ("/certificate", ""),
        (&["http://a.test/", "-H", "x"], 2, "no colon"),
    ),
    case(&["preview"], &["INGRESS"], ("/adds/0/host", "\"shop.example.test\""), (&["/nonexistent"], 2, "be read")),
    case(&["classes"], &[], ("/items/0/name", "\"integration\""), (&["--delete"], 2, "name")),
    case(&["classes"], &["integration"], ("/name", "\"integration\""), (&["integraton"], 3, "mean \"integration\"?")),
    case(&["classes", "--check"], &["CLASSES"], ("/classes/0", "\"demo\""), (&["/nonexistent"], 2, "be read")),
    case(&["classes", "--apply"], &["CLASSES"], ("/items/0/class/name", "\"demo\""), (&["INGRESS"], 2, "Ingress")),
    case(&["classes"], &["demo", "--delete"], ("/state", "\"deleted\""), (&["demo", "--delete"], 3, "demo")),
    case(&["costs"], &[], ("/total/awakeHours", ""), (&["--by", "moon"], 2, "moon")),
    case(&["costs"], &["--sort", "-cost"], ("/items", ""), (&["--class", "stagin"], 2, "did you mean \"staging\"?")),
    case(&["whoami"], &[], ("/role", "\"admin\""), (&["me"], 2, "me")),
    case(&["logout"], &[], ("/wasLoggedIn", "false"), (&["me"], 2, "me")),
    case(&["webhook", "list"], &[], ("/items", "[]"), (&["all"], 2, "all")),
    case(
        &["webhook", "create"],
        &["https://hooks.example.com/x"],
        ("/enabled", "true"),
        (&["http://hooks.example.com/x"], 2, "https"),
    ),
    case(&["webhook", "show"], &["WEBHOOK"], ("/enabled", "true"), (&["none"], 3, "none")),
    case(&["webhook", "disable"], &["WEBHOOK"], ("/enabled", "false"), (&["none"], 3, "none")),
    case(&["webhook", "enable"], &["WEBHOOK"], ("/enabled", "true"), (&["none"], 3, "none")),
    case(&["webhook", "deliveries"], &["WEBHOOK"], ("/items", "[]"), (&["WEBHOOK", "--state", "lost"], 2, "state")),
    case(&["webhook", "delete"], &["WEBHOOK"], ("/state", "\"deleted\""), (&["WEBHOOK"], 3, "webhook")),
    case(
        &["env", "deploy"],
        &["integration", "--user", "other", "-p", "TAG_FRONT=1", "-p", "TAG_ASSETS=1", "-p", "VERSION=1"],
        ("/name", "\"other-integration\""),
        (&["integration", "--user", "other", "-p", "TAG_FRNT=1"], 2, "did you mean \"TAG_FRONT\"?"),
    ),
    case(&["env", "delete"], &["integration", "--user", "other", "--yes"], ("/state", "\"deleting\""), NONE_YES),
    Case { code: 3, ..case(&["dns", "plan"], &[], ("", ""), (&["--confirm", "x"], 3, "--dns")) },
    Case { code: 3, ..case(&["dns", "verify"], &[], ("", ""), (&["all"], 2, "all")) },
    Case { code: 2, ..case(&["login"], &[], ("", ""), (&["--timeout", "2h"], 2, "at most an hour")) },
];
const BY: &[&str] = &["integration", "--user", "haimaz", "--by", "24h"];
const NONE_BY: (&[&str], i32, &str) = (&["integration", "--user", "nobody", "--by", "24h"], 3, "nobody");
const NONE_YES: (&[&str], i32, &str) = (&["integration", "--user", "nobody", "--yes"], 3, "nobody");

const INGRESS: &str = "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: doorstep}
spec:
  ingressClassName: doorstep
  rules:
  - host: shop.example.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}]}
";
const CLASSES: &str = "apiVersion: doorstep.dev/v1alpha1
kind: EnvironmentClass
metadata: {name: demo}
spec:
  host: demo{user}.try.{domain}
  port: 8080
  template: {spec: {containers: [{name: front, image: 'front:1'}]}}
";

/// What the words of a case stand for.
struct Words {
    folder: std::path::PathBuf,
    token: String,
    webhook: String,
}

impl Words {
    fn of(&self, words: &[&str]) -> Vec<String> {
        let path = |name: &str| self.folder.join(name).to_str().unwrap().to_owned();
        let word = |word: &&str| match *word {
            "CLASSES" => path("classes.yaml"),
            "INGRESS" => path("ingress.yaml"),
            "TOKEN" => self.token.clone(),
            "WEBHOOK" => self.webhook.clone(),
            other => other.to_owned(),
        };
        words.iter().map(word).collect()
    }
}

fn run(doorstep: &Doorstep, arguments: &[String]) -> (i32, String, String) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = doorstep.cli(&arguments);
    let (out, err) = texts(&output);
    (output.status.code().unwrap_or(-1), out, err)
}

/// One sentence, begun as all are, and nothing of the program's insides.
fn is_told(said: &str) -> bool {
    let told = said.lines().filter(|line| line.starts_with("doorstep: ")).count();
    told == 1 && !said.contains("panicked") && !said.contains("Error {")
}

#[test]
fn each_command_has_help_json_codes_and_sentences() {
    let doorstep = Doorstep::start();
    doorstep.deploy("haimaz", "integration", "1");
    doorstep.deploy("haimaz", "integration", "2");
    let mut words = Words { folder: doorstep.folder.clone(), token: String::new(), webhook: String::new() };
    std::fs::write(words.folder.join("ingress.yaml"), INGRESS).unwrap();
    std::fs::write(words.folder.join("classes.yaml"), CLASSES).unwrap();
    let mut faults = Vec::new();
    for case in CASES {
        let Case { command, right, code, finds: (place, wanted), wrong: (wrong, wrong_code, part) } = case;
        let named = format!("doorstep {}", command.join(" "));
        let line = |words: &Words, rest: &[&str]| words.of(&[command, rest].concat());

        let about: Vec<&str> = command.iter().copied().filter(|word| !word.starts_with('-')).collect();
        let (ended, help, _) = run(&doorstep, &words.of(&[&about[..], &["--help"]].concat()));
        if ended != 0 || !help.contains("Usage:") || !help.contains("--output") {
            faults.push(format!("{named} --help ends with {ended}: {help}"));
        }

        let (ended, out, err) = run(&doorstep, &line(&words, &[right, &["-o", "json"][..]].concat()));
        let json = serde_json::from_str::<Value>(&out);
        let found = json.as_ref().ok().and_then(|json| json.pointer(place)).map(Value::to_string);
        let right_one = match code {
            // The place may have to be there alone.
            0 if wanted.is_empty() => found.is_some(),
            0 => found.as_deref() == Some(wanted),
            _ => out.is_empty() && is_told(&err),
        };
        if ended != *code || !right_one {
            faults.push(format!("{named} {right:?} -o json ends with {ended}; {place} is {found:?}: {out}{err}"));
        }
        if let Ok(json) = &json {
            let text = |place: &str| json.pointer(place).and_then(Value::as_str).map(str::to_owned);
            match *command {
                ["token", "create"] => words.token = text("/id").unwrap_or_default(),
                ["webhook", "create"] => words.webhook = text("/id").unwrap_or_default(),
                _ => {}
            }
        }

        let line = line(&words, wrong);
        let (ended, out, err) = run(&doorstep, &line);
        let said = err.to_lowercase().contains(&part.to_lowercase());
        if ended != *wrong_code || !out.is_empty() || !said || !is_told(&err) {
            faults.push(format!("{line:?} ends with {ended}, not {wrong_code} and {part:?}: {out}{err}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    doorstep.stop();
}

#[test]
fn each_command_says_where_it_looked_for_a_manager_that_is_away_and_what_to_do() {
    // Bound and not listened at: nobody else gets it, and nobody answers.
    let away = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    away.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let server = format!("http://{}", away.local_addr().unwrap().as_socket().unwrap());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ingress.yaml"), INGRESS).unwrap();
    std::fs::write(folder.path().join("classes.yaml"), CLASSES).unwrap();
    let words = Words { folder: folder.path().to_owned(), token: "t1".to_owned(), webhook: "w1".to_owned() };
    let mut faults = Vec::new();
    // What needs no manager.
    let alone = |case: &&Case| !matches!(case.command, ["classes", "--check"] | ["logout"]);
    for Case { command, right, .. } in CASES.iter().filter(alone) {
        let line = words.of(&[*command, *right, &["-o", "json"][..]].concat());
        let output = std::process::Command::new(crate::support::binary())
            .args(&line)
            .env("DOORSTEP_DATA", folder.path())
            .env("DOORSTEP_SERVER", &server)
            .env("DOORSTEP_TOKEN", "dst_0123456789012345678901234567890123456789012")
            .env_remove("DOORSTEP_TOKEN_FILE")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let (out, err) = texts(&output);
        let told = err.contains(&server) && err.contains("doorstep up") && is_told(&err);
        if output.status.code() != Some(4) || !out.is_empty() || !told {
            faults.push(format!("{line:?} ends with {}: {out}{err}", output.status));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}
