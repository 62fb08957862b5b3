//! Random texts that nobody can guess.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoEntropy;

/// A text of `BYTES` random bytes in base64url, of which it has four characters for three bytes.
pub fn random_text<const BYTES: usize>() -> Result<String, NoEntropy> {
    let mut bytes = [0_u8; BYTES];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.secure_random.fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::random_text;

    #[test]
    fn no_two_texts_are_one() {
        let (one, other) = (random_text::<32>().unwrap(), random_text::<32>().unwrap());
        assert_eq!((one.len(), other.len()), (43, 43));
        assert_ne!(one, other);
    }
}
