//! `doorstep env bulk ACTION`: many environments at once, with a dry run.

use crate::api::{BulkExtendInput, BulkInput, BulkOutcome, BulkResult, Selector};
use crate::cli::client::Client;
use crate::cli::exit::{Exit, Failure};
use crate::cli::globals::{self, Globals};
use crate::cli::output::{self, Format};
use crate::cli::table::{Cell, Table, Tone};
use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// What is done to each
    action: Action,
    /// Only this user's
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Only those of this class
    #[arg(short, long, value_name = "CLASS")]
    class: Option<String>,
    /// Only those that are ready, or are not
    #[arg(long, value_name = "BOOL")]
    ready: Option<bool>,
    /// Only those that do not get better by themselves, or the others
    #[arg(long, value_name = "BOOL")]
    stalled: Option<bool>,
    /// All of them
    #[arg(long)]
    all: bool,
    /// For extend: this much longer, like 90m, 12h, 14d
    #[arg(long, value_name = "DURATION")]
    by: Option<String>,
    /// Only tell which ones it would be
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    /// Delete them with their pods
    Delete,
    /// Make their pods anew
    Restart,
    /// Send them to sleep
    Sleep,
    /// Wake them
    Wake,
    /// Keep them longer
    Extend,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Restart => "restart",
            Self::Sleep => "sleep",
            Self::Wake => "wake",
            Self::Extend => "extend",
        }
    }
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let user = arguments.user.as_deref().map(|user| globals::user(Some(user))).transpose()?;
    let selector = Selector {
        user: user.map(|user| user.to_string()),
        class: arguments.class.clone(),
        ready: arguments.ready,
        stalled: arguments.stalled,
        reason: None,
        all: arguments.all.then_some(true),
    };
    match (arguments.action, &arguments.by) {
        (Action::Extend, None) => return Err(Failure::usage("extend needs to know by how much: --by 24h")),
        (Action::Delete | Action::Restart | Action::Sleep | Action::Wake, Some(_)) => {
            return Err(Failure::usage("--by goes with extend alone"));
        }
        (Action::Extend, Some(_)) | (_, None) => {}
    }
    let client = Client::new(globals)?;
    if !arguments.dry_run {
        let planned = call(&client, arguments, &selector, true).await?;
        confirm(arguments, &planned)?;
    }
    let result = call(&client, arguments, &selector, arguments.dry_run).await?;
    output::result(arguments.output, &result, table)?;
    let failed = result.items.iter().filter(|item| item.outcome == BulkOutcome::Failed).count();
    if failed == 0 {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failed, format!("{failed} of {} failed", result.items.len())))
    }
}

fn confirm(arguments: &Arguments, planned: &BulkResult) -> Result<(), Failure> {
    let (count, action) = (planned.items.len(), arguments.action.as_str());
    if arguments.yes || count == 0 {
        return Ok(());
    }
    let names: Vec<&str> = planned.items.iter().take(5).map(|item| item.name.as_str()).collect();
    let more = if count > names.len() { ", …" } else { "" };
    match output::ask(&format!("{action} {count} environments: {}{more}?", names.join(", "))) {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(Exit::Failed, "nothing was changed")),
        None => {
            let said = format!("nobody can be asked whether to {action} {count} environments; say so with --yes");
            Err(Failure::usage(said).hint("or look first with --dry-run"))
        }
    }
}

async fn call(
    client: &Client,
    arguments: &Arguments,
    selector: &Selector,
    dry_run: bool,
) -> Result<BulkResult, Failure> {
    let (path, selector) = (format!("/environments:{}", arguments.action.as_str()), selector.clone());
    match arguments.action {
        Action::Extend => {
            let by = arguments.by.clone();
            client.post(&path, &BulkExtendInput { selector, dry_run, by, until: None }).await
        }
        Action::Delete | Action::Restart | Action::Sleep | Action::Wake => {
            client.post(&path, &BulkInput { selector, dry_run }).await
        }
    }
}

fn table(result: &BulkResult, _wide: bool) -> Result<(), Failure> {
    if result.items.is_empty() {
        output::remark("No environment is selected.");
        return Ok(());
    }
    let mut table = Table::new(["USER", "CLASS", "OUTCOME", "WHY"]);
    for item in &result.items {
        let outcome = match item.outcome {
            BulkOutcome::Planned => Cell::toned("planned", Tone::Waiting),
            BulkOutcome::Done => Cell::toned("done", Tone::Good),
            BulkOutcome::Unchanged => Cell::toned("unchanged", Tone::Plain),
            BulkOutcome::Failed => Cell::toned("failed", Tone::Bad),
        };
        let why = item.problem.as_ref().map(|problem| problem.detail.as_str()).unwrap_or_default();
        table.row([item.user.as_str().into(), item.class.as_str().into(), outcome, why.into()]);
    }
    output::table(&table, false)
}
