//! `doorstep token create|list|revoke`.

use super::client::Client;
use super::exit::Failure;
use super::globals::Globals;
use super::output::{self, Format};
use super::pages;
use super::table::{Cell, Table, Tone};
use super::text::{age, printable};
use crate::api::{MintedView, TokenInput, TokenList, TokenView};
use clap::{Args, Subcommand};
use jiff::Timestamp;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token; it is printed once and never again
    Create(Create),
    /// List one's own tokens
    List(List),
    /// Revoke a token, at once
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What it is for, in words
    name: String,
    /// Its role, not more than yours: viewer, user, team-admin or admin [default: yours]
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// What it may be used for: read, deploy, delete, tokens, administer; once for each [default: all that you may]
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// How long it lives, like 720h [default: what the manager says]
    #[arg(long, value_name = "DURATION")]
    lifetime: Option<String>,
    /// The form of the result; a table is the token alone
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Everybody's, for an administrator
    #[arg(long)]
    all: bool,
    /// Only those that are active, expired or revoked
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// The order: name, created; -name, -created backwards
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    sort: Option<String>,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The token's id, as the list has it; not the token itself
    id: String,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => create(globals, arguments).await,
        Command::List(arguments) => list(globals, arguments).await,
        Command::Revoke(arguments) => revoke(globals, arguments).await,
    }
}

async fn create(globals: &Globals, arguments: &Create) -> Result<(), Failure> {
    let input = TokenInput {
        name: arguments.name.clone(),
        role: arguments.role.clone(),
        scopes: Some(arguments.scopes.clone()).filter(|scopes| !scopes.is_empty()),
        lifetime: arguments.lifetime.clone(),
    };
    let made: MintedView = Client::new(globals)?.post("/tokens", &input).await?;
    output::result(arguments.output, &made, |made, _| {
        let end = made.record.expires_at.as_deref().unwrap_or("never");
        output::remark(&printable(&format!("token {} in the role {}, until {end}", made.record.id, made.record.role)));
        output::remark("It is printed now and never again:");
        output::line(&made.token)
    })
}

async fn list(globals: &Globals, arguments: &List) -> Result<(), Failure> {
    let fields = [
        ("all", arguments.all.then_some("true")),
        ("state", arguments.state.as_deref()),
        ("sort", arguments.sort.as_deref()),
    ];
    let tokens: TokenList = pages::all(&Client::new(globals)?, "/tokens", &pages::query(&fields)).await?;
    output::result(arguments.output, &tokens, table)
}

fn table(tokens: &TokenList, wide: bool) -> Result<(), Failure> {
    if tokens.items.is_empty() {
        output::remark("There are no such tokens. Make one with: doorstep token create NAME");
        return Ok(());
    }
    let extra = if wide { &["SCOPES", "USER", "SUBJECT", "BY"][..] } else { &[] };
    let mut table = Table::new(["ID", "NAME", "ROLE", "STATE", "AGE", "USED", "EXPIRES"].iter().chain(extra).copied());
    let now = Timestamp::now();
    for token in &tokens.items {
        let mut row: Vec<Cell> = vec![
            token.id.as_str().into(),
            token.name.as_str().into(),
            token.role.as_str().into(),
            state(token),
            age(Some(&token.created_at), now).into(),
            age(token.last_used_at.as_deref(), now).into(),
            token.expires_at.as_deref().unwrap_or("never").into(),
        ];
        if wide {
            row.push(token.scopes.join(",").into());
            row.push(token.user.as_deref().unwrap_or("-").into());
            row.extend([token.subject.as_str().into(), token.created_by.as_str().into()]);
        }
        table.row(row);
    }
    output::table(&table, wide)
}

fn state(token: &TokenView) -> Cell {
    let tone = if token.state == "active" { Tone::Good } else { Tone::Bad };
    Cell::toned(token.state.as_str(), tone)
}

async fn revoke(globals: &Globals, arguments: &Revoke) -> Result<(), Failure> {
    let id = arguments.id.as_str();
    if id.starts_with(crate::identity::PREFIX) {
        return Err(Failure::usage("that is a token itself; give its id, which begins with t")
            .hint("doorstep token list shows the ids"));
    }
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Failure::usage(format!("{} is no id of a token", crate::model::shown(id)))
            .hint("doorstep token list shows the ids"));
    }
    Client::new(globals)?.delete(&format!("/tokens/{id}")).await?;
    let revoked = serde_json::json!({"id": id, "state": "revoked"});
    output::result(arguments.output, &revoked, |_, _| output::line(&format!("revoked {id}")))
}
