//! Logins that are kept, one for each manager: `logins.json` in the data folder, which its owner alone can read.

use super::exit::{Exit, Failure};
use crate::identity::{Endpoints, FetchError};
use jiff::{SignedDuration, Timestamp};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const FILE: &str = "logins.json";
const LOCK: &str = "logins.lock";
/// A token that ends within this time is renewed before it is used.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_secs(60);

/// A login with one manager.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Session {
    /// The issuer's short name.
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) token_endpoint: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) revocation_endpoint: Option<String>,
    /// The user id that the manager knows, whose environments are meant where nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    /// Whether the ID token is presented, not the access token.
    pub(super) presents_id_token: bool,
    /// What is presented.
    token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
    expires_at: Timestamp,
}

/// The file of the logins.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    folder: PathBuf,
}

impl Session {
    /// A login of what the token endpoint answered, to be completed by who knows whom it asked.
    pub(super) fn of_answer(
        answer: &Map<String, Value>,
        presents_id_token: bool,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
        let name = if presents_id_token { "id_token" } else { "access_token" };
        let token = text(name).ok_or_else(|| {
            Failure::new(Exit::Failed, format!("the issuer gave no {name}"))
                .hint("an administrator can choose which token is presented: login.presents in the identity file")
        })?;
        let seconds = answer.get("expires_in").and_then(Value::as_i64).unwrap_or(300).clamp(0, 86_400 * 366);
        let expires_at = now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
        Ok(Self {
            issuer: String::new(),
            client_id: String::new(),
            token_endpoint: String::new(),
            revocation_endpoint: None,
            user: None,
            presents_id_token,
            token,
            refresh_token: text("refresh_token"),
            expires_at,
        })
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.expires_at.duration_since(now) > RENEW_BEFORE
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }
}

impl Sessions {
    pub(super) fn of(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Whether somebody is logged in with `server`.
    pub(super) fn has(&self, server: &str) -> Result<bool, Failure> {
        Ok(self.read()?.contains_key(server))
    }

    /// The user id that the manager at `server` knows of who is logged in.
    pub(super) fn user(&self, server: &str) -> Result<Option<String>, Failure> {
        Ok(self.read()?.remove(server).and_then(|session| session.user))
    }

    /// The token of the login with `server`, renewed where it is about to end.
    pub(super) async fn token(&self, server: &str) -> Result<String, Failure> {
        let (gone, now) = (|| again("you are not logged in any more"), Timestamp::now());
        let session = self.read()?.remove(server).ok_or_else(gone)?;
        if session.holds(now) {
            return Ok(session.token);
        }
        // One at a time: an issuer takes a renewal token that comes twice for a stolen one.
        let _lock = self.lock()?;
        let session = self.read()?.remove(server).ok_or_else(gone)?;
        if session.holds(now) {
            return Ok(session.token);
        }
        let renewed = renew(&session, now).await?;
        let token = renewed.token.clone();
        self.change(|sessions| drop(sessions.insert(server.to_owned(), renewed)))?;
        Ok(token)
    }

    /// Keeps a login.
    pub(super) fn keep(&self, server: &str, session: Session) -> Result<(), Failure> {
        let _lock = self.lock()?;
        self.change(|sessions| drop(sessions.insert(server.to_owned(), session)))
    }

    /// Forgets a login.
    pub(super) fn forget(&self, server: &str) -> Result<Option<Session>, Failure> {
        let _lock = self.lock()?;
        let mut forgotten = None;
        self.change(|sessions| forgotten = sessions.remove(server))?;
        Ok(forgotten)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn read(&self) -> Result<BTreeMap<String, Session>, Failure> {
        let path = self.path();
        match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|_| {
                // What the parser says may hold a token.
                let said = format!("{} holds no logins; delete it, and log in again", path.display());
                Failure::new(Exit::Failed, said)
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(failed(&path, "read", &error)),
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Session>)) -> Result<(), Failure> {
        let mut sessions = self.read()?;
        change(&mut sessions);
        let path = self.path();
        let draft = self.folder.join(format!("{FILE}.new.{}", std::process::id()));
        let text = serde_json::to_vec_pretty(&sessions).unwrap_or_default();
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&draft, &path)
        };
        write().map_err(|error| failed(&path, "written", &error))
    }

    fn lock(&self) -> Result<Flock<File>, Failure> {
        let path = self.folder.join(LOCK);
        let open = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)
        };
        let file = open().map_err(|error| failed(&path, "written", &error))?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| failed(&path, "locked", &error.into()))
    }
}

async fn renew(session: &Session, now: Timestamp) -> Result<Session, Failure> {
    let refresh = session.refresh_token.as_deref().ok_or_else(|| again("your login has ended"))?;
    let endpoints = Endpoints::known(&session.token_endpoint, None).map_err(|error| unreachable(&error))?;
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", &session.client_id)];
    let (success, answer) = endpoints.post(&endpoints.token, &form).await.map_err(|error| unreachable(&error))?;
    if !success {
        return Err(again("your login has ended, and its issuer does not renew it"));
    }
    let renewed = Session::of_answer(&answer, session.presents_id_token, now)?;
    // An issuer that gives no new one has the old one stay.
    let refresh_token = renewed.refresh_token.clone().or_else(|| session.refresh_token.clone());
    let (token, expires_at) = (renewed.token, renewed.expires_at);
    Ok(Session { token, expires_at, refresh_token, ..session.clone() })
}

pub(super) fn unreachable(error: &FetchError) -> Failure {
    Failure::new(Exit::Unreachable, format!("the issuer cannot be asked: {error}"))
}

fn again(said: &str) -> Failure {
    Failure::new(Exit::Unreachable, said).hint("log in again with: doorstep login")
}

fn failed(path: &Path, action: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{} cannot be {action}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt as _;

    fn session(seconds: i64) -> Session {
        let answer = json!({"access_token": "secret", "expires_in": seconds});
        Session::of_answer(answer.as_object().unwrap(), false, Timestamp::now()).unwrap()
    }

    #[tokio::test]
    async fn a_login_is_its_owners_alone_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let sessions = Sessions::of(folder.path().join("made"));
        assert!(!sessions.has("http://a").unwrap());
        sessions.keep("http://a", session(3600)).unwrap();
        let mode = std::fs::metadata(sessions.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(sessions.token("http://a").await.unwrap(), "secret");
        assert!(sessions.token("http://b").await.unwrap_err().sentence.contains("not logged in"));
        sessions.keep("http://a", session(30)).unwrap();
        assert!(sessions.token("http://a").await.unwrap_err().sentence.contains("has ended"));
        assert!(sessions.forget("http://a").unwrap().is_some());
        assert!(!sessions.has("http://a").unwrap());
    }

    #[test]
    fn a_file_with_something_else_is_told_without_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), r#"{"http://a": {"token": "secret""#).unwrap();
        let said = Sessions::of(folder.path().to_owned()).has("http://a").unwrap_err().sentence;
        assert!(said.contains("holds no logins") && !said.contains("secret"), "{said}");
    }

    #[test]
    fn the_token_that_is_presented_has_to_be_in_the_answer() {
        let answer = json!({"access_token": "a"});
        let said = Session::of_answer(answer.as_object().unwrap(), true, Timestamp::now()).err().unwrap();
        assert_eq!(said.sentence, "the issuer gave no id_token");
    }
}
