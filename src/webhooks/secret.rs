//! What is signed with, and the signature: the form of standardwebhooks.com, which many languages can already check.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How the text of a secret begins.
const PREFIX: &str = "whsec_";

/// What a webhook's messages are signed with. It never appears in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

/// Why there is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a secret")]
    NoEntropy,
    /// The text is no secret.
    #[error("the secret is not of the form whsec_ and 24 to 64 bytes in base64")]
    Malformed,
}

impl Secret {
    /// A new one.
    pub fn random() -> Result<Self, SecretError> {
        let mut bytes = vec![0_u8; 32];
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.secure_random.fill(&mut bytes).map_err(|_| SecretError::NoEntropy)?;
        Ok(Self(bytes))
    }

    /// Reads the text of one.
    pub fn read(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Malformed)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError::Malformed)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(SecretError::Malformed) }
    }

    /// Its text, to be kept and to be shown once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// The signature of a message: over its name, the time of sending, and its bytes.
    pub fn sign(&self, id: &str, second: i64, body: &str) -> String {
        // A key of any length is taken.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        for part in [id, ".", &second.to_string(), ".", body] {
            mac.update(part.as_bytes());
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secret = Secret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_new_each_time_and_is_never_shown() {
        let secret = Secret::random().unwrap();
        assert_ne!(secret, Secret::random().unwrap());
        assert_eq!(Secret::read(&secret.reveal()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        for bad in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%"] {
            assert_eq!(Secret::read(bad), Err(SecretError::Malformed), "{bad}");
        }
    }
}
