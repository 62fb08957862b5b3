//! The signals by which somebody ends the program.

use anyhow::{Context, Result};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// A signal so soon after the first one is the same: some tools send it to a process and to its group.
const TOGETHER: Duration = Duration::from_secs(1);

/// Waits for SIGTERM or SIGINT; gives its name.
pub(super) async fn end() -> Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be listened for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be listened for")?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// Runs `ending`, the end of a role, unless somebody asks for the end once more: then it is not waited for.
pub(super) async fn unless_again(ending: impl Future<Output = Result<()>>) -> Result<()> {
    let again = async {
        tokio::time::sleep(TOGETHER).await;
        end().await
    };
    tokio::select! {
        ended = ending => ended,
        signal = again => {
            tracing::warn!(signal = signal?, "ending at once, as it was asked for again; what is under way is cut off");
            Ok(())
        }
    }
}
