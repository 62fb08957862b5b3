//! The public keys of an issuer (RFC 7517): which of them may check which token.

use super::SignatureAlgorithm::{self, *};
use super::json;
use super::jwt::Jwt;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

/// The most keys of a set.
const MAX_KEYS: usize = 100;
/// RSA keys below this many bits are too weak (RFC 7518, section 3.3).
const MIN_RSA_BITS: usize = 2048;
/// RSA keys above this many bits make each check slow.
const MAX_RSA_BITS: usize = 8192;

/// Why no key checks a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoKey {
    /// Perhaps the issuer has a newer set.
    #[error("the token is signed by a key that its issuer does not tell")]
    Unknown,
    /// The key is there, and is not for this algorithm.
    #[error("the token is signed by {0}, and the key that it names is for other algorithms")]
    OtherAlgorithm(SignatureAlgorithm),
    /// No id is given, and there are several keys.
    #[error("the token does not name its key, and its issuer has several")]
    Several,
    /// The signature is not the key's.
    #[error("the token's signature is wrong")]
    Signature,
}

/// The usable keys of an issuer.
#[derive(Debug, Clone, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    id: Option<String>,
    /// What the key is for. The algorithm is the key's, never the token's choice (RFC 8725, section 3.1).
    algorithms: Vec<SignatureAlgorithm>,
    key: DecodingKey,
}

impl KeySet {
    /// Reads a key set. Keys that are of no use here (for encryption, symmetric, weak, of unknown kinds) are left out.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let set = json::object(bytes)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or("it has no list of keys")?;
        if keys.len() > MAX_KEYS {
            return Err(format!("it has more than {MAX_KEYS} keys"));
        }
        let keys: Vec<Key> = keys.iter().filter_map(Value::as_object).filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err(
                "it has no key that is of use here: RSA of 2048 bits and more, P-256, P-384 or Ed25519".to_owned()
            );
        }
        Ok(Self { keys })
    }

    /// Checks the signature of `jwt` by the one key that it can be of.
    pub(super) fn check(&self, jwt: &Jwt<'_>) -> Result<(), NoKey> {
        let fits = |key: &&Key| key.algorithms.contains(&jwt.algorithm);
        let key = match &jwt.key_id {
            Some(id) => {
                let mut named = self.keys.iter().filter(|key| key.id.as_ref() == Some(id)).peekable();
                named.peek().ok_or(NoKey::Unknown)?;
                named.find(fits).ok_or(NoKey::OtherAlgorithm(jwt.algorithm))?
            }
            None => {
                let mut fitting = self.keys.iter().filter(fits);
                let only = fitting.next().ok_or(NoKey::Unknown)?;
                if fitting.next().is_some() {
                    return Err(NoKey::Several);
                }
                only
            }
        };
        let algorithm = jwt.algorithm.library();
        match jsonwebtoken::crypto::verify(jwt.signature, jwt.signed.as_bytes(), &key.key, algorithm) {
            Ok(true) => Ok(()),
            // What the library cannot check is wrong as well.
            Ok(false) | Err(_) => Err(NoKey::Signature),
        }
    }
}

impl Key {
    fn read(fields: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        let for_signatures = fields.get("use").is_none_or(|usage| usage == "sig");
        let operations = fields.get("key_ops");
        let may_verify = operations
            .is_none_or(|all| all.as_array().is_some_and(|all| all.iter().any(|operation| operation == "verify")));
        if !for_signatures || !may_verify {
            return None;
        }
        let (key, mut algorithms) = match text("kty")? {
            "RSA" => (rsa(text("n")?, text("e")?)?, vec![Rs256, Rs384, Rs512, Ps256, Ps384, Ps512]),
            "EC" => {
                let (bytes, algorithm) = match text("crv")? {
                    "P-256" => (32, Es256),
                    "P-384" => (48, Es384),
                    _ => return None,
                };
                let (x, y) = (text("x")?, text("y")?);
                let whole = |part: &str| URL_SAFE_NO_PAD.decode(part).is_ok_and(|part| part.len() == bytes);
                (whole(x) && whole(y)).then_some(())?;
                (DecodingKey::from_ec_components(x, y).ok()?, vec![algorithm])
            }
            "OKP" => {
                let x = text("x").filter(|_| text("crv") == Some("Ed25519"))?;
                URL_SAFE_NO_PAD.decode(x).ok().filter(|x| x.len() == 32)?;
                (DecodingKey::from_ed_components(x).ok()?, vec![EdDsa])
            }
            _ => return None,
        };
        // A key that says what it is for is for nothing else.
        if let Some(stated) = fields.get("alg") {
            algorithms.retain(|algorithm| stated == algorithm.as_str());
        }
        (!algorithms.is_empty()).then(|| Self { id: text("kid").map(str::to_owned), algorithms, key })
    }
}

fn rsa(modulus: &str, exponent: &str) -> Option<DecodingKey> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let (modulus, exponent) = (decode(modulus)?, decode(exponent)?);
    let significant: Vec<u8> = modulus.iter().copied().skip_while(|byte| *byte == 0).collect();
    let bits = (significant.len() * 8).checked_sub(significant.first()?.leading_zeros() as usize)?;
    let odd = exponent.last().is_some_and(|last| last % 2 == 1) && exponent.len() <= 8;
    let usable = (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) && odd && exponent != [1];
    usable.then(|| DecodingKey::from_rsa_raw_components(&significant, &exponent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn count(keys: &Value) -> usize {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).map_or(0, |set| set.keys.len())
    }

    fn modulus(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xC3; bytes])
    }

    #[test]
    fn weak_symmetric_and_foreign_keys_are_left_out() {
        let coordinate = URL_SAFE_NO_PAD.encode([7; 32]);
        let rsa = |bytes: usize| json!({"kty": "RSA", "n": modulus(bytes), "e": "AQAB"});
        assert_eq!(count(&json!([rsa(256), rsa(384)])), 2);
        for bad in [
            rsa(128),
            rsa(255),
            rsa(2048),
            json!({"kty": "RSA", "n": modulus(256), "e": "AQ"}),
            json!({"kty": "RSA", "n": modulus(256), "e": "Ag"}),
            json!({"kty": "RSA", "n": modulus(256)}),
            json!({"kty": "RSA", "n": modulus(256), "e": "AQAB", "use": "enc"}),
            json!({"kty": "RSA", "n": modulus(256), "e": "AQAB", "key_ops": ["encrypt"]}),
            json!({"kty": "RSA", "n": modulus(256), "e": "AQAB", "alg": "HS256"}),
            json!({"kty": "RSA", "n": modulus(256), "e": "AQAB", "alg": "RSA-OAEP"}),
            json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}),
            json!({"kty": "EC", "crv": "secp256k1", "x": coordinate, "y": coordinate}),
            json!({"kty": "EC", "crv": "P-384", "x": coordinate, "y": coordinate}),
            json!({"kty": "OKP", "crv": "X25519", "x": coordinate}),
            json!("no object"),
        ] {
            assert_eq!(count(&json!([bad])), 0, "{bad}");
        }
    }

    #[test]
    fn a_set_that_cannot_be_used_is_told() {
        for (bad, part) in [
            ("{", "not JSON"),
            ("{}", "no list of keys"),
            (r#"{"keys":[]}"#, "no key that is of use"),
            (r#"{"keys":[],"keys":[]}"#, "stands twice"),
        ] {
            let said = KeySet::parse(bad.as_bytes()).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
        let many = json!({"keys": vec![json!({}); 101]}).to_string();
        assert!(KeySet::parse(many.as_bytes()).unwrap_err().contains("more than 100"));
    }
}
