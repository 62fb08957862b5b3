//! `doorstep costs`: what environments used and what it costs.

use super::client::Client;
use super::exit::Failure;
use super::globals::Globals;
use super::output::{self, Format};
use super::pages;
use super::table::{Cell, Table};
use crate::api::{CostList, CostView};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only this user's
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only of this class
    #[arg(long, value_name = "NAME")]
    class: Option<String>,
    /// From this day on, in UTC [default: the first of the month]
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Until and with this day [default: today]
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// What has a row: user, class, day, or several with commas between
    #[arg(long, value_name = "LIST", default_value = "user,class")]
    by: String,
    /// The order: name, awake, cost; with a minus before it backwards
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    sort: Option<String>,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let client = Client::new(globals)?;
    let fields = [
        ("user", arguments.user.as_deref()),
        ("class", arguments.class.as_deref()),
        ("from", arguments.from.as_deref()),
        ("to", arguments.to.as_deref()),
        ("by", Some(arguments.by.as_str())),
        ("sort", arguments.sort.as_deref()),
    ];
    let list: CostList = pages::all(&client, "/costs", &pages::query(&fields)).await?;
    output::result(arguments.output, &list, |list, _| table(list, &arguments.by))
}

fn table(list: &CostList, by: &str) -> Result<(), Failure> {
    let has = |name: &str| by.split(',').any(|word| word == name);
    let (day, user, class) = (has("day"), has("user"), has("class"));
    let names = [
        ("DAY", day),
        ("USER", user),
        ("CLASS", class),
        ("AWAKE h", true),
        ("CPU h", true),
        ("MEMORY GiB·h", true),
        ("COST", true),
    ];
    let mut table = Table::new(names.iter().filter(|(_, has)| *has).map(|(name, _)| *name));
    let mut row = |view: &CostView, total: bool| {
        let text = |text: &Option<String>| {
            Cell::from(text.clone().unwrap_or_else(|| if total { "total" } else { "-" }.to_owned()))
        };
        let cost = view.cost.map(|cost| format!("{cost:.2} {}", list.currency.as_deref().unwrap_or_default()));
        let numbers =
            [view.awake_hours, view.cpu_hours, view.memory_gib_hours].map(|hours| Cell::from(format!("{hours:.2}")));
        let parts = [(&view.day, day), (&view.user, user), (&view.class, class)];
        let mut cells: Vec<Cell> = parts.iter().filter(|(_, has)| *has).map(|(part, _)| text(part)).collect();
        cells.extend(numbers);
        cells.push(cost.unwrap_or_else(|| "-".to_owned()).into());
        table.row(cells);
    };
    list.items.iter().for_each(|view| row(view, false));
    row(&list.total, true);
    output::table(&table, false)?;
    if list.currency.is_none() {
        output::remark("The manager has no prices; it takes a file of them with --prices.");
    }
    Ok(())
}
