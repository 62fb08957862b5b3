//! `doorstep quota`.

use super::client::Client;
use super::exit::Failure;
use super::globals::{self, Globals};
use super::output::{self, Format};
use super::pages;
use super::table::{Cell, Table, Tone};
use crate::api::{AmountView, QuotaList};
use crate::model::UserId;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only what this user's environments take
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let user = arguments.user.as_ref().map(|user| globals::user(Some(user))).transpose()?;
    let query = pages::query(&[("user", user.as_ref().map(UserId::as_str))]);
    let quotas: QuotaList = pages::all(&Client::new(globals)?, "/quotas", &query).await?;
    output::result(arguments.output, &quotas, |quotas, _| table(quotas))
}

/// What is taken, after it what may be. A user's bounds are those of each class of which the user makes one.
fn table(quotas: &QuotaList) -> Result<(), Failure> {
    let mut table = Table::new(["WHOSE", "BY", "ENVIRONMENTS", "CPU", "MEMORY"]);
    for class in &quotas.classes {
        row(&mut table, &format!("class {}", class.class), "class", &class.used, &class.most);
    }
    for user in &quotas.users {
        let whose = format!("user {}", user.user);
        let bounds = quotas.classes.iter().filter(|class| class.most_per_user != AmountView::default());
        let mut bounds = bounds.peekable();
        if bounds.peek().is_none() {
            row(&mut table, &whose, "-", &user.used, &AmountView::default());
        }
        for class in bounds {
            row(&mut table, &whose, &class.class, &user.used, &class.most_per_user);
        }
    }
    output::table(&table, false)
}

fn row(table: &mut Table, whose: &str, by: &str, used: &AmountView, most: &AmountView) {
    let of = |used: Option<&str>, most: Option<&str>| {
        let used = used.unwrap_or("-");
        let text = most.map_or_else(|| used.to_owned(), |most| format!("{used} of {most}"));
        Cell::toned(text, if most == Some(used) { Tone::Waiting } else { Tone::Plain })
    };
    let number = |count: Option<i64>| count.map(|count| count.to_string());
    let (taken, bound) = (number(used.environments), number(most.environments));
    table.row([
        whose.into(),
        by.into(),
        of(taken.as_deref(), bound.as_deref()),
        of(used.cpu.as_deref(), most.cpu.as_deref()),
        of(used.memory.as_deref(), most.memory.as_deref()),
    ]);
}
