//! `doorstep up`: everything on this machine.

use super::exit::Failure;
use super::globals::Globals;
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

/// What `doorstep up` was told.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// The data folder.
    pub data: PathBuf,
    /// Where the gateway listens for HTTP.
    pub http: SocketAddr,
    /// Where the gateway listens for HTTPS.
    pub https: SocketAddr,
    /// Where the management API listens.
    pub api: SocketAddr,
    /// Where the embedded cluster's API listens.
    pub kube: SocketAddr,
    /// What `{domain}` of host patterns stands for.
    pub domain: Hostname,
    /// A file of routes.
    pub routes: Option<PathBuf>,
}

pub(super) fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { http, https, api, kube, domain, routes } = arguments.clone();
    Ok(crate::app::up::run(UpOptions { data: globals.data()?, http, https, api, kube, domain, routes })?)
}
