//! A signed token in its compact form (RFC 7515, section 7.1), read strictly. Nothing of it is trusted yet.

use super::SignatureAlgorithm;
use super::json;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// The most characters of a key's id.
const MAX_KEY_ID: usize = 512;

/// Why a text is not a token that can be looked at. No sentence holds any of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("the token has not the form of a signed token: three parts of base64url with dots between them")]
    Form,
    #[error("the token's header cannot be read: {0}")]
    Header(String),
    #[error("the token's claims cannot be read: {0}")]
    Claims(String),
    #[error("the token is not signed by an algorithm that is taken here: {0}")]
    Algorithm(String),
    #[error("the token's header has crit, and no extension is understood here")]
    Critical,
    #[error("the token's header has zip, and a signed token has no compressed content")]
    Compressed,
    #[error("the token's key id is no text of at most {MAX_KEY_ID} characters")]
    KeyId,
}

/// A token, taken apart.
#[derive(Debug)]
pub(super) struct Jwt<'t> {
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) key_id: Option<String>,
    /// The type in lower case, without `application/`.
    pub(super) kind: Option<String>,
    pub(super) claims: Map<String, Value>,
    /// What is signed.
    pub(super) signed: &'t str,
    pub(super) signature: &'t str,
}

/// Whether `text` has the form of a token: three parts, none of them empty but perhaps the last.
pub(super) fn looks_like_one(text: &str) -> bool {
    text.split('.').count() == 3 && text.starts_with("ey")
}

impl<'t> Jwt<'t> {
    pub(super) fn parse(token: &'t str) -> Result<Self, Malformed> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(Malformed::Form)?;
        if claims.contains('.') {
            return Err(Malformed::Form);
        }
        // Strict: neither padding nor stray bits, so that a token has one spelling.
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformed::Form);
        let header = json::object(&decode(header)?).map_err(Malformed::Header)?;
        let (algorithm, kind, key_id) = read_header(&header)?;
        let claims = json::object(&decode(claims)?).map_err(Malformed::Claims)?;
        decode(signature)?;
        Ok(Self { algorithm, key_id, kind, claims, signed, signature })
    }

    /// Who says to have issued it.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

/// The algorithm, the type and the key's id. Keys that a header brings along (`jwk`, `jku`, `x5c`, `x5u`) are not looked
/// at: a token does not say by which key it is right.
fn read_header(header: &Map<String, Value>) -> Result<(SignatureAlgorithm, Option<String>, Option<String>), Malformed> {
    let text = |name: &str| match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Malformed::Header(format!("{name} is not a text"))),
    };
    let algorithm = text("alg")?.ok_or_else(|| Malformed::Header("it names no algorithm".to_owned()))?;
    let algorithm = algorithm
        .parse()
        .map_err(|error: super::algorithm::UnknownAlgorithm| Malformed::Algorithm(error.to_string()))?;
    if header.contains_key("crit") {
        return Err(Malformed::Critical);
    }
    if header.contains_key("zip") {
        return Err(Malformed::Compressed);
    }
    let kind = text("typ")?.map(|kind| {
        let kind = kind.to_ascii_lowercase();
        kind.strip_prefix("application/").map(str::to_owned).unwrap_or(kind)
    });
    let key_id = text("kid").map_err(|_| Malformed::KeyId)?;
    if key_id.as_ref().is_some_and(|id| id.len() > MAX_KEY_ID) {
        return Err(Malformed::KeyId);
    }
    Ok((algorithm, kind, key_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, claims: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
    }

    fn said(header: &str, claims: &str) -> String {
        Jwt::parse(&token(header, claims)).unwrap_err().to_string()
    }

    #[test]
    fn a_token_is_taken_apart() {
        let text = token(r#"{"alg":"RS256","typ":"application/at+JWT","kid":"1"}"#, r#"{"iss":"https://a"}"#);
        let jwt = Jwt::parse(&text).unwrap();
        assert_eq!((jwt.algorithm, jwt.kind.as_deref()), (SignatureAlgorithm::Rs256, Some("at+jwt")));
        assert_eq!((jwt.key_id.as_deref(), jwt.issuer()), (Some("1"), Some("https://a")));
        assert_eq!(format!("{}.{}", jwt.signed, jwt.signature), text);
    }

    #[test]
    fn hostile_headers_are_refused_each_with_its_sentence() {
        for (header, part) in [
            (r#"{"alg":"none"}"#, "\"none\" is not an algorithm that is taken"),
            (r#"{"alg":"HS256"}"#, "\"HS256\" is not an algorithm that is taken"),
            (r#"{"alg":["RS256"]}"#, "alg is not a text"),
            (r"{}", "names no algorithm"),
            (r#"{"alg":"RS256","alg":"none"}"#, "stands twice"),
            (r#"{"alg":"RS256","crit":["b64"],"b64":false}"#, "has crit"),
            (r#"{"alg":"RS256","crit":[]}"#, "has crit"),
            (r#"{"alg":"RS256","zip":"DEF"}"#, "has zip"),
            (r#"{"alg":"RS256","kid":7}"#, "key id"),
            (&format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(513)), "key id"),
            ("[]", "not an object"),
        ] {
            let said = said(header, "{}");
            assert!(said.contains(part), "{header}: {said}");
        }
        assert!(said(r#"{"alg":"RS256"}"#, r#"{"sub":"a","sub":"b"}"#).contains("stands twice"));
    }

    #[test]
    fn a_token_has_one_spelling() {
        let good = token(r#"{"alg":"RS256"}"#, "{}");
        for bad in [
            String::new(),
            "a.b".to_owned(),
            good.replace("c2ln", "c2ln="),
            good.replace("c2ln", "c2l+"),
            good.replace("c2ln", "c2k."),
            format!("{good}.x.y"),
            good.replace('.', " ."),
            // Stray bits in the last character.
            good.replace("c2ln", "c2m"),
        ] {
            let parsed = Jwt::parse(&bad);
            assert!(matches!(parsed, Err(Malformed::Form | Malformed::Header(_))), "{bad}: {parsed:?}");
        }
    }
}
