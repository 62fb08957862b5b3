//! Who may call the management API, made of the options.

use super::store::Kept;
use crate::api::TlsFiles;
use crate::identity::{Access, Settings};
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// Who may call, and how the API is served.
#[derive(Debug, Clone, Default)]
pub struct AccessOptions {
    /// The identity file; without, only the token of the data folder and tokens that are made here are taken.
    pub identity: Option<PathBuf>,
    /// The files by which the API is served by TLS; without, it is served in the clear.
    pub tls: Option<TlsFiles>,
}

impl AccessOptions {
    /// What the identity file says; all of its mistakes are told at once.
    pub(super) fn settings(&self) -> Result<Settings> {
        let Some(path) = &self.identity else { return Ok(Settings::default()) };
        let text = crate::config::read_file(path)?;
        Ok(crate::config::read_identity(&text, &path.display().to_string())?)
    }

    /// How a client says the scheme of the API.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Who may call by `settings`.
pub(super) fn access(settings: Settings, kept: &Kept, client: &kube::Client) -> Result<Arc<Access>> {
    let access = Access::new(settings, &kept.store, client, kept.clock.clone());
    Ok(Arc::new(access.context("the issuers of the identity file cannot be used")?))
}
