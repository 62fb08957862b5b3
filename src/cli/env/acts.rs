//! `doorstep env restart|sleep|wake|pin|unpin|extend|rollback CLASS`: how an environment runs, and for how long.

use super::{Which, wait};
use crate::api::{EnvironmentView, ExtendInput, RollbackInput};
use crate::cli::client::{Client, path_of};
use crate::cli::exit::Failure;
use crate::cli::globals::Globals;
use crate::cli::output::{self, Format};
use clap::Args;
use std::time::Duration;

/// How long `--wait` waits.
const LIMIT: Duration = Duration::from_secs(120);

/// For what may be waited for.
#[derive(Debug, Args)]
pub(in crate::cli) struct Waited {
    #[command(flatten)]
    which: Which,
    /// Wait until a request to it succeeds
    #[arg(short, long)]
    wait: bool,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// For what is done when it is said.
#[derive(Debug, Args)]
pub(in crate::cli) struct Plain {
    #[command(flatten)]
    which: Which,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Extend {
    #[command(flatten)]
    which: Which,
    /// This much longer than it would be kept: 90m, 12h, 14d; refused where nothing ends it
    #[arg(long, value_name = "DURATION", required_unless_present = "until", conflicts_with = "until")]
    by: Option<String>,
    /// Until this time at least: 2030-01-31T18:00:00Z; one that nothing ends has its end then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Rollback {
    #[command(flatten)]
    waited: Waited,
    /// The revision to go back to [default: the one before the current one]
    #[arg(long, value_name = "REVISION", value_parser = clap::value_parser!(i64).range(1..))]
    to: Option<i64>,
}

pub(super) async fn restart(globals: &Globals, arguments: &Waited) -> Result<(), Failure> {
    let client = Client::new(globals)?;
    let path = format!("{}:restart", path_of(&arguments.which.key(globals)?));
    finish((globals, &client), arguments, client.post_nothing(&path).await?, "restarts").await
}

pub(super) async fn wake(globals: &Globals, arguments: &Waited) -> Result<(), Failure> {
    let client = Client::new(globals)?;
    let path = format!("{}:wake", path_of(&arguments.which.key(globals)?));
    finish((globals, &client), arguments, client.post_nothing(&path).await?, "wakes up").await
}

pub(super) async fn rollback(globals: &Globals, arguments: &Rollback) -> Result<(), Failure> {
    let client = Client::new(globals)?;
    let path = format!("{}:rollback", path_of(&arguments.waited.which.key(globals)?));
    let environment = client.post(&path, &RollbackInput { revision: arguments.to }).await?;
    finish((globals, &client), &arguments.waited, environment, "goes back").await
}

async fn finish(
    (globals, client): (&Globals, &Client),
    arguments: &Waited,
    mut environment: EnvironmentView,
    said: &str,
) -> Result<(), Failure> {
    if arguments.wait {
        let key = arguments.which.key(globals)?;
        environment = wait::until_ready(client, &key, &environment, LIMIT).await?;
        return output::result(arguments.output, &environment, |environment, _| {
            output::line(environment.url.as_deref().unwrap_or(&environment.name))
        });
    }
    tell(arguments.output, &environment, said)
}

pub(super) async fn sleep(globals: &Globals, arguments: &Plain) -> Result<(), Failure> {
    plain(globals, arguments, "sleep", "goes to sleep; wake it with: doorstep env wake").await
}

pub(super) async fn pin(globals: &Globals, arguments: &Plain) -> Result<(), Failure> {
    plain(globals, arguments, "pin", "is pinned: it does not expire, where its class allows that").await
}

pub(super) async fn unpin(globals: &Globals, arguments: &Plain) -> Result<(), Failure> {
    plain(globals, arguments, "unpin", "is not pinned any more").await
}

async fn plain(globals: &Globals, arguments: &Plain, verb: &str, said: &str) -> Result<(), Failure> {
    let path = format!("{}:{verb}", path_of(&arguments.which.key(globals)?));
    let environment: EnvironmentView = Client::new(globals)?.post_nothing(&path).await?;
    tell(arguments.output, &environment, said)
}

pub(super) async fn extend(globals: &Globals, arguments: &Extend) -> Result<(), Failure> {
    let path = format!("{}:extend", path_of(&arguments.which.key(globals)?));
    let input = ExtendInput { by: arguments.by.clone(), until: arguments.until.clone() };
    let environment: EnvironmentView = Client::new(globals)?.post(&path, &input).await?;
    let said = match arguments.until {
        Some(_) => {
            "is kept until then at least, within the bounds of its class; where nothing else ends it, it expires then"
        }
        None => "is kept so much longer, within the bounds of its class",
    };
    tell(arguments.output, &environment, said)
}

fn tell(format: Format, environment: &EnvironmentView, said: &str) -> Result<(), Failure> {
    output::result(format, environment, |environment, _| output::line(&format!("{} {said}.", environment.name)))
}
