//! `doorstep env pods CLASS`.

use super::Which;
use crate::api::{PodList, PodView};
use crate::cli::client::{Client, path_of};
use crate::cli::exit::Failure;
use crate::cli::globals::Globals;
use crate::cli::output::{self, Format};
use crate::cli::pages;
use crate::cli::table::{Cell, Table, Tone};
use crate::cli::text::{age, cores, mebibytes};
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
    let pods: PodList = pages::all(&Client::new(globals)?, &format!("{}/pods", path_of(&key)), "").await?;
    output::result(arguments.output, &pods, table)
}

/// The pods as people look at them.
pub(super) fn table(pods: &PodList, wide: bool) -> Result<(), Failure> {
    if pods.items.is_empty() {
        output::remark("There are no pods.");
        return Ok(());
    }
    let extra = if wide {
        &["ADDRESS", "LAST EXIT", "CPU REQUEST", "CPU LIMIT", "MEMORY REQUEST", "MEMORY LIMIT"][..]
    } else {
        &[]
    };
    let head = ["NAME", "NODE", "READY", "STATUS", "RESTARTS", "AGE", "CPU", "MEMORY"];
    let mut table = Table::new(head.iter().chain(extra).copied());
    let now = Timestamp::now();
    for pod in &pods.items {
        let mut row: Vec<Cell> = vec![
            pod.name.as_str().into(),
            pod.node.as_deref().unwrap_or("-").into(),
            format!("{}/{}", pod.ready_containers, pod.containers).into(),
            status(pod),
            restarts(pod, now).into(),
            age(pod.created_at.as_deref(), now).into(),
            cores(pod.cpu_cores).into(),
            mebibytes(pod.memory_bytes).into(),
        ];
        if wide {
            row.push(pod.address.as_deref().unwrap_or("-").into());
            row.push(last_exit(pod, now).map_or_else(|| "-".into(), |exit| exit.as_str().into()));
            row.extend(
                [cores(pod.requests.cpu_cores), cores(pod.limits.cpu_cores)].iter().map(|text| text.as_str().into()),
            );
            let memory = [mebibytes(pod.requests.memory_bytes), mebibytes(pod.limits.memory_bytes)];
            row.extend(memory.iter().map(|text| text.as_str().into()));
        }
        table.row(row);
    }
    if let Some(reason) = &pods.metrics.reason {
        output::remark(&format!("CPU and memory are not known: {reason}"));
    }
    output::table(&table, wide)
}

/// As kubectl prints them: with the time of the last one, where there was one.
fn restarts(pod: &PodView, now: Timestamp) -> String {
    match &pod.last_exit_at {
        Some(at) if pod.restarts > 0 => format!("{} ({} ago)", pod.restarts, age(Some(at), now)),
        Some(_) | None => pod.restarts.to_string(),
    }
}

/// How a container of the pod ended last, and how long ago.
fn last_exit(pod: &PodView, now: Timestamp) -> Option<String> {
    let exit = pod.last_exit.as_deref()?;
    let ago = pod.last_exit_at.as_deref().map(|at| format!(", {} ago", age(Some(at), now)));
    Some(format!("{exit}{}", ago.unwrap_or_default()))
}

fn status(pod: &PodView) -> Cell {
    let tone = match pod.status.as_str() {
        _ if pod.failing => Tone::Bad,
        "Running" if pod.ready_containers == pod.containers => Tone::Good,
        _ => Tone::Waiting,
    };
    Cell::toned(pod.status.as_str(), tone)
}
