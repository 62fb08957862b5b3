//! Options of `up` and `manager`: who may call the management API, and how it is served.

use crate::api::TlsFiles;
use crate::app::AccessOptions;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Clone, Default, Args)]
pub(super) struct AccessArguments {
    /// The file that says who may call the management API, beside the token of the data folder
    #[arg(long, env = "DOORSTEP_IDENTITY", value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Serve the management API by TLS, with the certificate chain of this file (PEM); it is read again when it changes
    #[arg(long, value_name = "FILE", requires = "api_tls_key")]
    api_tls_cert: Option<PathBuf>,
    /// The file of that certificate's key (PEM)
    #[arg(long, value_name = "FILE", requires = "api_tls_cert")]
    api_tls_key: Option<PathBuf>,
    /// Know callers by client certificates of the authorities in this file (PEM); the identity file says what they may do
    #[arg(long, value_name = "FILE", requires = "api_tls_cert")]
    api_client_ca: Option<PathBuf>,
}

impl AccessArguments {
    pub(super) fn options(&self) -> AccessOptions {
        let Self { identity, api_tls_cert, api_tls_key, api_client_ca } = self.clone();
        let files = api_tls_cert.zip(api_tls_key);
        let tls = files.map(|(certificate, key)| TlsFiles { certificate, key, client_authority: api_client_ca });
        AccessOptions { identity: identity.filter(|path| !path.as_os_str().is_empty()), tls }
    }
}
