//! `doorstep env list`.

use super::ready;
use crate::api::EnvironmentList;
use crate::cli::client::Client;
use crate::cli::exit::Failure;
use crate::cli::globals::{self, Globals};
use crate::cli::output::{self, Format};
use crate::cli::table::{Cell, Table};
use crate::cli::text::age;
use crate::model::ClassName;
use clap::Args;
use jiff::Timestamp;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Only this user's
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Only those of this class
    #[arg(short, long, value_name = "CLASS")]
    class: Option<String>,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let mut query = Vec::new();
    if let Some(user) = &arguments.user {
        query.push(format!("user={}", globals::user(Some(user))?));
    }
    if let Some(class) = &arguments.class {
        let class = class.parse::<ClassName>().map_err(|error| Failure::usage(error.to_string()))?;
        query.push(format!("class={class}"));
    }
    query.push("limit=500".to_owned());
    let client = Client::new(globals)?;
    let mut environments: EnvironmentList = client.get(&format!("/environments?{}", query.join("&"))).await?;
    while let Some(next) = environments.next.take() {
        let page: EnvironmentList = client.get(&format!("/environments?{}&cursor={next}", query.join("&"))).await?;
        environments.items.extend(page.items);
        environments.next = page.next;
    }
    output::result(arguments.output, &environments, table)
}

fn table(environments: &EnvironmentList, wide: bool) -> Result<(), Failure> {
    if environments.items.is_empty() {
        output::remark("There are no environments. Make one with: doorstep env deploy CLASS -p NAME=VALUE …");
        return Ok(());
    }
    let extra = if wide { &["REVISION", "PODS", "PARAMETERS"][..] } else { &[] };
    let head = ["USER", "CLASS", "READY", "REASON", "AGE", "URL"];
    let mut table = Table::new(head.iter().chain(extra).copied());
    let now = Timestamp::now();
    for environment in &environments.items {
        let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let mut row: Vec<Cell> = vec![
            environment.user.as_str().into(),
            environment.class.as_str().into(),
            ready(environment),
            environment.reason.as_str().into(),
            age(environment.created_at.as_deref(), now).into(),
            environment.url.as_deref().unwrap_or("-").into(),
        ];
        if wide {
            let parameters = environment.parameters.iter().map(|(name, value)| format!("{name}={value}"));
            let (ready, all) = (environment.ready_replicas.unwrap_or_default(), environment.replicas.map(i64::from));
            row.push(number(environment.revision).into());
            row.push(format!("{ready}/{}", number(all)).into());
            row.push(parameters.collect::<Vec<_>>().join(" ").into());
        }
        table.row(row);
    }
    output::table(&table)
}
