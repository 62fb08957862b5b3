//! `doorstep login`, `logout` and `whoami`.

mod browser;
mod callback;
mod device;

use super::client::Client;
use super::exit::{Exit, Failure};
use super::globals::Globals;
use super::output::{self, Format};
use super::sessions::unreachable;
use super::text::printable;
use crate::api::{CallerView, LoginOption, LoginOptions};
use crate::identity::Endpoints;
use crate::model::{did_you_mean, parse_duration};
use clap::Args;
use serde_json::{Map, Value};
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// With whom, where the manager knows several issuers
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Log in on another device, for a machine without a browser
    #[arg(long)]
    device: bool,
    /// Print the page's address, and open no browser
    #[arg(long, conflicts_with = "device")]
    no_browser: bool,
    /// How long to wait: 90s, 5m
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = timeout)]
    timeout: Duration,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Args)]
pub(super) struct Logout {
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Args)]
pub(super) struct WhoAmI {
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

fn timeout(text: &str) -> Result<Duration, String> {
    let within = |duration: &Duration| *duration <= Duration::from_secs(3600);
    parse_duration(text).filter(within).ok_or_else(|| "give a duration of at most an hour, like 90s or 5m".to_owned())
}

/// Logs in, and keeps the login for all commands with the same manager.
pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let server = globals.server()?;
    let options: LoginOptions = Client::without_token(globals)?.get("/login").await?;
    let option = chosen(&options.items, arguments.issuer.as_deref(), &server)?;
    let endpoints =
        Endpoints::discover(&option.issuer, &option.discovery).await.map_err(|error| unreachable(&error))?;
    let mut session = if arguments.device {
        device::login(option, &endpoints, arguments.timeout).await?
    } else {
        browser::login(option, &endpoints, !arguments.no_browser, arguments.timeout).await?
    };
    session.issuer.clone_from(&option.name);
    session.client_id.clone_from(&option.client_id);
    session.token_endpoint = endpoints.token.to_string();
    session.revocation_endpoint = endpoints.revocation.as_ref().map(ToString::to_string);
    // Asked before it is kept: a login that the manager does not take is none.
    let caller: CallerView = Client::with_token(globals, session.token())?.get("/me").await?;
    session.user.clone_from(&caller.user);
    globals.sessions()?.keep(&server, session)?;
    output::result(arguments.output, &caller, |caller, _| {
        output::line(&printable(&format!("logged in with {server} as {}, in the role {}", caller.name, caller.role)))
    })
}

fn chosen<'o>(options: &'o [LoginOption], wanted: Option<&str>, server: &str) -> Result<&'o LoginOption, Failure> {
    let names = || options.iter().map(|option| option.name.as_str());
    match (wanted, options) {
        (_, []) => Err(Failure::usage(format!("the manager at {server} knows no issuer to log in with"))
            .hint("give a token in DOORSTEP_TOKEN, or have an administrator add login to the identity file")),
        (Some(name), _) => options.iter().find(|option| option.name == name).ok_or_else(|| {
            Failure::usage(format!("the manager knows no issuer {name}{}", did_you_mean(name, names())))
        }),
        (None, [only]) => Ok(only),
        (None, _) => Err(Failure::usage("the manager knows several issuers to log in with")
            .hint(format!("choose one with --issuer: {}", names().collect::<Vec<_>>().join(", ")))),
    }
}

/// Forgets the login with the manager, and gives its token back where the issuer takes it.
pub(super) async fn logout(globals: &Globals, arguments: &Logout) -> Result<(), Failure> {
    let server = globals.server()?;
    let told = |was: bool| {
        let outcome = serde_json::json!({"server": server, "wasLoggedIn": was});
        output::result(arguments.output, &outcome, |_, _| match was {
            true => output::line(&format!("logged out of {server}")),
            false => {
                output::remark(&format!("you were not logged in with {server}"));
                Ok(())
            }
        })
    };
    let Some(session) = globals.sessions()?.forget(&server)? else { return told(false) };
    if let (Some(url), Some(refresh)) = (&session.revocation_endpoint, &session.refresh_token) {
        // The login is forgotten here already; what the issuer keeps ends by itself.
        if let Err(error) = give_back(&session.token_endpoint, url, refresh, &session.client_id).await {
            output::remark(&format!("the issuer {} was not told: {error}", session.issuer));
        }
    }
    told(true)
}

async fn give_back(
    token_endpoint: &str,
    url: &str,
    refresh: &str,
    client_id: &str,
) -> Result<(), crate::identity::FetchError> {
    let endpoints = Endpoints::known(token_endpoint, Some(url))?;
    if let Some(url) = &endpoints.revocation {
        let form = [("token", refresh), ("token_type_hint", "refresh_token"), ("client_id", client_id)];
        endpoints.post(url, &form).await?;
    }
    Ok(())
}

/// Says who the manager takes one for.
pub(super) async fn whoami(globals: &Globals, arguments: &WhoAmI) -> Result<(), Failure> {
    let caller: CallerView = Client::new(globals)?.get("/me").await?;
    output::result(arguments.output, &caller, show)
}

fn show(caller: &CallerView, wide: bool) -> Result<(), Failure> {
    let reach = if caller.reaches_everyone { "everybody's environments" } else { "the own environments" };
    let facts = [
        ("Name", caller.name.clone()),
        ("User", caller.user.clone().unwrap_or_default()),
        ("Role", caller.role.clone()),
        ("Reach", if caller.teams.is_empty() { reach.to_owned() } else { format!("{reach}, and those of teams") }),
        ("Teams", caller.teams.join(", ")),
        ("Scopes", caller.scopes.join(", ")),
        ("Through", caller.through.clone()),
        ("Until", caller.expires_at.clone().unwrap_or_default()),
        ("Subject", if wide { caller.subject.clone() } else { String::new() }),
        ("May", if wide { caller.may.join(", ") } else { String::new() }),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        output::line(&format!("{:<10}{}", format!("{name}:"), printable(value)))?;
    }
    Ok(())
}

/// What an issuer refused with (RFC 6749, section 5.2).
fn refused(answer: &Map<String, Value>) -> Failure {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let more = text("error_description").map(|more| format!(": {more}")).unwrap_or_default();
    let said = format!("the issuer refused the login: {}{more}", text("error").unwrap_or("it does not say why"));
    Failure::new(Exit::Unreachable, said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str) -> LoginOption {
        LoginOption {
            name: name.to_owned(),
            issuer: "https://issuer".to_owned(),
            discovery: "https://issuer/x".to_owned(),
            client_id: "cli".to_owned(),
            scopes: Vec::new(),
            presents: "access-token".to_owned(),
            redirect_host: "127.0.0.1".to_owned(),
        }
    }

    #[test]
    fn an_issuer_is_chosen_by_name_or_is_the_only_one() {
        let (one, two) = ([option("entra")], [option("entra"), option("keycloak")]);
        assert_eq!(chosen(&one, None, "s").unwrap().name, "entra");
        assert_eq!(chosen(&two, Some("keycloak"), "s").unwrap().name, "keycloak");
        let said = |options: &[LoginOption], wanted| chosen(options, wanted, "s").unwrap_err();
        assert!(said(&two, None).hints[0].contains("entra, keycloak"));
        assert!(said(&two, Some("entr")).sentence.contains("did you mean \"entra\"?"));
        assert!(said(&[], None).sentence.contains("knows no issuer"));
    }
}
