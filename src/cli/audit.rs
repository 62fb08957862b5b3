//! `doorstep audit`: what was done by whom; `audit export`, `audit verify`.

use super::client::Client;
use super::exit::{Exit, Failure};
use super::globals::Globals;
use super::output::{self, Format};
use super::pages;
use super::table::{Cell, Table, Tone};
use crate::api::{AuditList, AuditRecord, ChainView};
use crate::store::ChainPlace;
use clap::{Args, Subcommand, ValueEnum};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    filter: Filter,
    /// The most records
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    limit: u64,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write all records that are asked for, as CSV or a JSON object per line
    Export(Export),
    /// Go along the chain of records: tells which was removed, changed or moved
    Verify(Verify),
}

#[derive(Debug, Args)]
struct Export {
    #[command(flatten)]
    filter: Filter,
    /// The form
    #[arg(long, value_name = "FORM", default_value = "csv")]
    format: Form,
    /// The new file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Verify {
    /// A head of earlier, which has to be in the chain still
    #[arg(long, value_name = "NUMBER:HASH")]
    noted: Option<ChainPlace>,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    /// Comma-separated values (RFC 4180)
    Csv,
    /// A JSON object per line
    Jsonl,
}

/// Which records. The server checks each.
#[derive(Debug, Args)]
struct Filter {
    /// Only what this one did, by the name that never changes
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Only what was done to this user's environments
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only what was done to environments of this class, or to the class
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// Only what is done so, like 'PUT /environments/{user}/{class}'
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what came to this: done, refused, failed or interrupted
    #[arg(long, value_name = "RESULT")]
    result: Option<String>,
    /// Only this request
    #[arg(long, value_name = "ID")]
    request: Option<String>,
    /// Not before this, like 2026-11-25T08:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The oldest first
    #[arg(long)]
    oldest: bool,
}

impl Filter {
    fn query(&self) -> String {
        pages::query(&[
            ("subject", self.subject.as_deref()),
            ("user", self.user.as_deref()),
            ("class", self.class.as_deref()),
            ("action", self.action.as_deref()),
            ("result", self.result.as_deref()),
            ("request", self.request.as_deref()),
            ("from", self.from.as_deref()),
            ("until", self.until.as_deref()),
            ("sort", self.oldest.then_some("at")),
        ])
    }
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let client = Client::new(globals)?;
    match &arguments.command {
        Some(Command::Export(export)) => write(&client, export).await,
        Some(Command::Verify(verify)) => chain(&client, verify).await,
        None => {
            let wanted = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
            let list: AuditList = pages::first(&client, "/audit", &arguments.filter.query(), wanted).await?;
            output::result(arguments.output, &list, table)
        }
    }
}

fn table(list: &AuditList, wide: bool) -> Result<(), Failure> {
    if list.items.is_empty() {
        output::remark("There are no such records.");
        return Ok(());
    }
    let extra = if wide { &["FROM", "REQUEST", "SAID"][..] } else { &[] };
    let mut table = Table::new(["NO", "TIME", "WHO", "STEP", "ACTION", "PATH", "RESULT"].iter().chain(extra).copied());
    for record in &list.items {
        let mut row: Vec<Cell> = vec![
            record.seq.to_string().into(),
            record.at.get(..19).unwrap_or(&record.at).into(),
            if wide { record.subject.as_str() } else { record.name.as_str() }.into(),
            record.step.as_str().into(),
            record.action.split(' ').next().unwrap_or_default().into(),
            record.path.as_str().into(),
            result(record),
        ];
        if wide {
            row.extend([
                record.origin.as_str().into(),
                record.request.as_str().into(),
                record.said.as_deref().unwrap_or("-").into(),
            ]);
        }
        table.row(row);
    }
    output::table(&table, wide)
}

fn result(record: &AuditRecord) -> Cell {
    match record.result.as_deref() {
        Some("done") => Cell::toned("done", Tone::Good),
        Some(other) => Cell::toned(other, Tone::Bad),
        None => "-".into(),
    }
}

async fn write(client: &Client, export: &Export) -> Result<(), Failure> {
    let form = match export.format {
        Form::Csv => "csv",
        Form::Jsonl => "jsonl",
    };
    let mut response = client.stream(&format!("/audit?format={form}&{}", export.filter.query())).await?;
    let mut file = export.to.as_deref().map(create).transpose()?;
    while let Some(chunk) = response.chunk().await.map_err(|error| client.broken(&error))? {
        match &mut file {
            Some((file, path)) => file.write_all(&chunk).map_err(|error| unwritable(path, &error))?,
            None => output::raw(&chunk)?,
        }
    }
    if let Some((file, path)) = file {
        file.sync_all().map_err(|error| unwritable(path, &error))?;
    }
    Ok(())
}

fn create(path: &Path) -> Result<(std::fs::File, &Path), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.map(|file| (file, path)).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{} cannot be written: {error}", path.display()))
}

async fn chain(client: &Client, verify: &Verify) -> Result<(), Failure> {
    let noted = verify.noted.as_ref().map(|noted| format!("?noted={noted}")).unwrap_or_default();
    let view: ChainView = client.get(&format!("/audit/chain{noted}")).await?;
    output::result(verify.output, &view, |view, _| {
        let whole = if view.whole { "whole" } else { "broken" };
        output::line(&format!(
            "the chain is {whole}: {} records from {} on; head {}",
            view.records, view.first, view.head
        ))
    })?;
    match view.faults.split_first() {
        None => Ok(()),
        Some((first, rest)) => {
            let failure = Failure::new(Exit::Failed, format!("the chain of the audit is broken: {first}"));
            Err(rest.iter().fold(failure, |failure, fault| failure.hint(format!("  {fault}"))))
        }
    }
}
