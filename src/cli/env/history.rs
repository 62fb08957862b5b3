//! `doorstep env history CLASS`.

use super::Which;
use crate::api::{ParameterChange, RevisionList};
use crate::cli::client::{Client, path_of};
use crate::cli::exit::Failure;
use crate::cli::globals::Globals;
use crate::cli::output::{self, Format};
use crate::cli::pages;
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::text::age;
use clap::Args;
use jiff::Timestamp;

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
    let revisions: RevisionList =
        pages::all(&Client::new(globals)?, &format!("{}/revisions", path_of(&key)), "").await?;
    output::result(arguments.output, &revisions, table)
}

fn table(revisions: &RevisionList, _wide: bool) -> Result<(), Failure> {
    if revisions.items.is_empty() {
        output::remark("There are no revisions yet.");
        return Ok(());
    }
    let mut table = Table::new(["REVISION", "CURRENT", "AGE", "CHANGES"]);
    let now = Timestamp::now();
    for revision in &revisions.items {
        let current = if revision.current { Cell::toned("yes", Tone::Good) } else { "".into() };
        let said: Vec<String> = revision.changes.iter().map(change).collect();
        let said = if said.is_empty() { "the class changed".to_owned() } else { said.join(", ") };
        table.row([
            revision.number.to_string().into(),
            current,
            age(revision.created_at.as_deref(), now).into(),
            said.into(),
        ]);
    }
    output::table(&table, false)
}

/// `TAG_FRONT 1 → 2`.
fn change(change: &ParameterChange) -> String {
    let (name, to) = (&change.name, change.to.as_deref().unwrap_or("(none)"));
    match &change.from {
        Some(from) => format!("{name} {from} → {to}"),
        None => format!("{name} {to}"),
    }
}
