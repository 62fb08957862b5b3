//! What a token claims of itself: from whom, for whom and when (RFC 7519, section 4.1).

use super::jwt::Jwt;
use crate::model::shown;
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// What a token has to claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The issuer, to the letter.
    pub issuer: String,
    /// For whom it may be: one of these.
    pub audiences: Vec<String>,
    /// The types that are taken, in lower case; a token without one is taken where `jwt` is.
    pub types: Vec<String>,
    /// How far clocks may be apart.
    pub skew: Duration,
    /// The longest time between a token's issue and its end.
    pub max_lifetime: Duration,
}

/// Why a token with a right signature is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("the token is of the type {}, which is not taken here", shown(.0))]
    Type(String),
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for another audience than this API")]
    Audience,
    #[error("the token's {0} is missing, or is no time")]
    NoTime(&'static str),
    #[error("the token has expired at {0}")]
    Expired(Timestamp),
    #[error("the token is not valid before {0}")]
    NotYet(Timestamp),
    #[error("the token is issued in the future, at {0}: is the clock of one of the two wrong?")]
    Future(Timestamp),
    #[error("the token is valid for longer than {0:?}, which is the longest that is taken here")]
    TooLong(Duration),
}

/// The most of seconds that a time may be: the end of the year 9999.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Checks what `jwt` claims, at the time `now`. Gives the time of its end.
pub(super) fn check(jwt: &Jwt<'_>, expected: &Expected, now: Timestamp) -> Result<Timestamp, Unfit> {
    let kind = jwt.kind.as_deref().unwrap_or("jwt");
    if !expected.types.iter().any(|taken| taken == kind) {
        return Err(Unfit::Type(kind.to_owned()));
    }
    if jwt.issuer() != Some(expected.issuer.as_str()) {
        return Err(Unfit::Issuer);
    }
    let ours =
        |audience: &Value| audience.as_str().is_some_and(|text| expected.audiences.iter().any(|own| own == text));
    let for_us = match jwt.claims.get("aud") {
        Some(Value::Array(all)) => all.iter().all(Value::is_string) && all.iter().any(ours),
        Some(one) => ours(one),
        None => false,
    };
    if !for_us {
        return Err(Unfit::Audience);
    }
    let expires = time(jwt, "exp")?.ok_or(Unfit::NoTime("exp"))?;
    let skew = jiff::SignedDuration::try_from(expected.skew).unwrap_or_default();
    let earliest = now.saturating_sub(skew).unwrap_or(now);
    let latest = now.saturating_add(skew).unwrap_or(now);
    if expires <= earliest {
        return Err(Unfit::Expired(expires));
    }
    if let Some(begins) = time(jwt, "nbf")?.filter(|begins| *begins > latest) {
        return Err(Unfit::NotYet(begins));
    }
    let issued = time(jwt, "iat")?;
    if let Some(issued) = issued.filter(|issued| *issued > latest) {
        return Err(Unfit::Future(issued));
    }
    let lifetime = expires.duration_since(issued.unwrap_or(now));
    if lifetime > jiff::SignedDuration::try_from(expected.max_lifetime).unwrap_or_default().saturating_add(skew) {
        return Err(Unfit::TooLong(expected.max_lifetime));
    }
    Ok(expires)
}

/// A NumericDate. A claim that is there and is no time is a mistake, not an absence.
fn time(jwt: &Jwt<'_>, name: &'static str) -> Result<Option<Timestamp>, Unfit> {
    let Some(value) = jwt.claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds)).ok_or(Unfit::NoTime(name))?;
    let time = Timestamp::from_millisecond((seconds * 1000.0) as i64).map_err(|_| Unfit::NoTime(name))?;
    Ok(Some(time))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    fn outcome(header: &Value, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Result<Timestamp, Unfit> {
        let mut claims =
            json!({"iss": "https://issuer", "aud": "doorstep", "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 300});
        change(claims.as_object_mut().unwrap());
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let token = format!("{}.{}.c2ln", encode(header), encode(&claims));
        let expected = Expected {
            issuer: "https://issuer".to_owned(),
            audiences: vec!["doorstep".to_owned(), "api://doorstep".to_owned()],
            types: vec!["jwt".to_owned(), "at+jwt".to_owned()],
            skew: Duration::from_secs(60),
            max_lifetime: Duration::from_secs(86_400),
        };
        check(&Jwt::parse(&token).unwrap(), &expected, Timestamp::from_second(NOW).unwrap())
    }

    fn claims(change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Result<Timestamp, Unfit> {
        outcome(&json!({"alg": "RS256", "typ": "JWT"}), change)
    }

    fn with(name: &str, value: Value) -> Result<Timestamp, Unfit> {
        claims(|claims| {
            claims.insert(name.to_owned(), value);
        })
    }

    #[test]
    fn a_fitting_token_is_taken_until_its_end() {
        assert_eq!(claims(|_| ()).unwrap().as_second(), NOW + 300);
        assert!(with("aud", json!(["other", "api://doorstep"])).is_ok());
        assert!(with("exp", json!(NOW - 59)).is_ok(), "clocks may be apart");
        assert!(with("nbf", json!(NOW + 59)).is_ok());
        assert!(outcome(&json!({"alg": "RS256"}), |_| ()).is_ok(), "a token without a type is a JWT");
        assert!(outcome(&json!({"alg": "RS256", "typ": "at+jwt"}), |_| ()).is_ok());
    }

    #[test]
    fn issuer_audience_and_type_are_taken_to_the_letter() {
        for issuer in [json!("https://issuer/"), json!("HTTPS://issuer"), json!(["https://issuer"]), json!(null)] {
            assert_eq!(with("iss", issuer), Err(Unfit::Issuer));
        }
        for audience in
            [json!("Doorstep"), json!(""), json!([]), json!(["doorstep", 1]), json!({"doorstep": 1}), json!(null)]
        {
            assert_eq!(with("aud", audience.clone()), Err(Unfit::Audience), "{audience}");
        }
        for gone in ["iss", "aud", "exp"] {
            assert!(claims(|claims| drop(claims.remove(gone))).is_err(), "{gone}");
        }
        let logout = json!({"alg": "RS256", "typ": "logout+jwt"});
        assert_eq!(outcome(&logout, |_| ()), Err(Unfit::Type("logout+jwt".to_owned())));
    }

    #[test]
    fn times_are_numbers_within_reason() {
        assert!(matches!(with("exp", json!(NOW - 61)), Err(Unfit::Expired(_))));
        assert!(matches!(with("nbf", json!(NOW + 61)), Err(Unfit::NotYet(_))));
        assert!(matches!(with("iat", json!(NOW + 61)), Err(Unfit::Future(_))));
        for value in [json!("1800000300"), json!(null), json!(-1), json!(1e300), json!([NOW]), json!(true)] {
            for name in ["exp", "nbf", "iat"] {
                assert_eq!(with(name, value.clone()), Err(Unfit::NoTime(name)), "{name} {value}");
            }
        }
        assert!(matches!(with("exp", json!(NOW + 90_000)), Err(Unfit::TooLong(_))));
    }
}
