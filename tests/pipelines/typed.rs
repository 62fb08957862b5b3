//! What people type: good values, and ones that would be commands if a pipeline put them into a script.

use crate::harness::{Doorstep, binary, texts};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

/// The values of one run.
#[derive(Debug, Clone)]
pub struct Typed {
    pub tag_front: String,
    pub tag_assets: String,
    pub version: String,
    pub environment: String,
}

impl Typed {
    pub fn good(environment: &str) -> Self {
        let text = str::to_owned;
        Self { tag_front: text("1.4.2"), tag_assets: text("7"), version: text("3.1.0"), environment: text(environment) }
    }

    /// The same value for each parameter that is free text.
    pub fn all(value: &str, environment: &str) -> Self {
        let value = value.to_owned();
        Self {
            tag_front: value.clone(),
            tag_assets: value.clone(),
            version: value,
            environment: environment.to_owned(),
        }
    }

    pub fn each(&self) -> [(&'static str, &str); 4] {
        [
            ("TAG_FRONT", &self.tag_front),
            ("TAG_ASSETS", &self.tag_assets),
            ("VERSION", &self.version),
            ("ENVIRONMENT", &self.environment),
        ]
    }
}

/// Each would leave a file named `pwned` in the folder of the run, or end the script early, if a shell read it.
pub const HOSTILE: [&str; 10] = [
    "$(touch pwned)",
    "`touch pwned`",
    "\"; touch pwned; \"",
    "'; touch pwned; '",
    "''' ; touch pwned ; '''",
    "x\ntouch pwned\n",
    "${IFS}touch${IFS}pwned",
    "--help",
    "; touch pwned #",
    "\\\"$(touch pwned)\\\\",
];

/// The folder of a run, in which nothing may be left, and whose `doorstep` is the binary under test.
pub struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("bin")).unwrap();
        std::fs::create_dir_all(folder.path().join("work")).unwrap();
        std::os::unix::fs::symlink(binary(), folder.path().join("bin/doorstep")).unwrap();
        Self { folder }
    }

    /// Where a script runs.
    pub fn work(&self) -> std::path::PathBuf {
        self.folder.path().join("work")
    }

    /// A `PATH` that finds the binary under test first.
    pub fn path(&self) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        format!("{}:{path}", self.folder.path().join("bin").display())
    }

    /// Runs `script` by bash as a runner does, with nothing but these variables.
    pub fn bash(&self, options: &[&str], script: &str, variables: &BTreeMap<String, String>) -> Output {
        let file = self.folder.path().join("script.sh");
        std::fs::write(&file, script).unwrap();
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc"]).args(options).arg(&file).current_dir(self.work());
        bash.env_clear().env("PATH", self.path()).env("HOME", self.work()).envs(variables);
        bash.output().expect("bash runs")
    }

    /// Asserts that no value was run as a command.
    pub fn assert_untouched(&self, output: &Output) {
        let left: Vec<_> = std::fs::read_dir(self.work()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{left:?} was left behind: {:?}", texts(output));
    }
}

/// The parameters that Doorstep has for an environment.
pub fn deployed(doorstep: &Doorstep, user: &str, class: &str) -> Value {
    doorstep.api(&format!("/environments/{user}/{class}"))["parameters"].clone()
}

/// Asserts that a run ended well and brought up what was typed.
pub fn assert_deployed(doorstep: &Doorstep, output: &Output, user: &str, typed: &Typed) {
    let (out, err) = texts(output);
    assert!(output.status.success(), "{out}{err}");
    let expected = serde_json::json!({
        "TAG_FRONT": typed.tag_front, "TAG_ASSETS": typed.tag_assets, "VERSION": typed.version});
    assert_eq!(deployed(doorstep, user, &typed.environment), expected);
    assert!(out.contains("http://front"), "the URL is told: {out}{err}");
    assert!(out.contains("Running"), "the pods are told: {out}{err}");
}

/// A class whose parameters may be anything: what was typed arrives as it was typed, or not at all.
pub fn allow_anything(doorstep: &Doorstep, class: &str) {
    let shipped = doorstep.kubectl_ok(&["get", "environmentclass", class, "-o", "json"]);
    let mut class: Value = serde_json::from_str(&shipped).unwrap();
    for parameter in class["spec"]["parameters"].as_array_mut().unwrap() {
        parameter["pattern"] = Value::from("(?s).*");
    }
    class["metadata"] = serde_json::json!({"name": class["metadata"]["name"]});
    let applied = doorstep.kubectl_with(&["apply", "-f", "-"], &class.to_string());
    assert!(applied.status.success(), "{:?}", texts(&applied));
}

/// A file of the repository.
pub fn repository(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A YAML file of the repository.
pub fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&repository(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}
