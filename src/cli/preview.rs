//! `doorstep preview FILE`: what manifests would add to the gateway's table, shadow in it and break.

use super::client::Client;
use super::exit::{Exit, Failure};
use super::globals::Globals;
use super::output::{self, Format};
use super::table::{Cell, Table, Tone};
use crate::api::{PreviewInput, PreviewResult, RouteView};
use crate::config;
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Manifests of Services, Ingresses and EnvironmentClasses, in YAML or JSON
    file: PathBuf,
    /// End with code 1 where something would break
    #[arg(long)]
    strict: bool,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let text = config::read_file(&arguments.file).map_err(|errors| Failure::usage(errors.to_string()))?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| {
        let said = error.to_string();
        let first = said.lines().next().unwrap_or_default();
        Failure::usage(format!("{} is no valid YAML: {first}", arguments.file.display()))
    })?;
    let manifests = documents.into_iter().filter(|document| !document.is_null()).collect();
    let result: PreviewResult = Client::new(globals)?.post("/routes:preview", &PreviewInput { manifests }).await?;
    output::result(arguments.output, &result, |result, _| tell(result))?;
    match result.breaks.len() {
        0 => Ok(()),
        count if arguments.strict => Err(Failure::new(Exit::Failed, format!("{count} things would break"))),
        _ => Ok(()),
    }
}

fn tell(result: &PreviewResult) -> Result<(), Failure> {
    let parts = [
        ("adds", Tone::Good, &result.adds),
        ("removes", Tone::Bad, &result.removes),
        ("shadows", Tone::Waiting, &result.shadows),
    ];
    if parts.iter().all(|(_, _, rules)| rules.is_empty()) {
        output::remark("No rule would be another one.");
    } else {
        let mut table = Table::new(["WHAT", "HOST", "MATCHES", "TO", "FROM"]);
        for (what, tone, rules) in parts {
            rules.iter().for_each(|rule| table.row(row(what, tone, rule)));
        }
        output::table(&table, false)?;
    }
    for (what, problems) in [("breaks", &result.breaks), ("mends", &result.mends)] {
        for problem in problems {
            let source = &problem.source;
            output::remark(&format!(
                "{what}: {} {}/{}: {}",
                source.kind, source.namespace, source.name, problem.message
            ));
        }
    }
    for ingress in &result.not_ours {
        output::remark(&format!("the Ingress {ingress} is for another controller"));
    }
    Ok(())
}

fn row(what: &'static str, tone: Tone, rule: &RouteView) -> [Cell; 5] {
    let to: Vec<&str> = rule.backends.iter().map(|backend| backend.cluster.as_str()).collect();
    let source = &rule.source;
    [
        Cell::toned(what, tone),
        rule.host.as_str().into(),
        rule.matches.as_str().into(),
        to.join(", ").into(),
        format!("{} {}/{}", source.kind, source.namespace, source.name).into(),
    ]
}
