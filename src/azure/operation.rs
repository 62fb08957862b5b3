//! Long-running operations: what a 201 or 202 has begun, told by a handle that can be stored and taken up after a restart.

use super::call::{Answer, Call, Method, Target};
use super::client::Arm;
use super::error::AzureError;
use super::redact;
use super::retry;
use super::service::Service;
use super::service_error::ServiceError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// The RPC's default where none is told, and its bounds.
const UNSAID_WAIT: Duration = Duration::from_secs(60);
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// An operation under way. Its URLs are signed: they are followed as they are, stored whole, and never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Handle {
    service: WireService,
    subscription: String,
    /// For sentences: method and path of what began it.
    what: String,
    follow: Follow,
    url: String,
    /// Where the result is once it is done, if not in the answer that says so.
    result: Option<String>,
}

/// How the operation tells how it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Follow {
    /// The URL of `Azure-AsyncOperation`: always 200, with a `status`.
    AsyncOperation,
    /// The URL of `Location`: 202 until it is done, then the result.
    Location,
    /// The resource's own `provisioningState`.
    Resource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum WireService {
    PrivateDns,
    PublicDns,
}

/// What a call has begun.
#[derive(Debug, Clone, PartialEq)]
pub enum Started {
    /// It is done; the resource, or null.
    Done(Value),
    /// It goes on; ask again after the wait.
    Running(Handle, Duration),
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It goes on; ask again after the wait, by this handle.
    Running(Handle, Duration),
    /// It is done, and what the answer held.
    Succeeded(Value),
    /// It ended without success.
    Failed {
        /// Whether somebody cancelled it.
        canceled: bool,
        /// What the service said.
        error: ServiceError,
    },
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {:?} {}", self.what, self.follow, redact::url(&self.url))
    }
}

impl Started {
    /// Reads what `answer` to `call` has begun; `url` is where the call went.
    fn of(call: &Call, url: &str, answer: Answer) -> Result<Self, AzureError> {
        let handle = |follow: Follow, to: &str, result: Option<&str>| Handle {
            service: WireService::of(call.service),
            subscription: call.subscription().to_owned(),
            what: call.to_string(),
            follow,
            url: to.to_owned(),
            result: result.map(str::to_owned),
        };
        let wait = wait(&answer);
        let writes_resource = match call.method {
            Method::Put | Method::Patch => true,
            Method::Get | Method::Head | Method::Post | Method::Delete => false,
        };
        let location = answer.header("location");
        if let Some(operation) = answer.header("azure-asyncoperation") {
            let result = if writes_resource { Some(url) } else { location };
            return Ok(Self::Running(handle(Follow::AsyncOperation, operation, result), wait));
        }
        match (answer.status, location) {
            (202, Some(location)) => {
                let result = writes_resource.then_some(url);
                Ok(Self::Running(handle(Follow::Location, location, result), wait))
            }
            (202, None) => Err(AzureError::Malformed {
                what: call.to_string(),
                reason: "a 202 says neither in Azure-AsyncOperation nor in Location how to go on".to_owned(),
            }),
            _ if writes_resource => match word(provisioning_state(&answer.body)) {
                Word::Running => Ok(Self::Running(handle(Follow::Resource, url, None), wait)),
                Word::Succeeded => Ok(Self::Done(answer.body)),
                Word::Failed | Word::Canceled => Err(AzureError::Failed {
                    what: call.to_string(),
                    canceled: word(provisioning_state(&answer.body)) == Word::Canceled,
                    error: ServiceError::of_value(&answer.body),
                }),
            },
            _ => Ok(Self::Done(answer.body)),
        }
    }
}

impl Handle {
    /// Reads what the answer to a look at the operation says.
    fn step(&self, answer: &Answer) -> Step {
        let (body, wait) = (&answer.body, wait(answer));
        let word = match self.follow {
            Follow::AsyncOperation => word(body.get("status").and_then(Value::as_str)),
            Follow::Location if answer.status == 202 => Word::Running,
            Follow::Location => Word::Succeeded,
            Follow::Resource => word(provisioning_state(body)),
        };
        match word {
            Word::Succeeded => Step::Succeeded(body.clone()),
            Word::Failed => Step::Failed { canceled: false, error: ServiceError::of_value(body) },
            Word::Canceled => Step::Failed { canceled: true, error: ServiceError::of_value(body) },
            Word::Running => {
                let mut next = self.clone();
                // Each look may give a fresh URL.
                if let (Follow::Location, Some(location)) = (self.follow, answer.header("location")) {
                    location.clone_into(&mut next.url);
                }
                Step::Running(next, wait)
            }
        }
    }

    fn look(&self, url: &str) -> Call {
        Call::follow(self.service.service(), url, &self.subscription)
    }
}

impl Arm {
    /// Makes a call that may begin a long-running operation.
    pub async fn begin(&self, call: &Call) -> Result<Started, AzureError> {
        let answer = self.send(call).await?;
        let url = self.url_of(call);
        Started::of(call, &url, answer)
    }

    /// Looks once how far the operation is. An error means that the look failed, not the operation.
    pub async fn look_at(&self, handle: &Handle) -> Result<Step, AzureError> {
        let answer = self.send(&handle.look(&handle.url)).await?;
        match handle.step(&answer) {
            Step::Succeeded(body) => match &handle.result {
                Some(result) => Ok(Step::Succeeded(self.result(handle, result).await?)),
                None => Ok(Step::Succeeded(body)),
            },
            step => Ok(step),
        }
    }

    /// Waits until the operation ends, at most `patience`; `keep` is given each handle, to be stored before the wait.
    pub async fn wait(
        &self,
        started: Started,
        patience: Duration,
        mut keep: impl FnMut(&Handle) + Send,
    ) -> Result<Value, AzureError> {
        let deadline = self.clock().now() + patience;
        let (mut handle, mut wait) = match started {
            Started::Done(body) => return Ok(body),
            Started::Running(handle, wait) => (handle, wait),
        };
        loop {
            keep(&handle);
            if self.clock().now() + wait > deadline {
                let reason = format!("it was not over within {} s; it goes on", patience.as_secs());
                return Err(AzureError::Lost { what: handle.what, reason });
            }
            self.clock().sleep(wait).await;
            match self.look_at(&handle).await? {
                Step::Running(next, after) => (handle, wait) = (next, after),
                Step::Succeeded(body) => return Ok(body),
                Step::Failed { canceled, error } => {
                    return Err(AzureError::Failed { what: handle.what, canceled, error });
                }
            }
        }
    }

    /// The final GET. After a POST or DELETE the URL is `Location`'s, which may have no content or be gone.
    async fn result(&self, handle: &Handle, url: &str) -> Result<Value, AzureError> {
        match self.send(&handle.look(url)).await {
            Ok(answer) => Ok(answer.body),
            Err(AzureError::Absent { .. }) => Ok(Value::Null),
            Err(error) => Err(error),
        }
    }
}

impl WireService {
    fn of(service: Service) -> Self {
        match service {
            Service::PrivateDns => Self::PrivateDns,
            Service::PublicDns => Self::PublicDns,
        }
    }

    fn service(self) -> Service {
        match self {
            Self::PrivateDns => Service::PrivateDns,
            Self::PublicDns => Service::PublicDns,
        }
    }
}

/// The four things that a state can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Running,
    Succeeded,
    Failed,
    Canceled,
}

/// The terminal words, and those that some services use in their place; all others mean that it goes on. None means
/// success (RPC, "provisioningState").
fn word(state: Option<&str>) -> Word {
    let Some(state) = state else { return Word::Succeeded };
    let is = |words: &[&str]| words.iter().any(|word| state.eq_ignore_ascii_case(word));
    if is(&["Succeeded", "Completed"]) {
        Word::Succeeded
    } else if is(&["Failed"]) {
        Word::Failed
    } else if is(&["Canceled", "Cancelled"]) {
        Word::Canceled
    } else {
        Word::Running
    }
}

fn provisioning_state(resource: &Value) -> Option<&str> {
    resource.pointer("/properties/provisioningState").and_then(Value::as_str)
}

fn wait(answer: &Answer) -> Duration {
    let told = answer.header("retry-after").and_then(|value| retry::retry_after(value, jiff::Timestamp::now()));
    told.unwrap_or(UNSAID_WAIT).clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

/// Where a call goes, for a look at the same place later.
impl Arm {
    fn url_of(&self, call: &Call) -> String {
        match &call.target {
            Target::Verbatim { url, .. } => url.clone(),
            Target::Resource(_) => self.url(call).map(String::from).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests;
