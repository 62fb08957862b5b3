//! An Azure for tests: an issuer of tokens and ARM with DNS zones, over TLS, by a clock that it shares with the client.
//!
//! What it does is what was recorded or is documented: 201 and 200, 412, 429 with `Retry-After`, 202 with both header
//! fields, answers lost after the write, listings that lag behind, error bodies, pages, budgets. Faults are drawn from a seed.

mod budgets;
mod faults;
mod records;
mod reply;
mod schema;
mod server;
mod state;
mod zones;

pub use faults::Faults;
pub use records::spelled;
pub use reply::Reply;
#[allow(unused_imports, reason = "who listens to calls names it")]
pub use state::Incoming;
pub use state::State;

use doorstep::azure::{Arm, Clock, Settings};
use doorstep::tls::Authority;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use tempfile::TempDir;

pub const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000d004";
pub const GROUP: &str = "doorstep";
pub const ZONE: &str = "int.example.com";
pub const SECRET: &str = "the-secret-of-the-tests";

/// A running emulator. Ends with the runtime that it was started in.
pub struct Emulator {
    pub address: SocketAddr,
    pub clock: Clock,
    folder: TempDir,
    state: Arc<Mutex<State>>,
}

impl Emulator {
    /// Starts one whose clock is `factor` times as fast as the world's.
    pub async fn start(factor: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(folder.path()).unwrap();
        let certificate = authority.issue(&["127.0.0.1"]).unwrap();
        std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
        let clock = Clock::faster(factor);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::new(clock.clone(), format!("https://{address}"))));
        tokio::spawn(server::serve(listener, certificate, state.clone()));
        Self { address, clock, folder, state }
    }

    /// What it holds. Never kept over an await.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn secret_file(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    /// Settings that lead here, with `credential`.
    pub fn settings_with(&self, credential: &Value) -> Settings {
        let origin = format!("https://{}", self.address);
        serde_json::from_value(json!({
            "cloud": {"custom": {"management": origin, "login": origin, "audience": "https://management.test"}},
            "authorities": self.folder.path().join("authority.pem"),
            "credential": credential,
        }))
        .unwrap()
    }

    pub fn settings(&self) -> Settings {
        self.settings_with(
            &json!({"clientSecret": {"tenant": "tenant-1", "client": "client-1", "secretFile": self.secret_file()}}),
        )
    }

    /// A client by the emulator's clock.
    pub fn arm(&self) -> Arm {
        Arm::new(&self.settings(), self.clock.clone()).unwrap()
    }
}
