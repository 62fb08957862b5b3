//! The program's own log: `tracing`, to standard error.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// The client's builder tells of each attempt to reach an API server that is away; those who asked tell it once.
const DEFAULT: &str = "info,kube_runtime=error,kube_client=error,kube_client::client::builder=off,hyper=warn,h2=warn";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people at a terminal.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Starts the log with the filter of `DOORSTEP_LOG` (the syntax of `RUST_LOG`), by default `info`. A second call changes nothing.
pub fn start(format: Option<Format>) {
    let filter = EnvFilter::try_from_env("DOORSTEP_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { Format::Text } else { Format::Json });
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal);
    // The only failure is that a log was started already, as happens in tests.
    let _already_started = match format {
        Format::Text => log.with_target(false).compact().try_init(),
        Format::Json => log.json().flatten_event(true).try_init(),
    };
}
