//! `doorstep env logs CLASS`.

use super::Which;
use crate::cli::client::{Client, path_of};
use crate::cli::exit::Failure;
use crate::cli::globals::Globals;
use crate::cli::output;
use clap::Args;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Go on with what is printed from now on
    #[arg(short, long)]
    follow: bool,
    /// Only so many lines from the end, of each pod
    #[arg(long, value_name = "LINES")]
    tail: Option<u32>,
    /// Of the container that ran before the last restart
    #[arg(long)]
    previous: bool,
    /// Only of this pod
    #[arg(long, value_name = "NAME")]
    pod: Option<String>,
    /// Begin each line with its time
    #[arg(long)]
    timestamps: bool,
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let key = arguments.which.key(globals)?;
    let client = Client::new(globals)?;
    let mut query = vec![
        format!("follow={}", arguments.follow),
        format!("previous={}", arguments.previous),
        format!("timestamps={}", arguments.timestamps),
    ];
    query.extend(arguments.tail.map(|tail| format!("tail={tail}")));
    query.extend(arguments.pod.as_ref().map(|pod| format!("pod={}", utf8_percent_encode(pod, NON_ALPHANUMERIC))));
    let mut log = client.stream(&format!("{}/logs?{}", path_of(&key), query.join("&"))).await?;
    let mut gone = std::pin::pin!(output::reader_gone());
    loop {
        let chunk = tokio::select! {
            chunk = log.chunk() => chunk.map_err(|error| client.broken(&error))?,
            // A pod that prints nothing would never show that nobody reads.
            () = &mut gone => return Ok(()),
        };
        match chunk {
            Some(chunk) => output::raw(&chunk)?,
            None => return Ok(()),
        }
    }
}
