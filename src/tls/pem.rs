//! Certificates and keys in PEM form, whoever wrote them: a byte order mark, indented lines, any line ends, text around.

use super::BadPair;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The most certificates of a chain: all of them are sent in each handshake.
pub(super) const MAX_CHAIN: usize = 16;
/// The most keys of a text that are looked at.
const MAX_KEYS: usize = 8;

/// All certificates of a text.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadPair> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(&normalised(text)?) {
        if found.len() == MAX_CHAIN {
            return Err(BadPair::LongChain);
        }
        found.push(certificate.map_err(|_| BadPair::NoCertificate)?);
    }
    if found.is_empty() { Err(BadPair::NoCertificate) } else { Ok(found) }
}

/// All private keys of a text.
pub(super) fn keys(text: &[u8]) -> Result<Vec<PrivateKeyDer<'static>>, BadPair> {
    let text = normalised(text)?;
    let found: Result<Vec<_>, _> = PrivateKeyDer::pem_slice_iter(&text).take(MAX_KEYS).collect();
    match found {
        Ok(keys) if !keys.is_empty() => Ok(keys),
        Ok(_) | Err(_) if is_encrypted(&text) => Err(BadPair::EncryptedKey),
        Ok(_) | Err(_) => Err(BadPair::NoKey),
    }
}

/// By its label (PKCS#8), or by a field of its own (what openssl wrote before).
fn is_encrypted(text: &[u8]) -> bool {
    let is_sign = |line: &[u8]| {
        line == b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
            || (line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED"))
    };
    text.split(|byte| *byte == b'\n').any(is_sign)
}

/// The lines without a byte order mark, what stands around them, and carriage returns.
fn normalised(text: &[u8]) -> Result<Vec<u8>, BadPair> {
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        return Err(BadPair::Utf16);
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lines: Vec<&[u8]> = text.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii).collect();
    Ok(lines.join(&b'\n'))
}
