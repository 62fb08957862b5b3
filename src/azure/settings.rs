//! Which cloud, with which credential: the wire form, and its checks, every mistake at once.

use super::error::AzureError;
use super::service::Service;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// How Azure is reached.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Which cloud; the public one if not told.
    #[serde(default)]
    pub cloud: Cloud,
    /// How a token is had.
    pub credential: CredentialSettings,
    /// A PEM file of the certificate authorities that are trusted, instead of the system's.
    #[serde(default)]
    pub authorities: Option<PathBuf>,
    /// A proxy for `https`, like `http://proxy.example.com:3128`. The environment's is not used.
    #[serde(default)]
    pub proxy: Option<String>,
    /// The api-versions, where a cloud lags behind.
    #[serde(default)]
    pub api_versions: ApiVersions,
}

/// The cloud's endpoints.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Cloud {
    /// `management.azure.com`.
    #[default]
    Public,
    /// Azure in China.
    China,
    /// Azure Government.
    UsGovernment,
    /// Another one: Azure Stack, or an emulator.
    #[serde(rename_all = "camelCase")]
    Custom {
        /// ARM's endpoint, `https` only.
        management: String,
        /// The issuer of tokens, `https` only.
        login: String,
        /// For whom tokens are, if not for `management`.
        #[serde(default)]
        audience: Option<String>,
    },
}

/// How a token is had. No form of it holds a secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum CredentialSettings {
    /// Workload identity of a pod; what is not told comes from the variables that its webhook sets.
    #[serde(rename_all = "camelCase")]
    WorkloadIdentity {
        /// The tenant.
        #[serde(default)]
        tenant: Option<String>,
        /// The application.
        #[serde(default)]
        client: Option<String>,
        /// The file with the Kubernetes token.
        #[serde(default)]
        token_file: Option<PathBuf>,
    },
    /// The identity of the virtual machine or App Service.
    #[serde(rename_all = "camelCase")]
    ManagedIdentity {
        /// The client id of a user-assigned identity; the system's own if not told.
        #[serde(default)]
        client: Option<String>,
    },
    /// Whoever is logged in to the Azure CLI.
    #[serde(rename_all = "camelCase")]
    AzureCli {
        /// The tenant, if not the CLI's default.
        #[serde(default)]
        tenant: Option<String>,
    },
    /// An application with a secret in a file, read again for every token.
    #[serde(rename_all = "camelCase")]
    ClientSecret {
        /// The tenant.
        tenant: String,
        /// The application.
        client: String,
        /// The file with the secret.
        secret_file: PathBuf,
    },
}

/// The api-version of each service, newest stable if not told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApiVersions {
    /// Private DNS zones.
    pub private_dns: String,
    /// Public DNS zones.
    pub public_dns: String,
}

impl Default for ApiVersions {
    fn default() -> Self {
        Self { private_dns: "2024-06-01".to_owned(), public_dns: "2018-05-01".to_owned() }
    }
}

impl ApiVersions {
    /// The version of one service.
    pub fn of(&self, service: Service) -> &str {
        match service {
            Service::PrivateDns => &self.private_dns,
            Service::PublicDns => &self.public_dns,
        }
    }
}

/// The endpoints of a cloud, checked.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    /// Of ARM; has no path, query or credentials.
    pub(super) management: reqwest::Url,
    /// Of the issuer of tokens.
    pub(super) login: String,
    /// What tokens are asked for.
    pub(super) scope: String,
}

impl Settings {
    /// The same settings, whose paths are meant from `folder`: that of the file in which they stand.
    #[must_use]
    pub fn relative_to(mut self, folder: &Path) -> Self {
        let secret = match &mut self.credential {
            CredentialSettings::WorkloadIdentity { token_file, .. } => token_file.as_mut(),
            CredentialSettings::ClientSecret { secret_file, .. } => Some(secret_file),
            CredentialSettings::ManagedIdentity { .. } | CredentialSettings::AzureCli { .. } => None,
        };
        for path in secret.into_iter().chain(self.authorities.as_mut()) {
            *path = folder.join(&path);
        }
        self
    }

    /// Checks the endpoints and api-versions; says all that is wrong.
    pub(super) fn endpoints(&self) -> Result<Endpoints, AzureError> {
        let (management, login, audience) = self.cloud.parts();
        let mut mistakes = Vec::new();
        let management = origin("cloud.management", management, &mut mistakes);
        let login_url = origin("cloud.login", login, &mut mistakes);
        for version in [&self.api_versions.private_dns, &self.api_versions.public_dns] {
            if !is_api_version(version) {
                let version = crate::model::shown(version);
                mistakes
                    .push(format!("{version} is no api-version; one is a date, like 2024-06-01 or 2024-06-01-preview"));
            }
        }
        match (management, login_url) {
            (Some(management), Some(_)) if mistakes.is_empty() => {
                let audience = audience.unwrap_or_else(|| management.as_str().trim_end_matches('/'));
                let scope = format!("{}/.default", audience.trim_end_matches('/'));
                Ok(Endpoints { management, login: login.to_owned(), scope })
            }
            _ => Err(AzureError::Settings(mistakes.join("; "))),
        }
    }
}

impl Cloud {
    fn parts(&self) -> (&str, &str, Option<&str>) {
        match self {
            Self::Public => ("https://management.azure.com", "https://login.microsoftonline.com", None),
            Self::China => ("https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn", None),
            Self::UsGovernment => ("https://management.usgovcloudapi.net", "https://login.microsoftonline.us", None),
            Self::Custom { management, login, audience } => (management, login, audience.as_deref()),
        }
    }
}

/// An `https` URL that is an origin alone.
fn origin(field: &str, text: &str, mistakes: &mut Vec<String>) -> Option<reqwest::Url> {
    let shown = crate::model::shown(text);
    match reqwest::Url::parse(text) {
        Ok(url) if url.scheme() != "https" => {
            mistakes.push(format!("{field} is {shown}; tokens are sent by https only"));
            None
        }
        Ok(url)
            if url.path() != "/"
                || url.query().is_some()
                || url.fragment().is_some()
                || !url.username().is_empty()
                || url.password().is_some() =>
        {
            mistakes.push(format!("{field} is not a scheme and a host alone, like https://management.azure.com"));
            None
        }
        Ok(url) => Some(url),
        Err(reason) => {
            mistakes.push(format!("{field} is {shown}, which is no URL: {reason}"));
            None
        }
    }
}

fn is_api_version(text: &str) -> bool {
    let (date, rest) = text.split_at_checked(10).unwrap_or(("", ""));
    date.parse::<jiff::civil::Date>().is_ok()
        && (rest.is_empty() || (rest.starts_with('-') && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(value: serde_json::Value) -> Result<Settings, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn the_shortest_settings_mean_the_public_cloud_and_newest_versions() {
        let settings = settings(json!({"credential": {"workloadIdentity": {}}})).unwrap();
        let endpoints = settings.endpoints().unwrap();
        assert_eq!(endpoints.management.as_str(), "https://management.azure.com/");
        assert_eq!(endpoints.scope, "https://management.azure.com/.default");
        assert_eq!(settings.api_versions.of(Service::PrivateDns), "2024-06-01");
    }

    #[test]
    fn every_mistake_is_told_at_once_and_no_credentials_are() {
        let settings = settings(json!({
            "cloud": {"custom": {"management": "http://m.example", "login": "https://u:hidden@l.example"}},
            "credential": {"azureCli": {}}, "apiVersions": {"privateDns": "newest"}}))
        .unwrap();
        let said = settings.endpoints().unwrap_err().to_string();
        assert!(said.contains("https only") && said.contains("cloud.login") && said.contains("\"newest\""), "{said}");
        assert!(!said.contains("hidden"), "{said}");
    }

    #[test]
    fn paths_are_meant_from_the_folder_of_the_file_unless_they_are_absolute() {
        let credential = json!({"clientSecret": {"tenant": "t", "client": "c", "secretFile": "secret"}});
        let settings = settings(json!({"credential": credential, "authorities": "/etc/ca.pem"})).unwrap();
        let settings = settings.relative_to(Path::new("/etc/doorstep"));
        let CredentialSettings::ClientSecret { secret_file, .. } = settings.credential else { panic!("a secret") };
        assert_eq!(secret_file, Path::new("/etc/doorstep/secret"));
        assert_eq!(settings.authorities.as_deref(), Some(Path::new("/etc/ca.pem")));
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(settings(json!({"credential": {"azureCli": {}}, "clowd": "public"})).unwrap_err().contains("clowd"));
        assert!(settings(json!({"credential": {"password": {}}})).is_err());
        assert!(
            settings(json!({"credential": {"clientSecret": {"tenant": "t", "client": "c", "secret": "s"}}})).is_err()
        );
    }
}
