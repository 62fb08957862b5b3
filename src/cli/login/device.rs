//! Logging in on another device (RFC 8628), for machines without a browser.

use crate::api::LoginOption;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::cli::sessions::{Session, unreachable};
use crate::identity::Endpoints;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// The grant's name (RFC 8628, section 3.4).
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

pub(super) async fn login(option: &LoginOption, endpoints: &Endpoints, timeout: Duration) -> Result<Session, Failure> {
    let Some(device) = &endpoints.device else {
        let said = format!("the issuer {} has no login on another device", option.name);
        return Err(Failure::new(Exit::Failed, said).hint("try it without --device"));
    };
    let form = [("client_id", option.client_id.as_str()), ("scope", &option.scopes.join(" "))];
    let (success, begun) = endpoints.post(device, &form).await.map_err(|error| unreachable(&error))?;
    if !success {
        return Err(super::refused(&begun));
    }
    let text = |name: &str| begun.get(name).and_then(Value::as_str);
    let seconds = |name: &str, usual: u64| begun.get(name).and_then(Value::as_u64).unwrap_or(usual);
    let (Some(code), Some(user_code), Some(page)) = (text("device_code"), text("user_code"), text("verification_uri"))
    else {
        return Err(Failure::new(Exit::Failed, "the issuer answers something else than a code for another device"));
    };
    output::remark(&format!("Open {page} on any device, and enter the code {user_code}"));
    let end = Instant::now() + timeout.min(Duration::from_secs(seconds("expires_in", 900)));
    let mut pause = Duration::from_secs(seconds("interval", 5).clamp(1, 60));
    let form = [("grant_type", GRANT), ("device_code", code), ("client_id", &option.client_id)];
    loop {
        if Instant::now() + pause > end {
            return Err(Failure::new(Exit::TimedOut, "nobody logged in within the time"));
        }
        tokio::time::sleep(pause).await;
        let (success, answer) = endpoints.post(&endpoints.token, &form).await.map_err(|error| unreachable(&error))?;
        if success {
            return Session::of_answer(&answer, option.presents == "id-token", Timestamp::now());
        }
        match answer.get("error").and_then(Value::as_str) {
            Some("authorization_pending") => {}
            Some("slow_down") => pause += Duration::from_secs(5),
            _ => return Err(super::refused(&answer)),
        }
    }
}
