//! A Doorstep that trusts an issuer as the shipped example of `--identity` says, and what that issuer signs.

use crate::harness::Doorstep;
use crate::issuer::{Issuer, SigningKey};
use crate::typed::yaml;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The two of them.
pub struct Trusting {
    pub doorstep: Doorstep,
    issuer: Issuer,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

/// Signs as the issuer does, from any thread.
#[derive(Clone)]
pub struct Signer {
    url: String,
    key: SigningKey,
}

impl Trusting {
    /// The issuer `name` of the example, with the address of a live one in the place of the real one's and nothing else changed.
    pub fn start(name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let issuer = runtime.block_on(Issuer::start());
        let example = yaml("config/identity/example.yaml");
        let rules = example["issuers"].as_array().unwrap().iter().find(|rules| rules["name"] == name);
        let mut rules = rules.unwrap_or_else(|| panic!("the example has no issuer {name}")).clone();
        rules["issuer"] = json!(issuer.url);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("identity.yaml");
        std::fs::write(&file, json!({"issuers": [rules]}).to_string()).unwrap();
        let doorstep = Doorstep::start_with(&["--identity", file.to_str().unwrap()]);
        Self { doorstep, issuer, runtime, _folder: folder }
    }

    pub fn signer(&self) -> Signer {
        Signer { url: self.issuer.url.clone(), key: self.issuer.key("rsa-1") }
    }

    pub fn stop(self) {
        self.doorstep.stop();
        drop(self.issuer);
        self.runtime.shutdown_background();
    }
}

impl Signer {
    /// A token with these claims that is good for five minutes.
    pub fn sign(&self, mut claims: Value) -> String {
        let now = jiff::Timestamp::now().as_second();
        claims["iss"] = json!(self.url);
        claims["iat"] = json!(now);
        claims["nbf"] = json!(now);
        claims["exp"] = json!(now + 300);
        self.key.token(&claims)
    }
}
