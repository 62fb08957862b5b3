//! `doorstep webhook`: who is told of what happens to environments.

use super::client::Client;
use super::exit::Failure;
use super::globals::Globals;
use super::output::{self, Format};
use super::pages;
use super::table::{Cell, Table, Tone};
use crate::api::{DeliveryList, WebhookCreated, WebhookInput, WebhookList, WebhookView};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the webhooks
    List(Output),
    /// Make one; its secret is shown now and never again
    Create(Create),
    /// Show one
    Show(One),
    /// Have one told again
    Enable(One),
    /// Have one told no more; what happens meanwhile is not kept for it
    Disable(One),
    /// Take one away, with what it was still to be told
    Delete(Id),
    /// List what one is, or was, to be told, the newest first
    Deliveries(Deliveries),
    /// Have something sent once more that was given up, or made
    Resend(Resend),
}

#[derive(Debug, Args)]
pub(super) struct Output {
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// Where it is told: a URL that begins with https://
    url: String,
    /// Of what; once for each, or with commas between [default: everything]
    #[arg(long, value_name = "EVENT", value_delimiter = ',')]
    event: Vec<String>,
    /// Only of this user's environments
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only of environments of this class
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// Its name, as webhook list shows it
    id: String,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Id {
    /// Its name, as webhook list shows it
    id: String,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Deliveries {
    /// The webhook
    id: String,
    /// Only those that are waiting, delivered or dead
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// The most deliveries
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Resend {
    /// The webhook
    id: String,
    /// The delivery, as webhook deliveries shows it
    delivery: String,
    #[command(flatten)]
    output: Output,
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub(super) async fn run(globals: &Globals, command: &Command) -> Result<(), Failure> {
    let client = Client::new(globals)?;
    let path = |id: &str| format!("/webhooks/{}", encoded(id));
    match command {
        Command::List(output) => {
            let all: WebhookList = pages::all(&client, "/webhooks", "").await?;
            output::result(output.output, &all, |all, _| list(&all.items))
        }
        Command::Create(create) => {
            let Create { url, event, user, class, output } = create;
            let (url, events, user, class) = (url.clone(), event.clone(), user.clone(), class.clone());
            let input = WebhookInput { url, events, user, class, enabled: None };
            let made: WebhookCreated = client.post("/webhooks", &input).await?;
            output::result(output.output, &made, |made, _| {
                show(&made.webhook)?;
                output::remark("Keep the secret: it is not shown again.");
                Ok(())
            })
        }
        Command::Show(one) => {
            let webhook: WebhookView = client.get(&path(&one.id)).await?;
            output::result(one.output.output, &webhook, |webhook, _| show(webhook))
        }
        Command::Enable(one) => switch(&client, &path(&one.id), one, true).await,
        Command::Disable(one) => switch(&client, &path(&one.id), one, false).await,
        Command::Delete(Id { id, output }) => {
            client.delete(&path(id)).await?;
            told(output, &serde_json::json!({"id": id, "state": "deleted"}), &format!("The webhook {id} is gone."))
        }
        Command::Deliveries(wanted) => {
            let query = pages::query(&[("state", wanted.state.as_deref())]);
            let (path, most) = (format!("{}/deliveries", path(&wanted.id)), usize::from(wanted.limit));
            let all: DeliveryList = pages::first(&client, &path, &query, most).await?;
            output::result(wanted.output.output, &all, deliveries)
        }
        Command::Resend(Resend { id, delivery, output }) => {
            client.post_empty(&format!("{}/deliveries/{}:resend", path(id), encoded(delivery))).await?;
            let outcome = serde_json::json!({"id": delivery, "state": "waiting"});
            told(output, &outcome, &format!("{delivery} is sent once more."))
        }
    }
}

/// Tells what was done where the manager answers nothing.
fn told(output: &Output, outcome: &serde_json::Value, said: &str) -> Result<(), Failure> {
    output::result(output.output, outcome, |_, _| {
        output::remark(said);
        Ok(())
    })
}

async fn switch(client: &Client, path: &str, one: &One, enabled: bool) -> Result<(), Failure> {
    let WebhookView { url, events, user, class, .. } = client.get(path).await?;
    let input = WebhookInput { url, events, user, class, enabled: Some(enabled) };
    let webhook: WebhookView = client.put(path, &input).await?;
    output::result(one.output.output, &webhook, |webhook, _| show(webhook))
}

fn list(all: &[WebhookView]) -> Result<(), Failure> {
    if all.is_empty() {
        output::remark("There are no webhooks.");
        return Ok(());
    }
    let mut table = Table::new(["ID", "URL", "EVENTS", "USER", "CLASS", "ENABLED"]);
    for webhook in all {
        table.row([
            webhook.id.as_str().into(),
            webhook.url.as_str().into(),
            events(webhook).into(),
            webhook.user.as_deref().unwrap_or("-").into(),
            webhook.class.as_deref().unwrap_or("-").into(),
            if webhook.enabled { Cell::toned("yes", Tone::Good) } else { Cell::toned("no", Tone::Bad) },
        ]);
    }
    output::table(&table, false)
}

fn events(webhook: &WebhookView) -> String {
    if webhook.events.is_empty() { "all".to_owned() } else { webhook.events.join(",") }
}

fn show(webhook: &WebhookView) -> Result<(), Failure> {
    let facts = [
        ("ID", webhook.id.clone()),
        ("URL", webhook.url.clone()),
        ("Events", events(webhook)),
        ("User", webhook.user.clone().unwrap_or_default()),
        ("Class", webhook.class.clone().unwrap_or_default()),
        ("Enabled", if webhook.enabled { "yes" } else { "no" }.to_owned()),
        ("Secret", webhook.secret.clone()),
        ("Made by", webhook.created_by.clone()),
        ("Made at", webhook.created_at.clone()),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        output::line(&format!("{:<10}{}", format!("{name}:"), super::text::printable(value)))?;
    }
    Ok(())
}

fn deliveries(all: &DeliveryList, wide: bool) -> Result<(), Failure> {
    if all.items.is_empty() {
        output::remark("There are no such deliveries.");
        return Ok(());
    }
    let extra = if wide { &["NEXT", "SAID"][..] } else { &[] };
    let mut table = Table::new(["ID", "EVENT", "TIME", "STATE", "TRIES"].iter().chain(extra).copied());
    for delivery in &all.items {
        let tone = match delivery.state.as_str() {
            "delivered" => Tone::Good,
            "waiting" => Tone::Waiting,
            _ => Tone::Bad,
        };
        let mut row: Vec<Cell> = vec![
            delivery.id.as_str().into(),
            delivery.kind.as_str().into(),
            delivery.at.get(..19).unwrap_or(&delivery.at).into(),
            Cell::toned(delivery.state.as_str(), tone),
            delivery.attempts.to_string().into(),
        ];
        if wide {
            row.extend([
                delivery.next_at.as_deref().unwrap_or("-").into(),
                delivery.last_said.as_deref().unwrap_or("-").into(),
            ]);
        }
        table.row(row);
    }
    output::table(&table, wide)
}
