//! Options of every command: where the data folder is, where the manager is.

use super::credential::Credential;
use super::exit::Failure;
use super::sessions::Sessions;
use crate::api::Token;
use crate::app::{ADDRESSES_FILE, TOKEN_FILE};
use crate::model::UserId;
use clap::Args;
use std::path::PathBuf;

/// Where the manager is when nothing says otherwise.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8081";

#[derive(Debug, Clone, Args)]
pub(super) struct Globals {
    /// The data folder [default: $XDG_DATA_HOME/doorstep or ~/.local/share/doorstep]
    // An empty variable counts as none, which clap's parser of paths would not have.
    #[arg(long, global = true, env = "DOORSTEP_DATA", value_name = "DIR", value_parser = clap::value_parser!(std::ffi::OsString))]
    data: Option<std::ffi::OsString>,
    /// The manager to talk to [default: the one of the data folder]
    #[arg(long, global = true, env = "DOORSTEP_SERVER", value_name = "URL")]
    server: Option<String>,
    /// The authorities (PEM) that are trusted for an https manager, beside the system's
    #[arg(long, global = true, env = "DOORSTEP_SERVER_CA", value_name = "FILE")]
    server_ca: Option<PathBuf>,
    /// A client certificate (PEM, with its key in the same file) for an https manager
    #[arg(long, global = true, env = "DOORSTEP_CLIENT_CERT", value_name = "FILE")]
    client_cert: Option<PathBuf>,
}

/// The data folder of this user by the XDG base directory specification.
pub fn default_data_folder() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let share = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(share.join("doorstep"))
}

impl Globals {
    /// The data folder.
    pub(super) fn data(&self) -> Result<PathBuf, Failure> {
        let given = self.data.clone().filter(|path| !path.is_empty()).map(PathBuf::from);
        given.or_else(default_data_folder).ok_or_else(|| {
            Failure::usage("there is no data folder, as neither HOME nor XDG_DATA_HOME is set; give one with --data")
        })
    }

    /// The manager's URL, without a slash at its end.
    pub(super) fn server(&self) -> Result<String, Failure> {
        let url = match self.server.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => url.to_owned(),
            None => self.running()?.unwrap_or_else(|| DEFAULT_SERVER.to_owned()),
        };
        let url = url.trim_end_matches('/');
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let said =
                format!("the server {} is no URL that begins with http:// or https://", crate::model::shown(url));
            return Err(Failure::usage(said).hint("give one like --server http://127.0.0.1:8081"));
        }
        Ok(url.to_owned())
    }

    fn running(&self) -> Result<Option<String>, Failure> {
        let text = std::fs::read_to_string(self.data()?.join(ADDRESSES_FILE)).unwrap_or_default();
        let addresses: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let text = |name: &str| addresses.get(name).and_then(serde_json::Value::as_str);
        let scheme = if text("apiScheme") == Some("https") { "https" } else { "http" };
        Ok(text("api").map(|address| format!("{scheme}://{address}")))
    }

    /// Where logins are kept.
    pub(super) fn sessions(&self) -> Result<Sessions, Failure> {
        Ok(Sessions::of(self.data()?))
    }

    /// The user that is meant: the one that is given, or else the one who is logged in, or else the login name.
    pub(super) fn user(&self, given: Option<&str>) -> Result<UserId, Failure> {
        if given.is_none()
            && let Credential::Login(sessions) = self.credential(&self.server()?)?
            && let Some(user) = sessions.user(&self.server()?)?
        {
            return self::user(Some(&user));
        }
        self::user(given)
    }

    /// What is presented to the manager at `server`: the token of the environment, or else the login with it, or else the
    /// token of the data folder. With a client certificate, no token is needed.
    pub(super) fn credential(&self, server: &str) -> Result<Credential, Failure> {
        let of_environment = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let given = of_environment("DOORSTEP_TOKEN") || of_environment("DOORSTEP_TOKEN_FILE");
        let sessions = self.sessions()?;
        if !given && sessions.has(server)? {
            return Ok(Credential::Login(sessions));
        }
        match self.token() {
            Err(_) if !given && self.client_cert.is_some() => Ok(Credential::Nothing),
            token if given => token.map(Credential::Token),
            token => token.map(Credential::DataFolder),
        }
    }

    /// Has a client of an https manager trust the authorities that are given, and present the certificate.
    pub(super) fn trust(&self, mut builder: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, Failure> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))
        };
        if let Some(path) = &self.server_ca {
            let authorities = reqwest::Certificate::from_pem_bundle(&read(path)?);
            let said = || Failure::usage(format!("{} holds no certificates in PEM form", path.display()));
            builder = builder.tls_certs_merge(authorities.map_err(|_| said())?);
        }
        if let Some(path) = &self.client_cert {
            let said = || Failure::usage(format!("{} holds no certificate with its key in PEM form", path.display()));
            builder = builder.identity(reqwest::Identity::from_pem(&read(path)?).map_err(|_| said())?);
        }
        Ok(builder)
    }

    /// The token of the environment, or of the data folder.
    fn token(&self) -> Result<Token, Failure> {
        if let Ok(text) = std::env::var("DOORSTEP_TOKEN")
            && !text.is_empty()
        {
            return Token::new(&text).ok_or_else(|| Failure::usage("DOORSTEP_TOKEN holds no API token"));
        }
        let file = std::env::var_os("DOORSTEP_TOKEN_FILE").filter(|file| !file.is_empty()).map(PathBuf::from);
        let path = file.map_or_else(|| Ok(self.data()?.join(TOKEN_FILE)), Ok::<_, Failure>)?;
        Token::load(&path).map_err(|error| {
            Failure::new(super::Exit::Unreachable, error.to_string()).hint("start doorstep with: doorstep up").hint(
                "or say where it keeps its data with --data or DOORSTEP_DATA, or give the token in DOORSTEP_TOKEN",
            )
        })
    }
}

/// The user that is meant: the one that is given, or else the login name.
pub(super) fn user(given: Option<&str>) -> Result<UserId, Failure> {
    if let Some(given) = given {
        return given.parse().map_err(|error: crate::model::InvalidUserId| Failure::usage(error.to_string()));
    }
    let of_environment = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let of_system = || nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
    let login = of_environment.filter(|name| !name.is_empty()).or_else(of_system);
    let login = login.ok_or_else(|| Failure::usage("your login name is not known; give a user id with --user"))?;
    login.parse().map_err(|error| {
        Failure::usage(format!("your login name is not a user id: {error}")).hint("give a user id with --user")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globals(data: &std::path::Path, server: Option<&str>) -> Globals {
        Globals { data: Some(data.into()), server: server.map(str::to_owned), server_ca: None, client_cert: None }
    }

    #[test]
    fn the_manager_is_found_in_the_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(globals(folder.path(), None).server().unwrap(), DEFAULT_SERVER);
        std::fs::write(folder.path().join(ADDRESSES_FILE), r#"{"api": "127.0.0.1:4711"}"#).unwrap();
        assert_eq!(globals(folder.path(), None).server().unwrap(), "http://127.0.0.1:4711");
        let by_tls = r#"{"api": "127.0.0.1:4711", "apiScheme": "https"}"#;
        std::fs::write(folder.path().join(ADDRESSES_FILE), by_tls).unwrap();
        assert_eq!(globals(folder.path(), None).server().unwrap(), "https://127.0.0.1:4711");
        assert_eq!(globals(folder.path(), Some("http://h:1/")).server().unwrap(), "http://h:1");
        assert!(globals(folder.path(), Some("h:1")).server().unwrap_err().sentence.contains("begins with http://"));
    }

    #[test]
    fn a_given_user_is_folded_and_checked() {
        assert_eq!(user(Some("HaimAZ")).unwrap().as_str(), "haimaz");
        for bad in ["", "a-b", "../x", "Ünï"] {
            assert_eq!(user(Some(bad)).unwrap_err().exit, super::super::Exit::Usage);
        }
    }
}
