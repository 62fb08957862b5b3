//! Logging in with the browser: authorization code with PKCE (RFC 7636) on a loopback port (RFC 8252).

use super::callback::{self, Brought};
use crate::api::LoginOption;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::sessions::{Session, unreachable};
use crate::identity::{Endpoints, random_text};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio::net::TcpListener;

pub(super) async fn login(
    option: &LoginOption,
    endpoints: &Endpoints,
    open: bool,
    timeout: Duration,
) -> Result<Session, Failure> {
    let Some(authorization) = &endpoints.authorization else {
        return Err(Failure::new(Exit::Failed, format!("the issuer {} has no page to log in", option.name))
            .hint("try it with --device"));
    };
    let no_port = |error: std::io::Error| Failure::new(Exit::Failed, format!("no port can be had: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(no_port)?;
    let port = listener.local_addr().map_err(no_port)?.port();
    let (state, nonce, verifier) = (random::<32>()?, random::<32>()?, random::<48>()?);
    let redirect = format!("http://{}:{port}{}", option.redirect_host, callback::PATH);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let mut url = authorization.clone();
    url.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", &option.client_id),
        ("redirect_uri", &redirect),
        ("scope", &option.scopes.join(" ")),
        ("state", &state),
        ("nonce", &nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    output::remark("Log in with your browser at:");
    output::remark(url.as_str());
    if open {
        open_browser(url.as_str());
    }
    let brought = tokio::time::timeout(timeout, callback::wait(&listener, &state, &option.issuer)).await;
    let brought = brought.map_err(|_| Failure::new(Exit::TimedOut, "nobody logged in within the time"))?;
    drop(listener);
    let code = match brought? {
        Brought::Code(code) => code,
        Brought::Refusal(said) => {
            return Err(Failure::new(Exit::Unreachable, format!("the issuer refused the login: {said}")));
        }
    };
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", &redirect),
        ("client_id", &option.client_id),
        ("code_verifier", &verifier),
    ];
    let (success, answer) = endpoints.post(&endpoints.token, &form).await.map_err(|error| unreachable(&error))?;
    if !success {
        return Err(super::refused(&answer));
    }
    check_nonce(&answer, &nonce)?;
    Session::of_answer(&answer, option.presents == "id-token", Timestamp::now())
}

/// An ID token has to be of this login. It came from the token endpoint itself (OpenID Connect Core, 3.1.3.7), so its
/// signature is the manager's to check.
fn check_nonce(answer: &Map<String, Value>, nonce: &str) -> Result<(), Failure> {
    let Some(token) = answer.get("id_token").and_then(Value::as_str) else { return Ok(()) };
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    if claims.is_some_and(|claims| claims.get("nonce").and_then(Value::as_str) == Some(nonce)) {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, "the issuer's ID token is of another login; nothing was kept"))
}

fn random<const BYTES: usize>() -> Result<String, Failure> {
    random_text::<BYTES>().map_err(|error| Failure::new(Exit::Failed, error.to_string()))
}

/// Opens the page where there is a desktop; else the line above is for the person to follow.
fn open_browser(url: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let null = || std::process::Stdio::null();
    let started = std::process::Command::new(program).arg(url).stdin(null()).stdout(null()).stderr(null()).spawn();
    if let Ok(mut child) = started {
        // It hands the page over and ends; nobody has to wait for it here.
        std::thread::spawn(move || child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_id_token_has_to_be_of_this_login() {
        let answer = |claims: Value| {
            let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
            json!({"access_token": "a", "id_token": token}).as_object().unwrap().clone()
        };
        assert!(check_nonce(&answer(json!({"nonce": "n1"})), "n1").is_ok());
        assert!(check_nonce(&answer(json!({"nonce": "n2"})), "n1").is_err());
        assert!(check_nonce(&answer(json!({})), "n1").is_err());
        assert!(check_nonce(&Map::new(), "n1").is_ok());
    }
}
