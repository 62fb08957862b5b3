//! Where the store is: the options of every command that opens it.

use super::exit::Failure;
use crate::app::StoreOptions;
use crate::store::StoreUrl;
use clap::Args;
use std::path::{Path, PathBuf};

/// The variable that holds the URL, with its password.
const VARIABLE: &str = "DOORSTEP_STORE";

#[derive(Debug, Clone, Default, Args)]
pub(super) struct StoreArguments {
    /// Where the store is: sqlite:PATH, or postgres://USER@HOST/DATABASE without a password [env: DOORSTEP_STORE, which may have one]
    /// [default: store.db in the data folder]
    // Not clap's own reading of the variable: its messages would show the password.
    #[arg(long, value_name = "URL", conflicts_with = "store_file")]
    store: Option<String>,
    /// The file that holds the store's URL, with its password
    #[arg(long, env = "DOORSTEP_STORE_FILE", value_name = "FILE")]
    store_file: Option<PathBuf>,
}

/// What a manager takes beside where its store is.
#[derive(Debug, Clone, Args)]
pub(super) struct KeepArguments {
    #[command(flatten)]
    store: StoreArguments,
    /// For how many days the audit is kept
    #[arg(long, value_name = "DAYS", default_value_t = 400, value_parser = clap::value_parser!(u16).range(1..))]
    audit_days: u16,
    /// A network to which webhooks may lead, beside public addresses, like 10.1.0.0/16; once for each
    #[arg(long, value_name = "CIDR")]
    webhook_allow: Vec<ipnet::IpNet>,
    /// The file of prices, for costs
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
}

impl KeepArguments {
    /// What is to be remembered, and where.
    pub(super) fn options(&self) -> Result<StoreOptions, Failure> {
        Ok(StoreOptions {
            url: self.store.given()?,
            audit_days: self.audit_days,
            webhook_allow: self.webhook_allow.clone(),
            prices: self.prices.clone(),
        })
    }
}

impl StoreArguments {
    /// The URL that is given in one of the three ways; none: the data folder's own.
    pub(super) fn given(&self) -> Result<Option<StoreUrl>, Failure> {
        self.chosen(std::env::var(VARIABLE).ok().filter(|text| !text.is_empty()))
    }

    /// The URL, or the file of the data folder.
    pub(super) fn url(&self, data: &Path) -> Result<StoreUrl, Failure> {
        Ok(self.given()?.unwrap_or_else(|| StoreUrl::in_folder(data)))
    }

    fn chosen(&self, variable: Option<String>) -> Result<Option<StoreUrl>, Failure> {
        let wrong = |error: crate::store::StoreError| Failure::usage(error.to_string());
        if let Some(text) = &self.store {
            if StoreUrl::has_password(text) {
                return Err(Failure::usage("--store has a password in it, which everybody on this machine could read")
                    .hint("give the URL in DOORSTEP_STORE, or in a file with --store-file"));
            }
            return text.parse().map(Some).map_err(wrong);
        }
        if let Some(file) = self.store_file.as_ref().filter(|file| !file.as_os_str().is_empty()) {
            return StoreUrl::from_file(file).map(Some).map_err(wrong);
        }
        variable.map(|text| text.parse().map_err(wrong)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(store: Option<&str>, file: Option<&Path>) -> StoreArguments {
        StoreArguments { store: store.map(str::to_owned), store_file: file.map(Path::to_owned) }
    }

    #[test]
    fn a_password_is_taken_from_the_variable_or_a_file_alone() {
        let url = "postgres://u:hunter2@h/d";
        let refused = arguments(Some(url), None).chosen(None).unwrap_err();
        assert!(refused.sentence.contains("everybody on this machine could read"), "{refused}");
        assert!(!format!("{refused:?}").contains("hunter2"));
        let shown = |given: Option<StoreUrl>| given.map(|url| url.to_string());
        let of_variable = arguments(None, None).chosen(Some(url.to_owned())).unwrap();
        assert_eq!(shown(of_variable).as_deref(), Some("postgres://h:5432/d"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        std::fs::write(&file, format!("{url}\n")).unwrap();
        let of_file = arguments(None, Some(&file)).chosen(Some("sqlite:/x".to_owned())).unwrap();
        assert_eq!(shown(of_file).as_deref(), Some("postgres://h:5432/d"));
        let said = arguments(None, Some(&folder.path().join("none"))).chosen(None).unwrap_err().sentence;
        assert!(said.contains("cannot be read from"), "{said}");
        assert_eq!(shown(arguments(None, None).chosen(None).unwrap()), None);
    }
}
