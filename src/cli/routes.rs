//! `doorstep routes`: the table of the gateway.

use super::client::Client;
use super::exit::Failure;
use super::globals::Globals;
use super::output::{self, Format};
use super::pages;
use super::table::{Cell, Table, Tone};
use crate::api::{RouteList, RouteView};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only hosts that hold this text
    host: Option<String>,
    /// Only rules from this kind of object: Service, Ingress, file
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only rules from objects of this namespace
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Only rules of environments of this class
    #[arg(short, long, value_name = "CLASS")]
    class: Option<String>,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let client = Client::new(globals)?;
    let filters = [
        ("host", &arguments.host),
        ("kind", &arguments.kind),
        ("namespace", &arguments.namespace),
        ("class", &arguments.class),
    ];
    let query = pages::query(&filters.map(|(name, value)| (name, value.as_deref())));
    let all: RouteList = pages::all(&client, "/routes", &query).await?;
    output::result(arguments.output, &all, table)
}

fn table(routes: &RouteList, wide: bool) -> Result<(), Failure> {
    if routes.items.is_empty() {
        output::remark("There are no such routes.");
    } else {
        let extra = if wide { &["FILTERS", "ENVIRONMENT"][..] } else { &[] };
        let mut table = Table::new(["HOST", "MATCHES", "TO", "ENDPOINTS", "FROM"].iter().chain(extra).copied());
        for route in &routes.items {
            table.row(row(route, wide));
        }
        output::table(&table, wide)?;
    }
    for problem in &routes.problems {
        let source = &problem.source;
        output::remark(&format!("{} {}/{}: {}", source.kind, source.namespace, source.name, problem.message));
    }
    Ok(())
}

fn row(route: &RouteView, wide: bool) -> Vec<Cell> {
    let to: Vec<&str> = route.backends.iter().map(|backend| backend.cluster.as_str()).collect();
    let usable: usize = route.backends.iter().map(|backend| backend.usable_endpoints).sum();
    let tone = if usable == 0 && !route.backends.is_empty() { Tone::Bad } else { Tone::Good };
    let source = &route.source;
    let place = if source.namespace.is_empty() { String::new() } else { format!("{}/", source.namespace) };
    let mut row: Vec<Cell> = vec![
        route.host.as_str().into(),
        route.matches.as_str().into(),
        to.join(", ").into(),
        Cell::toned(usable.to_string(), tone),
        format!("{} {place}{}", source.kind, source.name).into(),
    ];
    if wide {
        row.extend([route.filters.join(", ").into(), route.environment.as_deref().unwrap_or("-").into()]);
    }
    row
}
