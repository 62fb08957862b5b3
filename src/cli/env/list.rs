//! `doorstep env list`.

use super::ready;
use crate::api::EnvironmentList;
use crate::cli::client::Client;
use crate::cli::exit::Failure;
use crate::cli::globals::{self, Globals};
use crate::cli::output::{self, Format};
use crate::cli::pages;
use crate::cli::table::{Cell, Table};
use crate::cli::text::age;
use crate::model::{ClassName, UserId};
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
    /// The order: name, created; -name, -created backwards
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    sort: Option<String>,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let user = arguments.user.as_ref().map(|user| globals::user(Some(user))).transpose()?;
    let class = arguments.class.as_ref().map(|class| class.parse::<ClassName>()).transpose();
    let class = class.map_err(|error| Failure::usage(error.to_string()))?;
    let fields = [
        ("user", user.as_ref().map(UserId::as_str)),
        ("class", class.as_ref().map(ClassName::as_str)),
        ("sort", arguments.sort.as_deref()),
    ];
    let client = Client::new(globals)?;
    let environments: EnvironmentList = pages::all(&client, "/environments", &pages::query(&fields)).await?;
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
    output::table(&table, wide)
}
