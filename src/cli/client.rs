//! The management API as the commands call it.

use super::credential::Credential;
use super::exit::{Exit, Failure};
use super::globals::Globals;
use super::proxy;
use crate::api::{Problem, Token};
use crate::model::EnvironmentKey;
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a manager that took a call may take to answer it. The longest that is asked of one is to change many environments.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);

/// Runs `future` on a small runtime.
pub(super) fn block_on(future: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    runtime.block_on(Box::pin(future))
}

/// Calls the management API of one manager.
pub(super) struct Client {
    server: String,
    credential: Credential,
    http: reqwest::Client,
}

impl Client {
    pub(super) fn new(globals: &Globals) -> Result<Self, Failure> {
        let server = globals.server()?;
        let credential = globals.credential(&server)?;
        Self::with(globals, server, credential)
    }

    /// A client for what needs no token.
    pub(super) fn without_token(globals: &Globals) -> Result<Self, Failure> {
        Self::with(globals, globals.server()?, Credential::Nothing)
    }

    /// A client that presents this token and no other.
    pub(super) fn with_token(globals: &Globals, token: &str) -> Result<Self, Failure> {
        let token = Token::new(token).ok_or_else(|| Failure::new(Exit::Failed, "that is no token"))?;
        Self::with(globals, globals.server()?, Credential::Token(token))
    }

    fn with(globals: &Globals, server: String, credential: Credential) -> Result<Self, Failure> {
        let mut builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
        if !proxy::may_lead_to(&server) {
            builder = builder.no_proxy();
        }
        if server.starts_with("https://") {
            builder = globals.trust(builder)?;
        }
        let http = builder.build();
        let http = http.map_err(|error| Failure::new(Exit::Failed, format!("cannot start a client: {error}")))?;
        Ok(Self { server, credential, http })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(self.request(Method::GET, path)).await
    }

    /// A GET whose answer goes on and on.
    pub(super) async fn stream(&self, path: &str) -> Result<Response, Failure> {
        self.send(self.request(Method::GET, path)).await
    }

    pub(super) async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.read(self.request(Method::PUT, path).json(body)).await
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        self.read(self.request(Method::POST, path).json(body)).await
    }

    /// A POST without a body.
    pub(super) async fn post_nothing<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(self.request(Method::POST, path)).await
    }

    /// A POST without a body, whose answer has none.
    pub(super) async fn post_empty(&self, path: &str) -> Result<Response, Failure> {
        self.send(self.request(Method::POST, path)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Response, Failure> {
        self.send(self.request(Method::DELETE, path)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api/v1{path}", self.server))
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        self.send(request).await?.json().await.map_err(|error| self.broken(&error))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let request = match &self.credential {
            Credential::Token(token) | Credential::DataFolder(token) => request.bearer_auth(token.reveal()),
            Credential::Login(sessions) => request.bearer_auth(sessions.token(&self.server).await?),
            Credential::Nothing => request,
        };
        let Ok(answered) = tokio::time::timeout(ANSWER_TIMEOUT, request.send()).await else {
            let said = format!("the manager at {} did not answer within {ANSWER_TIMEOUT:?}", self.server);
            return Err(Failure::new(Exit::TimedOut, said).hint("whether it did what was asked, look yourself"));
        };
        let response = answered.map_err(|error| self.broken(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if status.as_u16() == 401 => Err(self.unknown(Failure::of_problem(&problem))),
            Ok(problem) => Err(Failure::of_problem(&problem)),
            Err(_) => {
                Err(Failure::new(Exit::Failed, format!("{} answered {status}, not as a manager does", self.server))
                    .hint("is it the address of the management API? --server says which one is asked"))
            }
        }
    }

    /// What helps where the manager does not know who calls.
    fn unknown(&self, failure: Failure) -> Failure {
        match &self.credential {
            Credential::DataFolder(_) => {
                failure.hint(format!("the manager at {} has another token than the data folder", self.server)).hint(
                    "use the data folder of that manager (--data, DOORSTEP_DATA), or give its token in DOORSTEP_TOKEN",
                )
            }
            Credential::Login(_) => failure.hint("log in again with: doorstep login"),
            Credential::Token(_) => {
                failure.hint("the token that was sent is that of DOORSTEP_TOKEN or DOORSTEP_TOKEN_FILE")
            }
            Credential::Nothing => failure,
        }
    }

    /// Why there is no answer, or no whole one.
    pub(super) fn broken(&self, error: &reqwest::Error) -> Failure {
        if let Some(said) = certificate_fault(error) {
            let said =
                format!("{} has a certificate that is not trusted here, or wants another one: {said}", self.server);
            return Failure::new(Exit::Unreachable, said).hint(
                "--server-ca or DOORSTEP_SERVER_CA names the file of its authority, --client-cert your certificate",
            );
        }
        if error.is_connect() || error.is_timeout() {
            let said = format!("no manager answers at {}", self.server);
            let failure = Failure::new(Exit::Unreachable, said).hint("start one with: doorstep up").hint(
                "or say where it is with --server or DOORSTEP_SERVER, or with its data folder: --data, DOORSTEP_DATA",
            );
            return proxy::said_of(&self.server).into_iter().fold(failure, Failure::hint);
        }
        if error.is_decode() {
            return Failure::new(Exit::Failed, format!("{} answered something else than expected", self.server))
                .hint("is it the same version of doorstep?");
        }
        Failure::new(Exit::Unreachable, format!("the connection to {} was lost", self.server))
    }
}

/// What TLS says of the certificate of either side, if that is why there is no connection.
fn certificate_fault(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(fault) = error.downcast_ref::<rustls::Error>() {
        return Some(fault.to_string());
    }
    // An I/O error keeps its cause where `source` does not lead, and may hold another one.
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    if let Some(fault) = inner.and_then(|inner| certificate_fault(inner)) {
        return Some(fault);
    }
    error.source().and_then(certificate_fault)
}

/// The path of an environment.
pub(super) fn path_of(key: &EnvironmentKey) -> String {
    format!("/environments/{}/{}", key.user, key.class)
}
