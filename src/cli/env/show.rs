//! `doorstep env show CLASS`.

use super::{Which, pods};
use crate::api::{EnvironmentView, EventList, PodList};
use crate::cli::client::{Client, path_of};
use crate::cli::exit::Failure;
use crate::cli::globals::Globals;
use crate::cli::output::{self, Format};
use crate::cli::pages;
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::text::{age, printable};
use clap::Args;
use jiff::Timestamp;

/// The newest events that are shown.
const EVENTS: usize = 10;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let key = arguments.which.key(globals)?;
    let (client, path) = (Client::new(globals)?, path_of(&key));
    let environment: EnvironmentView = client.get(&path).await?;
    if !matches!(arguments.output, Format::Table | Format::Wide) {
        return output::result(arguments.output, &environment, |_, _| Ok(()));
    }
    facts(&environment)?;
    let all: PodList = pages::all(&client, &format!("{path}/pods"), "").await?;
    output::line("\nPods:")?;
    pods::table(&all, arguments.output == Format::Wide)?;
    for pod in all.items.iter().filter(|pod| pod.failing) {
        let exit = pod.last_exit.as_ref().map(|exit| format!(", last ended with {exit}")).unwrap_or_default();
        output::line(&printable(&format!("{} is failing: {}{exit}", pod.name, pod.status)))?;
    }
    let happened: EventList = pages::first(&client, &format!("{path}/events"), "sort=-at", EVENTS).await?;
    events(&happened)
}

fn facts(environment: &EnvironmentView) -> Result<(), Failure> {
    let parameters: Vec<String> =
        environment.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let state = if environment.ready { "yes" } else { "no" };
    let facts = [
        ("User", environment.user.clone()),
        ("Class", environment.class.clone()),
        ("URL", environment.url.clone().unwrap_or_default()),
        ("Ready", format!("{state}: {}: {}", environment.reason, environment.message)),
        ("Parameters", parameters.join(" ")),
        ("Revision", environment.revision.map(|revision| revision.to_string()).unwrap_or_default()),
        ("Age", age(environment.created_at.as_deref(), Timestamp::now())),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        output::line(&format!("{:<12}{}", format!("{name}:"), printable(value)))?;
    }
    output::line("\nConditions:")?;
    let mut table = Table::new(["TYPE", "STATUS", "REASON", "MESSAGE"]);
    for condition in &environment.conditions {
        let cells = [&condition.kind, &condition.status, &condition.reason, &condition.message];
        table.row(cells.map(|text| Cell::from(text.as_str())));
    }
    output::table(&table, false)
}

fn events(events: &EventList) -> Result<(), Failure> {
    if events.items.is_empty() {
        return Ok(());
    }
    output::line("\nEvents:")?;
    let mut table = Table::new(["AGE", "TYPE", "REASON", "OBJECT", "MESSAGE"]);
    let now = Timestamp::now();
    for event in events.items.iter().rev() {
        let tone = if event.kind == "Warning" { Tone::Bad } else { Tone::Plain };
        table.row([
            age(event.at.as_deref(), now).into(),
            Cell::toned(event.kind.as_str(), tone),
            event.reason.as_str().into(),
            event.object.as_str().into(),
            event.message.as_str().into(),
        ]);
    }
    output::table(&table, false)
}
