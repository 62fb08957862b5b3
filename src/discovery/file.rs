//! A file of routes, read again when it changes.

use crate::config::{ConfigErrors, read_routes};
use crate::routing::{Contribution, Problem};
use crate::telemetry::metrics;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the file is looked at. A file that editors replace and mounts swap is found by any change of its content.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reads the file whenever its content changes and hands over what it says. A file that cannot be read or holds mistakes
/// changes nothing: the mistakes are logged, and what was read before stays.
pub async fn watch_file(path: PathBuf, take: impl Fn(Vec<Contribution>, Vec<Problem>) -> bool) {
    let mut tick = tokio::time::interval(INTERVAL);
    let mut last: Option<Result<String, ConfigErrors>> = None;
    loop {
        tick.tick().await;
        let now = read(&path).await;
        if last.as_ref() == Some(&now) {
            continue;
        }
        match now.as_ref().map_err(Clone::clone).and_then(|text| parse(text, &path)) {
            Ok(contributions) => {
                metrics::routes_file_mistakes(0);
                tracing::info!(file = %path.display(), routes = contributions.len(), "the routes file was read");
                if !take(contributions, Vec::new()) {
                    return;
                }
            }
            Err(error) => {
                metrics::routes_file_mistakes(error.errors.len());
                tracing::error!(file = %path.display(), %error, "the routes file is not used; what was read before stays");
            }
        }
        last = Some(now);
    }
}

async fn read(path: &Path) -> Result<String, ConfigErrors> {
    let name = path.display().to_string();
    let path = path.to_owned();
    let text = tokio::task::spawn_blocking(move || crate::config::read_file(&path)).await;
    text.unwrap_or_else(|error| Err(ConfigErrors::one(&name, "", error.to_string())))
}

fn parse(text: &str, path: &Path) -> Result<Vec<Contribution>, ConfigErrors> {
    read_routes(text, &path.display().to_string())
}
