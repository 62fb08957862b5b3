//! `doorstep up`: everything on this machine.

use super::exit::Failure;
use super::globals::{Globals, default_data_folder};
use super::output;
use crate::app::up::{self, Up, UpOptions};
use crate::model::Hostname;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// Where the gateway listens for HTTP
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(super) http: SocketAddr,
    /// Where the gateway listens for HTTPS
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub(super) https: SocketAddr,
    /// Where the management API listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub(super) api: SocketAddr,
    /// Where the embedded cluster's API listens, for kubectl
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:6443")]
    pub(super) kube: SocketAddr,
    /// The domain of the environments' host names
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub(super) domain: Hostname,
    /// A file of routes beside those of the cluster
    #[arg(long, value_name = "FILE")]
    pub(super) routes: Option<PathBuf>,
}

pub(super) fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { http, https, api, kube, domain, routes } = arguments.clone();
    let data = globals.data()?;
    let options = UpOptions { data, http, https, api, kube, domain, routes, access_log: None };
    Ok(up::run(options, |up| greet(up, &arguments.domain))?)
}

/// What a newcomer needs next. Somebody who closed standard output does not want it.
fn greet(up: &Up, domain: &Hostname) {
    let at = up.addresses();
    let deploy =
        "doorstep env deploy integration --user haimaz -p TAG_FRONT=1.4.2 -p TAG_ASSETS=7 -p VERSION=3.1.0 --wait";
    let data = default_data_folder().filter(|usual| usual.canonicalize().is_ok_and(|usual| usual == up.folder()));
    let export = match data {
        Some(_) => String::new(),
        None => format!("  export DOORSTEP_DATA={}\n", quoted(&up.folder().display().to_string())),
    };
    let text = format!(
        "\
Doorstep is up.

  gateway         http://{http}  https://{https}
  management API  http://{api}/api/v1
  kubeconfig      {kubeconfig}
  authority       {authority}

Bring up an environment and open it (in another terminal):

{export}  {deploy}
  curl http://fronthaimaz.int.{domain}:{port}/

Ctrl-C ends it; environments come back with the next start.
",
        http = at.http,
        https = at.https,
        api = at.api,
        kubeconfig = up.kubeconfig().display(),
        authority = up.authority().display(),
        port = at.http.port(),
    );
    let _closed = output::raw(text.as_bytes());
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_folder_is_one_word_of_a_shell() {
        assert_eq!(quoted("/home/a/.local"), "/home/a/.local");
        assert_eq!(quoted("/a b/it's"), r"'/a b/it'\''s'");
    }
}
