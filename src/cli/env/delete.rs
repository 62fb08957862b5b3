//! `doorstep env delete CLASS`.

use super::{Which, wait};
use crate::cli::client::{Client, path_of};
use crate::cli::exit::{Exit, Failure};
use crate::cli::globals::Globals;
use crate::cli::output::{self, Format};
use clap::Args;
use std::time::Duration;

/// How long `--wait` waits.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Wait until it is gone
    #[arg(short, long)]
    wait: bool,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let key = arguments.which.key(globals)?;
    let client = Client::new(globals)?;
    if !arguments.yes {
        match output::ask(&format!("Delete the environment {key} with all its pods?")) {
            Some(true) => {}
            Some(false) => return Err(Failure::new(Exit::Failed, "nothing was deleted")),
            None => return Err(Failure::usage("nobody can be asked whether to delete; say so with --yes")),
        }
    }
    client.delete(&path_of(&key)).await?;
    let (state, said) = if arguments.wait {
        wait::until_gone(&client, &key, LIMIT).await?;
        ("deleted", "is gone")
    } else {
        ("deleting", "is being deleted")
    };
    output::result(arguments.output, &serde_json::json!({"name": key.to_string(), "state": state}), |_, _| {
        output::remark(&format!("{key} {said}."));
        Ok(())
    })
}
