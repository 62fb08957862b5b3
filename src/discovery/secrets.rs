//! A Secret of type `kubernetes.io/tls`: a certificate and its key, as plain data.

use super::certificates::SecretKey;
use crate::resources::labels;
use crate::tls::{BadPair, Pair};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

/// The only type of Secret that is asked for.
pub(super) const TYPE: &str = "kubernetes.io/tls";
/// The fields that are read.
pub(super) const CHAIN: &str = "tls.crt";
pub(super) const KEY: &str = "tls.key";

/// The key of a Secret.
pub(super) fn key(secret: &Secret) -> SecretKey {
    SecretKey { namespace: secret.namespace().unwrap_or_default().into(), name: secret.name_any().into() }
}

/// Whether it says of itself that it serves all hosts of its certificate.
pub(super) fn is_labelled(secret: &Secret) -> bool {
    secret.labels().get(labels::CERTIFICATE).is_some_and(|value| value == "true")
}

/// The certificate that it holds.
pub(super) fn translate(secret: &Secret) -> Result<Pair, BadPair> {
    let field = |name: &str| {
        let data = secret.data.as_ref().and_then(|data| data.get(name));
        data.map(|bytes| bytes.0.as_slice()).unwrap_or_default()
    };
    Pair::from_pem(format!("Secret {}", key(secret)), field(CHAIN), field(KEY))
}
