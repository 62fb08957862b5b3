//! What the API tells of the gateway's certificates.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Which certificate the gateway presents for a host.
pub trait CertificateLookup: Send + Sync {
    /// The certificate for the server name `host`; `None` when it has none.
    fn describe(&self, host: &str) -> Option<CertificateView>;
}

/// A certificate, as `explain` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateView {
    /// The names it is for.
    #[schema(example = json!(["*.int.localhost"]))]
    pub names: Vec<String>,
    /// When it ends (RFC 3339).
    pub not_after: String,
    /// Where it comes from, like `development authority` or the name of a Secret.
    pub origin: String,
}
