//! A client that renews its credentials when the API server refuses them, or before they end.
//!
//! `kube` itself reads a token file again once a minute, and runs an exec plugin again before the expiry that it told.
//! This here does the rest: a token without expiry, a client certificate, a kubeconfig that was written anew. All of them
//! show as a 401, upon which everything is read again and the request is sent once more.

use super::access::{self, ClusterAccess};
use crate::model::shown;
use crate::telemetry::metrics;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::{AuthError, Body};
use kube::config::ExecConfig;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower::BoxError;

/// The shortest time between two renewals: a plugin may ask somebody far away, and a 401 may stay.
const PACE: Duration = Duration::from_secs(2);
/// How long a request waits for whoever gives the credentials. A plugin that hangs is waited for on, as a second one would hang too.
const PATIENCE: Duration = Duration::from_secs(10);
/// Credentials that end sooner than this are renewed before they are used.
const BEFORE_END: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// Why there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there are no credentials for the cluster: {0}")]
pub struct NoCredentials(String);

/// The service behind the client.
#[derive(Clone)]
pub(super) struct Renewing {
    shared: Arc<Shared>,
}

struct Shared {
    access: ClusterAccess,
    current: Mutex<Current>,
    forbidden: watch::Sender<u64>,
    /// What was told last, so that it is told once.
    told: std::sync::Mutex<Option<NoCredentials>>,
}

#[derive(Default)]
struct Current {
    client: Option<Client>,
    /// Counts the renewals.
    number: u64,
    tried: Option<Instant>,
    failure: Option<NoCredentials>,
    /// Credentials that were asked for and are not there yet, and since when.
    asked: Option<(Instant, JoinHandle<Result<Client, NoCredentials>>)>,
}

impl Renewing {
    pub(super) fn new(access: ClusterAccess, forbidden: watch::Sender<u64>) -> Self {
        let shared = Shared { access, current: Mutex::default(), forbidden, told: std::sync::Mutex::default() };
        Self { shared: Arc::new(shared) }
    }
}

impl tower::Service<Request<Body>> for Renewing {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = self.shared.clone();
        Box::pin(async move {
            let spare = copy(&request);
            let (number, client) = shared.client(None).await?;
            let mut response = client.send(request).await.map_err(plain)?;
            if response.status() == StatusCode::UNAUTHORIZED
                && let Some(spare) = spare
                && let Ok((newer, client)) = shared.client(Some(number)).await
                && newer != number
            {
                response = client.send(spare).await.map_err(plain)?;
            }
            if response.status() == StatusCode::FORBIDDEN {
                shared.forbidden.send_modify(|count| *count = count.wrapping_add(1));
            }
            Ok(response)
        })
    }
}

impl Shared {
    /// The client of now, with its number. The one that is numbered `refused` is renewed first, but not too often.
    async fn client(&self, refused: Option<u64>) -> Result<(u64, Client), NoCredentials> {
        let mut current = self.current.lock().await;
        let ends = current.client.as_ref().and_then(|client| *client.valid_until());
        let is_old =
            refused == Some(current.number) || ends.is_some_and(|end| jiff::Timestamp::now() + BEFORE_END > end);
        let too_soon = current.tried.is_some_and(|tried| tried.elapsed() < PACE);
        if (is_old || current.client.is_none()) && !too_soon {
            current.tried = Some(Instant::now());
            match self.ask(&mut current.asked).await {
                Ok(client) => {
                    current.client = Some(client);
                    current.number += 1;
                    current.failure = None;
                }
                Err(failure) => current.failure = Some(failure),
            }
            metrics::credentials_renewed(current.failure.is_none());
            self.tell(current.failure.as_ref(), current.number);
        }
        // With none at all there is nothing to send. Old ones are tried: it may be the plugin alone that is away.
        match (&current.client, &current.failure) {
            (Some(client), _) => Ok((current.number, client.clone())),
            (None, Some(failure)) => Err(failure.clone()),
            (None, None) => Err(NoCredentials("they were not asked for yet".to_owned())),
        }
    }

    /// Asks for credentials, or goes on waiting for those that were asked for.
    async fn ask(
        &self,
        asked: &mut Option<(Instant, JoinHandle<Result<Client, NoCredentials>>)>,
    ) -> Result<Client, NoCredentials> {
        let (since, asking) = asked.get_or_insert_with(|| (Instant::now(), tokio::spawn(make(self.access.clone()))));
        let answer = tokio::time::timeout_at(*since + PATIENCE, asking).await;
        if answer.is_ok() {
            *asked = None;
        }
        match answer {
            Ok(Ok(made)) => made,
            Ok(Err(error)) => Err(NoCredentials(format!("the task that asks for them ended: {error}"))),
            Err(_) => {
                let said = format!(
                    "whoever gives them, like an exec plugin of the kubeconfig, did not answer within {} s, and is waited for",
                    PATIENCE.as_secs()
                );
                Err(NoCredentials(said))
            }
        }
    }

    fn tell(&self, failure: Option<&NoCredentials>, number: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() == failure {
            return;
        }
        match failure {
            Some(failure) => tracing::warn!(error = %failure, "the credentials are asked for again with each request"),
            None => tracing::info!(number, "there are credentials for the cluster again"),
        }
        *told = failure.cloned();
    }
}

async fn make(access: ClusterAccess) -> Result<Client, NoCredentials> {
    let config = access::read(&access).await.map_err(|error| NoCredentials(error.to_string()))?;
    let config = config.ok_or_else(|| NoCredentials("no cluster is meant".to_owned()))?;
    let plugin = config.auth_info.exec.clone();
    // A plugin is a program that is waited for.
    let made = tokio::task::spawn_blocking(move || Client::try_from(config)).await;
    match made {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(kube::Error::Auth(error))) => Err(NoCredentials(said(&error, plugin.as_ref()))),
        Ok(Err(error)) => Err(NoCredentials(error.to_string())),
        Err(error) => Err(NoCredentials(format!("the task that asks for them ended: {error}"))),
    }
}

/// The request once more, if its body can be had twice.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let mut copy = Request::new(request.body().try_clone()?);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

/// An error of sending, without what a plugin printed.
fn plain(error: kube::Error) -> BoxError {
    match &error {
        kube::Error::Service(inner) => match inner.downcast_ref::<AuthError>() {
            Some(of_plugin) => NoCredentials(said(of_plugin, None)).into(),
            None => error.into(),
        },
        _ => error.into(),
    }
}

/// The error without what a plugin printed: that may be a token.
fn said(error: &AuthError, plugin: Option<&ExecConfig>) -> String {
    match error {
        AuthError::AuthExecStart(error) => {
            let part = |part: fn(&ExecConfig) -> &Option<String>| plugin.and_then(|plugin| part(plugin).as_deref());
            let command = part(|plugin| &plugin.command).map(|command| format!(" {}", shown(command)));
            let hint = part(|plugin| &plugin.install_hint).map(|hint| format!("; its hint: {}", shown(hint.trim())));
            let (command, hint) = (command.unwrap_or_default(), hint.unwrap_or_default());
            format!("the exec plugin{command} of the kubeconfig cannot be run: {error}{hint}")
        }
        AuthError::AuthExecRun { out, .. } => format!("the exec plugin of the kubeconfig failed with {}", out.status),
        AuthError::AuthExecParse(_) | AuthError::ParseTokenKey(_) => {
            "the exec plugin of the kubeconfig printed no ExecCredential".to_owned()
        }
        other => other.to_string(),
    }
}
