//! What a client of an issuer needs to log somebody in: where to ask, and asking.

use super::fetch::{self, FetchError, callable_url};
use super::json;
use crate::model::shown;
use reqwest::Url;
use serde_json::{Map, Value};

/// Where an issuer is asked, as its discovery document says.
pub struct Endpoints {
    /// Where a browser goes to log in.
    pub authorization: Option<Url>,
    /// Where tokens are had.
    pub token: Url,
    /// Where a login on another device begins.
    pub device: Option<Url>,
    /// Where a token is given back.
    pub revocation: Option<Url>,
    http: reqwest::Client,
}

impl Endpoints {
    /// Asks the issuer's discovery document.
    pub async fn discover(issuer: &str, discovery: &str) -> Result<Self, FetchError> {
        let url = callable_url(discovery)?;
        let http = fetch::client(&url, None)?;
        let (document, _) = fetch::document(&http, &url).await?;
        let content = |reason: String| FetchError::Content { url: url.to_string(), reason };
        let document = json::object(&document).map_err(content)?;
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        if text("issuer") != Some(issuer) {
            return Err(content(format!("it is of the issuer {}", shown(text("issuer").unwrap_or_default()))));
        }
        let endpoint = |name: &str| text(name).map(callable_url).transpose();
        Ok(Self {
            authorization: endpoint("authorization_endpoint")?,
            token: endpoint("token_endpoint")?.ok_or_else(|| content("it names no token_endpoint".to_owned()))?,
            device: endpoint("device_authorization_endpoint")?,
            revocation: endpoint("revocation_endpoint")?,
            http,
        })
    }

    /// The endpoint of which a login is renewed, as it was discovered before.
    pub fn known(token: &str, revocation: Option<&str>) -> Result<Self, FetchError> {
        let token = callable_url(token)?;
        let http = fetch::client(&token, None)?;
        let revocation = revocation.map(callable_url).transpose()?;
        Ok(Self { authorization: None, token, device: None, revocation, http })
    }

    /// Posts a form. Gives whether it succeeded, and the object of the answer.
    pub async fn post(&self, url: &Url, form: &[(&str, &str)]) -> Result<(bool, Map<String, Value>), FetchError> {
        let (success, bytes) = fetch::post(&self.http, url, form).await?;
        let answer = if bytes.is_empty() { Ok(Map::new()) } else { json::object(&bytes) };
        match answer {
            Ok(fields) => Ok((success, fields)),
            Err(reason) => Err(FetchError::Content { url: url.to_string(), reason }),
        }
    }
}
