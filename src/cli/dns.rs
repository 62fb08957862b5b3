//! `doorstep dns plan` and `doorstep dns verify`.

use super::client::Client;
use super::exit::{Exit, Failure};
use super::globals::Globals;
use super::output::{self, Format};
use super::table::{Cell, Table, Tone};
use crate::api::{DnsChange, DnsConfirmation, DnsPlan, DnsRefusal, DnsReport, DnsSet, DnsTrouble};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what would be changed in each zone, and confirm a plan that waits as it deletes much
    Plan(Plan),
    /// Look whether each name resolves; the exit code is 1 when one does not
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Confirm the plan with this fingerprint: exactly its deletions
    #[arg(long, value_name = "FINGERPRINT")]
    confirm: Option<String>,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Plan(Plan { confirm: Some(fingerprint), output }) => confirm(globals, fingerprint, *output).await,
        Command::Plan(Plan { confirm: None, output }) => plan(globals, *output).await,
        Command::Verify(Verify { output }) => verify(globals, *output).await,
    }
}

async fn plan(globals: &Globals, format: Format) -> Result<(), Failure> {
    let plan: DnsPlan = Client::new(globals)?.get("/dns/plan").await?;
    output::result(format, &plan, |plan, _| show_plan(plan))?;
    let failed: Vec<&str> =
        plan.zones.iter().filter(|zone| zone.failure.is_some()).map(|zone| zone.zone.as_str()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, format!("there is no plan for {}", failed.join(", "))))
}

fn show_plan(plan: &DnsPlan) -> Result<(), Failure> {
    let mut table = Table::new(["ZONE", "CHANGE", "NAME", "KIND", "BEFORE", "AFTER"]);
    let mut is_empty = true;
    for zone in &plan.zones {
        for change in &zone.changes {
            is_empty = false;
            table.row(row(&zone.zone, change));
        }
    }
    if is_empty {
        output::remark("Nothing would be changed.");
    } else {
        output::table(&table, false)?;
    }
    for zone in &plan.zones {
        for conflict in &zone.conflicts {
            output::remark(&format!("{}: {conflict}", zone.zone));
        }
        let waits = zone.refused.iter().map(|refused| refused.detail.as_str());
        for said in waits.chain(zone.failure.as_deref()) {
            output::remark(&format!("{}: {said}", zone.zone));
        }
    }
    tell_troubles(&plan.troubles);
    Ok(())
}

fn row(zone: &str, change: &DnsChange) -> [Cell; 6] {
    let values = |set: Option<&DnsSet>| {
        set.map_or_else(|| "-".to_owned(), |set| format!("{} ({}s)", set.values.join(","), set.ttl_seconds))
    };
    let set = change.after.as_ref().or(change.before.as_ref());
    let tone = if change.change == "delete" { Tone::Bad } else { Tone::Good };
    [
        zone.into(),
        Cell::toned(change.change.clone(), tone),
        set.map_or("-", |set| set.name.as_str()).into(),
        set.map_or("-", |set| set.kind.as_str()).into(),
        values(change.before.as_ref()).into(),
        values(change.after.as_ref()).into(),
    ]
}

fn tell_troubles(troubles: &[DnsTrouble]) {
    for trouble in troubles {
        output::remark(&format!("{}: {}", trouble.subject, trouble.detail));
    }
}

async fn confirm(globals: &Globals, fingerprint: &str, format: Format) -> Result<(), Failure> {
    let body = DnsConfirmation { fingerprint: fingerprint.to_owned() };
    let confirmed: DnsRefusal = Client::new(globals)?.post("/dns:confirm", &body).await?;
    output::result(format, &confirmed, |confirmed, _| output::line(&format!("{}.", confirmed.detail)))
}

async fn verify(globals: &Globals, format: Format) -> Result<(), Failure> {
    let report: DnsReport = Client::new(globals)?.post("/dns:verify", &serde_json::json!({})).await?;
    output::result(format, &report, |report, _| show_report(report))?;
    if report.is_right {
        return Ok(());
    }
    let wrong = report.sets.iter().filter(|set| set.resolves == Some(false)).count();
    let said = match (wrong, report.troubles.len()) {
        (wrong, 0) => format!("{wrong} of {} record sets do not resolve as they should", report.sets.len()),
        (0, troubles) => format!("{troubles} have no record"),
        (wrong, troubles) => format!(
            "{wrong} of {} record sets do not resolve as they should, and {troubles} have no record",
            report.sets.len()
        ),
    };
    Err(Failure::new(Exit::Failed, said))
}

fn show_report(report: &DnsReport) -> Result<(), Failure> {
    if report.sets.is_empty() {
        output::remark("There is no record that should resolve.");
    } else {
        let mut table = Table::new(["NAME", "KIND", "VALUES", "RESOLVES", "DETAIL"]);
        for check in &report.sets {
            let resolves = match check.resolves {
                Some(true) => Cell::toned("yes", Tone::Good),
                Some(false) => Cell::toned("no", Tone::Bad),
                None => "unknown".into(),
            };
            table.row([
                check.set.name.as_str().into(),
                check.set.kind.as_str().into(),
                check.set.values.join(",").into(),
                resolves,
                check.detail.as_str().into(),
            ]);
        }
        output::table(&table, false)?;
    }
    tell_troubles(&report.troubles);
    Ok(())
}
