//! `doorstep env`: one file per command.

mod delete;
mod deploy;
mod list;
mod logs;
mod parameters;
mod pods;
mod show;
mod wait;

use super::exit::Failure;
use super::globals::{self, Globals};
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
    fn key(&self) -> Result<EnvironmentKey, Failure> {
        let class = self.class.parse::<ClassName>().map_err(|error| Failure::usage(error.to_string()))?;
        Ok(EnvironmentKey::new(globals::user(self.user.as_deref())?, class))
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
