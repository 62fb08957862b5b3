//! Who may call the management API, made of the options; the identity file is read again when it changes.

use super::store::Kept;
use crate::api::TlsFiles;
use crate::config::{ConfigErrors, read_identity};
use crate::identity::{Access, CurrentAccess, Settings};
use crate::model::Clock;
use crate::store::Store;
use crate::telemetry::metrics;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the identity file is looked at. Any change of its content is found, also one by a mount that is swapped.
const INTERVAL: Duration = Duration::from_secs(2);

/// Who may call, and how the API is served.
#[derive(Debug, Clone, Default)]
pub struct AccessOptions {
    /// The identity file; without, only the token of the data folder and tokens that are made here are taken.
    pub identity: Option<PathBuf>,
    /// The files by which the API is served by TLS; without, it is served in the clear.
    pub tls: Option<TlsFiles>,
}

/// The identity file as it was read.
pub(super) struct IdentityFile {
    path: PathBuf,
    text: String,
}

impl AccessOptions {
    /// What the identity file says; all of its mistakes are told at once.
    pub(super) fn settings(&self) -> Result<(Settings, Option<IdentityFile>)> {
        let Some(path) = &self.identity else { return Ok((Settings::default(), None)) };
        let text = crate::config::read_file(path)?;
        let settings = parse(&text, path)?;
        metrics::identity_file_mistakes(0);
        Ok((settings, Some(IdentityFile { path: path.clone(), text })))
    }

    /// How a client says the scheme of the API.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

fn parse(text: &str, path: &Path) -> Result<Settings, ConfigErrors> {
    read_identity(text, &path.display().to_string())
}

/// What [`Access`] is made with, beside what the file says.
#[derive(Clone)]
struct Parts {
    store: Store,
    clock: Clock,
    client: kube::Client,
}

impl Parts {
    fn access(&self, settings: Settings) -> Result<Access> {
        let access = Access::new(settings, &self.store, &self.client, self.clock.clone());
        access.context("the issuers of the identity file cannot be used")
    }
}

/// Who may call, and what keeps that to the file.
pub(super) struct KeptAccess {
    pub(super) current: CurrentAccess,
    file: Option<IdentityFile>,
    parts: Parts,
}

/// Who may call by `settings`, which came from `file`.
pub(super) fn access(
    (settings, file): (Settings, Option<IdentityFile>),
    kept: &Kept,
    client: &kube::Client,
) -> Result<KeptAccess> {
    let parts = Parts { store: kept.store.clone(), clock: kept.clock.clone(), client: client.clone() };
    Ok(KeptAccess { current: CurrentAccess::new(parts.access(settings)?), file, parts })
}

impl KeptAccess {
    /// Reads the file whenever its content changes, until `shutdown`.
    pub(super) fn follow(self, shutdown: &CancellationToken) {
        let Self { current, file, parts } = self;
        if let Some(IdentityFile { path, text }) = file {
            let following = follow(path, text, move |settings| {
                current.replace(parts.access(settings)?);
                Ok(())
            });
            tokio::spawn(shutdown.clone().run_until_cancelled_owned(following));
        }
    }
}

/// Looks at the file again and again.
async fn follow(path: PathBuf, text: String, take: impl Fn(Settings) -> Result<()>) {
    let mut last = Ok(text);
    let mut tick = tokio::time::interval(INTERVAL);
    loop {
        tick.tick().await;
        look(&path, &mut last, &take).await;
    }
}

/// Hands over what the file says where its content is another one than `last`. A file that cannot be read or holds mistakes changes nothing:
/// the mistakes are logged and counted, and what was read before stays.
async fn look(path: &Path, last: &mut Result<String, ConfigErrors>, take: impl Fn(Settings) -> Result<()>) {
    let (file, read) = (path.display().to_string(), path.to_owned());
    let now = tokio::task::spawn_blocking(move || crate::config::read_file(&read)).await;
    let now = now.unwrap_or_else(|error| Err(ConfigErrors::one(&file, "", error.to_string())));
    if now == *last {
        return;
    }
    let taken = match now.as_deref().map_err(Clone::clone).and_then(|text| parse_again(text, path)) {
        Ok(settings) => take(settings).map_err(|error| (1, format!("{error:#}"))),
        Err(error) => Err((error.errors.len(), error.to_string())),
    };
    match taken {
        Ok(()) => {
            metrics::identity_file_mistakes(0);
            tracing::info!(file, "the identity file was read again");
        }
        Err((mistakes, error)) => {
            metrics::identity_file_mistakes(mistakes);
            tracing::error!(file, error, "the identity file is not used; what was read before stays");
        }
    }
    *last = now;
}

/// The same as at the start; but one that is empty is being written just now, and must not shut everybody out.
fn parse_again(text: &str, path: &Path) -> Result<Settings, ConfigErrors> {
    if text.trim().is_empty() {
        return Err(ConfigErrors::one(&path.display().to_string(), "", "it is empty".to_owned()));
    }
    parse(text, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[tokio::test]
    async fn a_changed_file_is_taken_and_one_with_mistakes_changes_nothing() {
        const FIRST: &str = "teams: [{name: red, members: [a]}]";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("identity.yaml");
        let taken = RefCell::new(Vec::new());
        let take = |settings: Settings| {
            taken.borrow_mut().push(settings.teams.keys().map(ToString::to_string).collect::<Vec<_>>().join(","));
            Ok(())
        };
        let mut last = Ok(FIRST.to_owned());
        for (text, told) in [
            (FIRST, &[][..]),
            ("teams: [{name: red, members: [a]}, {name: blue, members: [b]}]", &["blue,red"]),
            ("teams: [{nme: green}]", &["blue,red"]),
            ("{", &["blue,red"]),
            ("", &["blue,red"]),
            ("teams: [{name: green, members: [c]}]", &["blue,red", "green"]),
        ] {
            std::fs::write(&path, text).unwrap();
            look(&path, &mut last, take).await;
            assert_eq!(*taken.borrow(), told, "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        look(&path, &mut last, take).await;
        assert_eq!(taken.borrow().len(), 2, "one that is gone changes nothing");
        std::fs::write(&path, "teams: [{name: green, members: [c]}]").unwrap();
        look(&path, &mut last, take).await;
        assert_eq!(taken.borrow().len(), 3, "one that is back is read");
    }
}
