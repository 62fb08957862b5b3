//! `doorstep env`: one file per command.

mod acts;
mod bulk;
mod delete;
mod deploy;
mod history;
mod list;
mod logs;
mod parameters;
mod pods;
mod show;
mod wait;

use super::exit::Failure;
use super::globals::Globals;
use super::table::{Cell, Tone};
use crate::api::EnvironmentView;
use crate::model::{ClassName, EnvironmentKey};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an environment, or give it other parameters
    Deploy(deploy::Arguments),
    /// List environments
    List(list::Arguments),
    /// Show an environment: its state, pods and events
    Show(show::Arguments),
    /// Delete an environment with its pods
    Delete(delete::Arguments),
    /// List the pods of an environment
    Pods(pods::Arguments),
    /// Print what the pods of an environment print
    Logs(logs::Arguments),
    /// List the revisions of an environment, and what each of them changed
    History(history::Arguments),
    /// Go back: apply the parameters of an older revision again
    Rollback(acts::Rollback),
    /// Make the pods of an environment anew
    Restart(acts::Waited),
    /// Send an environment to sleep: nothing of it runs, everything is kept
    Sleep(acts::Plain),
    /// Wake an environment
    Wake(acts::Waited),
    /// Keep an environment longer; one that nothing ends is given an end only by --until
    Extend(acts::Extend),
    /// Keep an environment from expiring
    Pin(acts::Plain),
    /// Let an environment expire again
    Unpin(acts::Plain),
    /// Do something to many environments at once
    Bulk(bulk::Arguments),
}

/// Which environment is meant.
#[derive(Debug, Args)]
struct Which {
    /// The class: integration, staging, …
    class: String,
    /// Whose environment it is [default: you]
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
}

impl Which {
    fn key(&self, globals: &Globals) -> Result<EnvironmentKey, Failure> {
        let class = self.class.parse::<ClassName>().map_err(|error| Failure::usage(error.to_string()))?;
        Ok(EnvironmentKey::new(globals.user(self.user.as_deref())?, class))
    }
}

pub(super) async fn run(globals: &Globals, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Deploy(arguments) => deploy::run(globals, arguments).await,
        Command::List(arguments) => list::run(globals, arguments).await,
        Command::Show(arguments) => show::run(globals, arguments).await,
        Command::Delete(arguments) => delete::run(globals, arguments).await,
        Command::Pods(arguments) => pods::run(globals, arguments).await,
        Command::Logs(arguments) => logs::run(globals, arguments).await,
        Command::History(arguments) => history::run(globals, arguments).await,
        Command::Rollback(arguments) => acts::rollback(globals, arguments).await,
        Command::Restart(arguments) => acts::restart(globals, arguments).await,
        Command::Sleep(arguments) => acts::sleep(globals, arguments).await,
        Command::Wake(arguments) => acts::wake(globals, arguments).await,
        Command::Extend(arguments) => acts::extend(globals, arguments).await,
        Command::Pin(arguments) => acts::pin(globals, arguments).await,
        Command::Unpin(arguments) => acts::unpin(globals, arguments).await,
        Command::Bulk(arguments) => bulk::run(globals, arguments).await,
    }
}

fn ready(environment: &EnvironmentView) -> Cell {
    if environment.ready {
        Cell::toned("True", Tone::Good)
    } else if environment.stalled {
        Cell::toned("False", Tone::Bad)
    } else {
        Cell::toned("False", Tone::Waiting)
    }
}
