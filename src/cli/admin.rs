//! `doorstep admin backup|restore|check`: the store, without its manager.

use super::exit::{Exit, Failure};
use super::globals::Globals;
use super::output::{self, Format};
use super::store::StoreArguments;
use super::table::{Cell, Table};
use crate::store::{BackupInfo, ChainPlace, Checked, Store, StoreError, Target, Who};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write all that the store holds to a new file, while its manager works on
    Backup(Backup),
    /// Put what a backup holds into an empty store that no manager uses
    Restore(Restore),
    /// Go through the store, or through a backup: its schema, its tables, and the chain of the audit
    Check(Check),
}

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to write; it must not be there yet
    file: PathBuf,
    #[command(flatten)]
    store: StoreArguments,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
    /// Give up what the store holds now
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    store: StoreArguments,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Check this backup in the place of the store
    #[arg(long, value_name = "FILE", conflicts_with_all = ["store", "store_file", "noted"])]
    backup: Option<PathBuf>,
    /// A place in the chain that was noted earlier, which has to be in it still
    #[arg(long, value_name = "NUMBER:HASH")]
    noted: Option<ChainPlace>,
    #[command(flatten)]
    store: StoreArguments,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Backup(arguments) => backup(globals, arguments).await,
        Command::Restore(arguments) => restore(globals, arguments).await,
        Command::Check(arguments) => check(globals, arguments).await,
    }
}

async fn backup(globals: &Globals, arguments: &Backup) -> Result<(), Failure> {
    let url = arguments.store.url(&globals.data()?)?;
    let store = Store::look(&url).await.map_err(|error| failed(&error))?;
    let info = store.backup(&arguments.file, Timestamp::now()).await.map_err(|error| failed(&error))?;
    let file = arguments.file.display().to_string();
    output::result(arguments.output, &told(&info, &file), |_, _| {
        output::line(&format!("{file}: {} rows of {}, as of {:.0}", info.rows, store.place(), info.at))
    })
}

async fn restore(globals: &Globals, arguments: &Restore) -> Result<(), Failure> {
    let url = arguments.store.url(&globals.data()?)?;
    let (store, info) =
        Store::restore(&url, &arguments.file, arguments.replace).await.map_err(|error| failed(&error))?;
    let name = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
    let name = name.unwrap_or_else(|| nix::unistd::getuid().to_string());
    let who = Who { subject: format!("system/{name}"), name, through: "command line".to_owned() };
    let said = format!("the backup of {} was restored", info.at);
    let target = Target { path: "admin restore".to_owned(), ..Target::default() };
    store.audit().note(Timestamp::now(), who, "admin restore", target, said).await.map_err(|error| failed(&error))?;
    let file = arguments.file.display().to_string();
    let outcome = output::result(arguments.output, &told(&info, &file), |_, _| {
        output::line(&format!("{}: {} rows of {file}, as of {:.0}", store.place(), info.rows, info.at))
    });
    store.close().await;
    outcome
}

fn told(info: &BackupInfo, file: &str) -> serde_json::Value {
    json!({"file": file, "at": info.at, "schema": info.schema, "rows": info.rows})
}

async fn check(globals: &Globals, arguments: &Check) -> Result<(), Failure> {
    if let Some(file) = &arguments.backup {
        let info = Store::read_backup(file).map_err(|error| failed(&error))?;
        let name = file.display().to_string();
        return output::result(arguments.output, &told(&info, &name), |_, _| {
            output::line(&format!("{name}: whole, {} rows as of {:.0}, schema {}", info.rows, info.at, info.schema))
        });
    }
    let url = arguments.store.url(&globals.data()?)?;
    let store = Store::look(&url).await.map_err(|error| failed(&error))?;
    let checked = store.check(arguments.noted.as_ref()).await.map_err(|error| failed(&error))?;
    let audit = &checked.audit;
    let faults: Vec<String> = audit.faults.iter().map(ToString::to_string).collect();
    let tables: serde_json::Map<_, _> =
        checked.tables.iter().map(|(table, rows)| (table.clone(), json!(rows))).collect();
    let value = json!({"store": checked.place, "schema": checked.schema, "tables": tables,
        "audit": {"records": audit.records, "first": audit.first, "head": audit.head, "faults": faults}});
    output::result(arguments.output, &value, |_, _| show(&checked))?;
    match faults.split_first() {
        None => Ok(()),
        Some((first, rest)) => {
            let failure = Failure::new(Exit::Failed, format!("the chain of the audit is broken: {first}"));
            Err(rest.iter().fold(failure, |failure, fault| failure.hint(format!("  {fault}"))))
        }
    }
}

fn show(checked: &Checked) -> Result<(), Failure> {
    let audit = &checked.audit;
    output::line(&format!("{}: schema {}", checked.place, checked.schema))?;
    let mut table = Table::new(["TABLE", "ROWS"]);
    for (name, rows) in &checked.tables {
        table.row([Cell::from(name.as_str()), rows.to_string().into()]);
    }
    output::table(&table, false)?;
    let (first, head) = (audit.first, &audit.head);
    output::line(&format!("audit: {} records from {first} on; head {}:{}", audit.records, head.seq, head.hash))
}

fn failed(error: &StoreError) -> Failure {
    let exit = match error {
        StoreError::Url(_) | StoreError::UrlFile { .. } => Exit::Usage,
        StoreError::Unavailable { .. } | StoreError::Denied { .. } | StoreError::Untrusted { .. } => Exit::Unreachable,
        StoreError::Missing { .. } => Exit::NotFound,
        StoreError::Full { .. }
        | StoreError::Locked { .. }
        | StoreError::InUse { .. }
        | StoreError::ReadOnly { .. }
        | StoreError::NewerSchema { .. }
        | StoreError::OlderSchema { .. }
        | StoreError::Foreign { .. }
        | StoreError::Corrupt { .. }
        | StoreError::Backup { .. }
        | StoreError::Failed { .. } => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}
