//! Tokens: one at a time, kept until shortly before they end, by `azure_identity`.

use super::clock::Clock;
use super::error::AzureError;
use super::redact;
use super::settings::{CredentialSettings, Endpoints, Settings};
use super::transport::{IdentityTransport, Transport};
use azure_core::cloud::CustomConfiguration;
use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::{ClientOptions, RetryOptions, Transport as CoreTransport};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
    WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// A token is renewed this long before it ends.
const EARLY: Duration = Duration::from_secs(300);
/// After a failure the issuer is left alone for this long, as its callers are many.
const LEFT_ALONE: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(60);
/// A secret is some 40 characters.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// Where tokens come from.
pub(super) struct Tokens {
    settings: CredentialSettings,
    endpoints: Endpoints,
    transport: Arc<IdentityTransport>,
    clock: Clock,
    /// One caller asks, the others wait for what it gets.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Kept>,
    failed: Option<(Duration, AzureError)>,
}

struct Kept {
    secret: Secret,
    renew_at: Duration,
}

impl Tokens {
    pub(super) fn new(settings: &Settings, endpoints: Endpoints, clock: Clock) -> Result<Self, AzureError> {
        let on_this_machine = match settings.credential {
            CredentialSettings::ManagedIdentity { .. } => true,
            CredentialSettings::WorkloadIdentity { .. }
            | CredentialSettings::AzureCli { .. }
            | CredentialSettings::ClientSecret { .. } => false,
        };
        let transport = Arc::new(IdentityTransport { transport: Transport::new(settings, !on_this_machine)? });
        Ok(Self { settings: settings.credential.clone(), endpoints, transport, clock, state: Mutex::default() })
    }

    /// A token that lasts a while.
    pub(super) async fn token(&self) -> Result<Secret, AzureError> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some(kept) = state.token.as_ref().filter(|kept| kept.renew_at > now) {
            return Ok(kept.secret.clone());
        }
        if let Some((_, error)) = state.failed.as_ref().filter(|(at, _)| *at + LEFT_ALONE > now) {
            return Err(error.clone());
        }
        match self.ask().await {
            Ok(kept) => {
                let secret = kept.secret.clone();
                *state = State { token: Some(kept), failed: None };
                Ok(secret)
            }
            Err(error) => {
                state.failed = Some((self.clock.now(), error.clone()));
                Err(error)
            }
        }
    }

    /// The service did not take `token`: the next call asks for another, unless one has been had already.
    pub(super) async fn refused(&self, token: &Secret) {
        let mut state = self.state.lock().await;
        if state.token.as_ref().is_some_and(|kept| kept.secret == *token) {
            state.token = None;
        }
    }

    async fn ask(&self) -> Result<Kept, AzureError> {
        let name = self.name();
        let failed = |reason: String| AzureError::Credential { credential: name, reason };
        // Made anew each time: files of secrets and of tokens are read again, so that they may be rotated.
        let credential = self.credential().await.map_err(failed)?;
        let scopes = [self.endpoints.scope.as_str()];
        let asked = tokio::time::timeout(TIMEOUT, credential.get_token(&scopes, None)).await;
        let token = match asked {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => return Err(failed(redact::sentence(&error.to_string()))),
            Err(_) => return Err(failed(format!("no answer within {} s", TIMEOUT.as_secs()))),
        };
        let lasts = token.expires_on.unix_timestamp() - jiff::Timestamp::now().as_second();
        let lasts = Duration::from_secs(u64::try_from(lasts).unwrap_or_default());
        // One that lasts less than twice the margin is kept for half of its time.
        let renew_at = self.clock.now() + lasts.saturating_sub(EARLY).max(lasts / 2);
        Ok(Kept { secret: token.token, renew_at })
    }

    fn name(&self) -> &'static str {
        match self.settings {
            CredentialSettings::WorkloadIdentity { .. } => "workload identity",
            CredentialSettings::ManagedIdentity { .. } => "managed identity",
            CredentialSettings::AzureCli { .. } => "the Azure CLI",
            CredentialSettings::ClientSecret { .. } => "client secret",
        }
    }

    async fn credential(&self) -> Result<Arc<dyn TokenCredential>, String> {
        let plain = |error: azure_core::Error| redact::sentence(&error.to_string());
        Ok(match &self.settings {
            CredentialSettings::WorkloadIdentity { tenant, client, token_file } => {
                let options = WorkloadIdentityCredentialOptions {
                    credential_options: ClientAssertionCredentialOptions { client_options: self.options() },
                    client_id: client.clone(),
                    tenant_id: tenant.clone(),
                    token_file_path: token_file.clone(),
                };
                WorkloadIdentityCredential::new(Some(options)).map_err(plain)?
            }
            CredentialSettings::ManagedIdentity { client } => {
                let options = ManagedIdentityCredentialOptions {
                    user_assigned_id: client.clone().map(UserAssignedId::ClientId),
                    client_options: self.options(),
                };
                ManagedIdentityCredential::new(Some(options)).map_err(plain)?
            }
            CredentialSettings::AzureCli { tenant } => {
                let options = AzureCliCredentialOptions { tenant_id: tenant.clone(), ..Default::default() };
                AzureCliCredential::new(Some(options)).map_err(plain)?
            }
            CredentialSettings::ClientSecret { tenant, client, secret_file } => {
                let secret = secret(secret_file).await?;
                let options = ClientSecretCredentialOptions { client_options: self.options() };
                ClientSecretCredential::new(tenant, client.clone(), secret, Some(options)).map_err(plain)?
            }
        })
    }

    fn options(&self) -> ClientOptions {
        let mut cloud = CustomConfiguration::default();
        cloud.authority_host = self.endpoints.login.clone();
        ClientOptions {
            // Our own calls are tried again; the issuer must not be asked by both.
            retry: RetryOptions::none(),
            transport: Some(CoreTransport::new(self.transport.clone())),
            cloud: Some(Arc::new(cloud.into())),
            ..ClientOptions::default()
        }
    }
}

async fn secret(file: &Path) -> Result<Secret, String> {
    use tokio::io::AsyncReadExt;
    let failed = |error: std::io::Error| format!("the secret's file {} cannot be read: {error}", file.display());
    let mut text = String::new();
    let opened = tokio::fs::File::open(file).await.map_err(failed)?;
    opened.take(MAX_SECRET_BYTES).read_to_string(&mut text).await.map_err(failed)?;
    match text.trim() {
        "" => Err(format!("the secret's file {} is empty", file.display())),
        text => Ok(Secret::new(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_is_the_files_text_without_its_line_end_and_a_failure_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        assert!(secret(&file).await.unwrap_err().contains("secret cannot be read"));
        std::fs::write(&file, " \n").unwrap();
        assert!(secret(&file).await.unwrap_err().contains("is empty"));
        std::fs::write(&file, "hush\n").unwrap();
        assert_eq!(secret(&file).await.unwrap().secret(), "hush");
    }
}
