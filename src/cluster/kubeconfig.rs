//! Kubeconfigs, read as kubectl reads them: the files of `KUBECONFIG` that are there, merged, or the one in the home folder; and what is
//! wrong with one, in sentences that say what there is.

use crate::model::{did_you_mean, shown};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use std::path::{Path, PathBuf};

/// Why it is not known where a cluster is.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Nothing says where a cluster is.
    #[error(
        "no cluster was found: neither is there a kubeconfig, nor does this run in a cluster; give one with --kubeconfig ({0})"
    )]
    NotFound(String),
    /// A kubeconfig cannot be used. The errors of these files tell their own sources, so they are taken as texts.
    #[error("the kubeconfig {} cannot be used: {why}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// The cluster that the current context of `path` leads to.
pub(super) async fn of_file(path: &Path) -> Result<Config, AccessError> {
    config(Kubeconfig::read_from(path)).await.map_err(|why| AccessError::Kubeconfig { path: path.to_owned(), why })
}

/// The cluster of the user's kubeconfig, or else the one that this process runs in.
pub(super) async fn inferred() -> Result<Config, AccessError> {
    let files = files();
    let there: Vec<&PathBuf> = files.iter().filter(|file| file.exists()).collect();
    let read = there.iter().map(Kubeconfig::read_from).reduce(|all, next| all?.merge(next?));
    let found = match read {
        Some(read) => Some(config(read).await),
        None => None,
    };
    match found {
        Some(Ok(config)) => Ok(config),
        None => Config::incluster().map_err(|error| AccessError::NotFound(missing(&files, &error.to_string()))),
        Some(Err(why)) => Config::incluster().map_err(|_| {
            let path = std::env::join_paths(&there).unwrap_or_default().into();
            AccessError::Kubeconfig { path, why }
        }),
    }
}

/// The files that kubectl would read.
fn files() -> Vec<PathBuf> {
    let named = std::env::var_os("KUBECONFIG").filter(|files| !files.is_empty());
    match named {
        Some(files) => std::env::split_paths(&files).filter(|file| !file.as_os_str().is_empty()).collect(),
        None => std::env::var_os("HOME").map(|home| Path::new(&home).join(".kube/config")).into_iter().collect(),
    }
}

fn missing(files: &[PathBuf], in_cluster: &str) -> String {
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    format!(
        "there is no {}; {in_cluster}",
        if files.is_empty() { "home folder".to_owned() } else { files.join(", nor ") }
    )
}

async fn config(read: Result<Kubeconfig, KubeconfigError>) -> Result<Config, String> {
    let read = read.map_err(|error| why(&error))?;
    whole(&read)?;
    Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.map_err(|error| why(&error))
}

/// Refuses a current context that leads to nothing. One whose user is not there would be anonymous.
fn whole(read: &Kubeconfig) -> Result<(), String> {
    let contexts = || read.contexts.iter().map(|context| context.name.as_str());
    let Some(current) = read.current_context.as_deref().filter(|current| !current.is_empty()) else {
        let names: Vec<String> = contexts().map(shown).collect();
        let there =
            if names.is_empty() { "it has no context".to_owned() } else { format!("there are {}", names.join(", ")) };
        return Err(format!("it says no current-context ({there}); kubectl config use-context sets one"));
    };
    let known = |name: &str, kind: &str, there: &[&str]| match there.contains(&name) {
        true => Ok(()),
        false => Err(format!("it has no {kind} {}{}", shown(name), did_you_mean(name, there.iter().copied()))),
    };
    known(current, "context", &contexts().collect::<Vec<_>>())?;
    let meant = read.contexts.iter().find(|context| context.name == current);
    let Some(meant) = meant.and_then(|meant| meant.context.as_ref()) else {
        return Err(format!("its context {} has no content", shown(current)));
    };
    let clusters: Vec<&str> = read.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    known(&meant.cluster, "cluster", &clusters)?;
    let users: Vec<&str> = read.auth_infos.iter().map(|user| user.name.as_str()).collect();
    let user = meant.user.as_deref().filter(|user| !user.is_empty());
    user.map_or(Ok(()), |user| known(user, "user", &users))
}

fn why(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) => format!("it cannot be read: {error}"),
        // Paths stand in two kinds of quotes there.
        other => other.to_string().replace("'\"", "\"").replace("\"'", "\""),
    }
}

#[cfg(test)]
mod tests {
    use super::whole;
    use serde_json::json;

    #[test]
    fn what_the_current_context_leads_to_has_to_be_there() {
        let said = |current: &str, cluster: &str, user: &str| {
            let read = json!({
                "current-context": current,
                "contexts": [{"name": "work", "context": {"cluster": cluster, "user": user}}, {"name": "empty"}],
                "clusters": [{"name": "c", "cluster": {"server": "https://c"}}],
                "users": [{"name": "u", "user": {}}],
            });
            whole(&serde_json::from_value(read).unwrap()).err().unwrap_or_default()
        };
        assert_eq!(said("work", "c", "u"), "");
        assert_eq!(said("work", "c", ""), "", "a user need not be named");
        assert_eq!(said("wrk", "c", "u"), "it has no context \"wrk\"; did you mean \"work\"?");
        assert!(said("", "c", "u").starts_with("it says no current-context (there are \"work\", \"empty\")"));
        assert!(said("work", "d", "u").starts_with("it has no cluster \"d\""));
        assert!(said("work", "c", "v").starts_with("it has no user \"v\""));
        assert_eq!(said("empty", "c", "u"), "its context \"empty\" has no content");
    }
}
