//! `doorstep up` in this process, and a clock.

use crate::harness::{DEADLINE, client_of};
use doorstep::app::up::{self, Up, UpOptions};
use doorstep::app::{AccessOptions, StoreOptions};
use doorstep::model::Clock;
use doorstep::resources::{Environment, EnvironmentClass, EnvironmentSpec};
use doorstep::telemetry::access_log::Sink;
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// An hour.
pub const HOUR: Duration = Duration::from_secs(3600);
/// A day.
pub const DAY: Duration = Duration::from_secs(86_400);

/// A running one.
pub struct Setting {
    pub clock: Clock,
    pub client: kube::Client,
    up: Up,
    http: reqwest::Client,
    domain: &'static str,
    folder: tempfile::TempDir,
}

/// What a host answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Setting {
    /// Starts one. The clock stands at the time of day: what the cluster makes is as old as that.
    pub async fn start() -> Self {
        Self::start_at("localhost", None).await
    }

    /// The same, with the environments below this domain, and their records where a file of DNS says.
    pub async fn start_at(domain: &'static str, dns: Option<PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::held(Timestamp::now());
        let any = "127.0.0.1:0".parse().unwrap();
        let mut up = Box::pin(up::build(UpOptions {
            dns: None,
            dns_file: dns,
            data: folder.path().to_owned(),
            http: any,
            https: any,
            api: any,
            kube: any,
            domain: domain.parse().unwrap(),
            gateways: Vec::new(),
            routes: None,
            access: AccessOptions::default(),
            store: StoreOptions::default(),
            access_log: Some(Sink::File(folder.path().join("access.log"))),
            clock: clock.clone(),
            executable: Some(crate::harness::binary().into()),
        }))
        .await
        .unwrap();
        up.ready().await.unwrap();
        let client = client_of(up.kubeconfig()).await;
        let http = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().unwrap();
        Self { clock, client, up, http, domain, folder }
    }

    pub async fn stop(self) {
        self.up.shutdown(Duration::from_secs(5)).await.unwrap();
    }

    /// A command of this one: its exit code, standard output and standard error.
    pub async fn cli(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = tokio::process::Command::new(crate::harness::binary());
        command.args(arguments).env("DOORSTEP_DATA", self.folder.path()).env_remove("DOORSTEP_SERVER");
        let output = command.env_remove("DOORSTEP_TOKEN").stdin(std::process::Stdio::null()).output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    pub fn environments(&self) -> Api<Environment> {
        Api::namespaced(self.client.clone(), "default")
    }

    pub fn classes(&self) -> Api<EnvironmentClass> {
        Api::all(self.client.clone())
    }

    /// Changes the spec of a class.
    pub async fn class(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.classes().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Makes an environment of the class integration.
    pub async fn make(&self, user: &str) {
        let parameters = [("TAG_FRONT", "1.4.2"), ("TAG_ASSETS", "7"), ("VERSION", "3.1.0")];
        let spec = EnvironmentSpec {
            user: user.to_owned(),
            class: "integration".to_owned(),
            parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..EnvironmentSpec::default()
        };
        let environment = Environment::new(&name(user), spec);
        self.environments().create(&PostParams::default(), &environment).await.unwrap();
    }

    /// Changes what is asked for.
    pub async fn ask(&self, user: &str, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.environments().patch(&name(user), &PatchParams::default(), &patch).await.unwrap();
    }

    pub async fn delete(&self, user: &str) {
        self.environments().delete(&name(user), &DeleteParams::default()).await.unwrap();
    }

    pub async fn one(&self, user: &str) -> Option<Environment> {
        self.environments().get_opt(&name(user)).await.unwrap()
    }

    /// Waits until the environment is such that `is` says so of its status.
    pub async fn until(&self, user: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let seen = async || {
            let Some(environment) = self.one(user).await else { return Err("it is not there".to_owned()) };
            let current = environment.status.as_ref().and_then(|status| status.observed_generation);
            let status = serde_json::to_value(&environment.status).unwrap();
            let is_current = current == environment.metadata.generation;
            if is_current && is(&status) { Ok(status) } else { Err(status.to_string()) }
        };
        eventually(&format!("{user} {what}"), seen).await
    }

    pub async fn until_ready(&self, user: &str) {
        self.until(user, "is ready", |status| reason(status) == "Serving").await;
    }

    pub async fn until_gone(&self, user: &str) {
        let seen = async || match self.one(user).await {
            None => Ok(()),
            Some(there) => Err(serde_json::to_value(&there.status).unwrap().to_string()),
        };
        eventually(&format!("the end of {user}"), seen).await;
    }

    /// Asks a host, as a program or as a browser does.
    pub async fn ask_host(&self, user: &str, accept: &str) -> Answer {
        let url = format!("http://{}/", self.up.addresses().http);
        let host = format!("front{user}.int.{}", self.domain);
        let request = self.http.get(url).header("host", host).header("accept", accept);
        let response = request.send().await.unwrap();
        Answer { status: response.status().as_u16(), text: response.text().await.unwrap() }
    }

    /// Waits until a host answers so.
    pub async fn until_host(&self, user: &str, status: u16, part: &str) -> Answer {
        let seen = async || {
            let answer = self.ask_host(user, "*/*").await;
            if answer.status == status && answer.text.contains(part) { Ok(answer) } else { Err(format!("{answer:?}")) }
        };
        eventually(&format!("{status} with {part} of the host of {user}"), seen).await
    }

    /// The reasons of the events about an environment.
    pub async fn events(&self, user: &str) -> Vec<String> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), "default");
        let all = api.list(&ListParams::default()).await.unwrap().items;
        let about = all
            .into_iter()
            .filter(|event| event.regarding.as_ref().and_then(|about| about.name.clone()) == Some(name(user)));
        about.filter_map(|event| event.reason).collect()
    }

    /// How many objects of a kind belong to a user.
    pub async fn count<K>(&self, user: &str) -> usize
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), "default");
        let of_user = ListParams::default().labels(&format!("doorstep.dev/user={user}"));
        api.list(&of_user).await.unwrap().items.len()
    }
}

/// The name of a user's environment.
pub fn name(user: &str) -> String {
    format!("{user}-integration")
}

/// The reason of `Ready`.
pub fn reason(status: &Value) -> &str {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().find(|it| it["type"] == "Ready").and_then(|it| it["reason"].as_str()).unwrap_or_default()
}

/// Waits until `condition` gives a value, with a deadline.
pub async fn eventually<T>(what: &str, condition: impl AsyncFn() -> Result<T, String>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        match condition().await {
            Ok(value) => return value,
            Err(seen) => assert!(Instant::now() < end, "waited in vain for {what}; last seen: {seen}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
