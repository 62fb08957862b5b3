//! Tokens of an issuer, over real HTTP and with real keys: the good ones, and every hostile one that is known.

#[path = "../../../tests/support/issuer.rs"]
#[allow(dead_code, reason = "each user of the issuer needs its own part of it")]
mod emulator;

use super::*;
use crate::config::read_identity;
use crate::model::Clock;
use crate::store::{Store, StoreUrl};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emulator::{Issuer, Mood, SigningKey};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use std::sync::Arc;

/// Issuers by an identity file that takes tokens of `issuer`.
fn issuers(issuer: &Issuer) -> Issuers {
    let text = format!(
        r#"
issuers:
- name: test
  issuer: {}
  audiences: [doorstep]
  algorithms: [RS256, ES256]
  user: {{claim: user}}
  grants: [{{role: user, when: [{{claim: sub, matches: ".+"}}]}}]
"#,
        issuer.url
    );
    Issuers::new(read_identity(&text, "identity.yaml").unwrap().issuers, Arc::default(), Clock::system()).unwrap()
}

async fn said(issuers: &Issuers, token: &str) -> String {
    match issuers.caller(token).await {
        None => "not ours".to_owned(),
        Some(Ok(caller)) => panic!("{} was let in", caller.subject),
        Some(Err(refused)) => refused.to_string(),
    }
}

fn claims_with(issuer: &Issuer, name: &str, value: Value) -> String {
    let mut claims = issuer.claims();
    claims[name] = value;
    claims.to_string()
}

#[tokio::test]
async fn good_tokens_of_every_key_are_taken() {
    let issuer = Issuer::start().await;
    let issuers = issuers(&issuer);
    for id in ["rsa-1", "ec-1"] {
        let caller = issuers.caller(&issuer.key(id).token(&issuer.claims())).await.unwrap().unwrap();
        assert_eq!((caller.subject.as_str(), caller.role), ("issuer/test/1", Role::User), "{id}");
        assert_eq!(caller.user.map(|user| user.to_string()).as_deref(), Some("haimaz"));
        assert!(caller.expires_at.is_some() && caller.reach != Reach::Everyone);
    }
    assert_eq!(issuer.fetches(), 1, "keys are kept");
}

#[tokio::test]
async fn hostile_headers_and_signatures_are_refused() {
    let issuer = Issuer::start().await;
    let issuers = issuers(&issuer);
    let (key, stranger) = (issuer.key("rsa-1"), SigningKey::rsa("rsa-1"));
    let claims = issuer.claims().to_string();
    let header = |more: Value| {
        let mut header = json!({"alg": "RS256", "typ": "JWT", "kid": "rsa-1"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        header.to_string()
    };
    let good = key.sign(&header(json!({})), &claims);
    let unsigned = |header: &str| format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(&claims));
    // Key confusion: the issuer's public key, which everybody knows, as the secret of an HMAC.
    let public = key.public();
    let secret = EncodingKey::from_secret(public["n"].as_str().unwrap().as_bytes());
    let confused = {
        let signed = unsigned(&header(json!({"alg": "HS256"})));
        let signed = signed.trim_end_matches('.');
        format!("{signed}.{}", jsonwebtoken::crypto::sign(signed.as_bytes(), &secret, Algorithm::HS256).unwrap())
    };
    let cut = &good[..good.len() - 10];
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let flipped = format!("{signed}.{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
    let other_claims = key.sign(&header(json!({})), &claims_with(&issuer, "user", json!("mallory")));
    let transplanted = format!("{}.{signature}", other_claims.rsplit_once('.').unwrap().0);
    for (what, token, part) in [
        ("no algorithm", unsigned(&header(json!({"alg": "none"}))), "not an algorithm that is taken"),
        ("no algorithm, oddly spelled", unsigned(&header(json!({"alg": "nOnE"}))), "not an algorithm that is taken"),
        ("no signature", unsigned(&header(json!({}))), "signature is wrong"),
        ("key confusion", confused, "not an algorithm that is taken"),
        ("a stranger's key of the same id", stranger.sign(&header(json!({})), &claims), "signature is wrong"),
        (
            "a key that the header brings",
            stranger.sign(&header(json!({"jwk": stranger.public(), "kid": "rsa-1"})), &claims),
            "signature is wrong",
        ),
        (
            "keys elsewhere",
            stranger.sign(&header(json!({"jku": "http://127.0.0.1:9/keys"})), &claims),
            "signature is wrong",
        ),
        (
            "a key's id with a path in it",
            stranger.sign(&header(json!({"kid": "../../etc/passwd"})), &claims),
            "does not tell",
        ),
        (
            "another algorithm of the same key",
            key.sign_by(&header(json!({"alg": "RS512"})), &claims, Algorithm::RS512),
            "RS512, which is not taken of its issuer",
        ),
        (
            "the algorithm of another key",
            key.sign(&header(json!({"alg": "ES256"})), &claims),
            "is for other algorithms",
        ),
        ("an extension that has to be understood", key.sign(&header(json!({"crit": ["exp"]})), &claims), "has crit"),
        ("compressed", key.sign(&header(json!({"zip": "DEF"})), &claims), "has zip"),
        ("a token of another type", key.sign(&header(json!({"typ": "logout+jwt"})), &claims), "of the type"),
        (
            "no key's id, and several keys that fit none",
            key.sign(r#"{"alg":"RS384"}"#, &claims),
            "not taken of its issuer",
        ),
        ("cut off", cut.to_owned(), "signature is wrong"),
        ("one bit", flipped, "signature is wrong"),
        ("another's claims under this signature", transplanted, "signature is wrong"),
        ("claims twice", key.sign(&header(json!({})), &claims.replacen('{', r#"{"sub":"2","#, 1)), "stands twice"),
        ("a header twice", key.sign(r#"{"alg":"RS256","kid":"rsa-1","kid":"ec-1"}"#, &claims), "stands twice"),
    ] {
        let said = said(&issuers, &token).await;
        assert!(said.contains(part), "{what}: {said}");
        assert!(!said.contains(&token[token.len() - 10..]), "{what} shows of the token: {said}");
    }
    assert!(issuers.caller(&good).await.unwrap().is_ok(), "the good one is still taken");
}

#[tokio::test]
async fn hostile_claims_are_refused() {
    let issuer = Issuer::start().await;
    let issuers = issuers(&issuer);
    let key = issuer.key("rsa-1");
    let now = jiff::Timestamp::now().as_second();
    let header = r#"{"alg":"RS256","typ":"JWT","kid":"rsa-1"}"#;
    for (name, value, part) in [
        ("aud", json!("somebody-else"), "another audience"),
        ("aud", json!(["doorstep", 7]), "another audience"),
        ("iss", json!("https://evil.example.com"), "not ours"),
        ("iss", json!(format!("{}/", issuer.url)), "not ours"),
        ("exp", json!(now - 3600), "has expired"),
        ("exp", json!("tomorrow"), "exp is missing, or is no time"),
        ("exp", json!(now + 400 * 86_400), "valid for longer"),
        ("nbf", json!(now + 3600), "not valid before"),
        ("iat", json!(now + 3600), "issued in the future"),
        ("sub", json!(""), "no subject"),
        ("sub", json!(["1"]), "no subject"),
    ] {
        let token = key.sign(header, &claims_with(&issuer, name, value.clone()));
        let said = said(&issuers, &token).await;
        assert!(said.contains(part), "{name} {value}: {said}");
    }
    let deep = format!("{}{}", r#"{"iss":"#, "[".repeat(5000));
    assert!(said(&issuers, &key.sign(header, &deep)).await.contains("claims cannot be read"));
    let identity = Identity::new(vec![Box::new(issuers)], None);
    let huge = key.sign(header, &claims_with(&issuer, "groups", json!("g".repeat(MAX_TOKEN_BYTES))));
    assert!(identity.caller(&huge).await.unwrap_err().to_string().contains("bytes"));
}

#[tokio::test]
async fn an_unknown_key_a_thousand_times_is_not_a_thousand_fetches() {
    let issuer = Issuer::start().await;
    let issuers = Arc::new(issuers(&issuer));
    let stranger = SigningKey::ec("unknown");
    let token = stranger.token(&issuer.claims());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (issuers, token) = (issuers.clone(), token.clone());
        tasks.spawn(async move { issuers.caller(&token).await.unwrap().unwrap_err().to_string() });
    }
    while let Some(said) = tasks.join_next().await {
        assert!(said.unwrap().contains("does not tell"));
    }
    assert!(issuer.fetches() <= 2, "{}", issuer.fetches());
}

#[tokio::test]
async fn a_new_key_is_fetched_and_a_withdrawn_one_counts_no_more() {
    let issuer = Issuer::start().await;
    let issuers = issuers(&issuer).without_pauses();
    let (old, new) = (issuer.key("rsa-1"), SigningKey::ec("ec-2"));
    assert!(issuers.caller(&old.token(&issuer.claims())).await.unwrap().is_ok());
    issuer.set_keys(vec![new.clone()]);
    assert!(issuers.caller(&new.token(&issuer.claims())).await.unwrap().is_ok());
    assert!(said(&issuers, &old.token(&issuer.claims())).await.contains("does not tell"));
    issuer.set_mood(Mood::Down);
    assert!(issuers.caller(&new.token(&issuer.claims())).await.unwrap().is_ok(), "the keys of before serve on");
}

#[tokio::test]
async fn an_issuer_that_behaves_badly_lets_nobody_in() {
    for mood in [Mood::Down, Mood::OtherIssuer, Mood::KeysInTheClear, Mood::Redirects, Mood::Endless, Mood::Garbage] {
        let issuer = Issuer::start().await;
        issuer.set_mood(mood);
        let issuers = issuers(&issuer);
        let token = issuer.key("rsa-1").token(&issuer.claims());
        for _ in 0..20 {
            let refused = issuers.caller(&token).await.unwrap().unwrap_err();
            assert!(matches!(refused, Refused::Undecided(_)), "{mood:?}: {refused}");
        }
        assert!(issuer.fetches() <= 1, "{mood:?}: a failure is not repeated at once");
    }
}

#[tokio::test]
async fn weak_keys_of_an_issuer_are_none() {
    let issuer = Issuer::start().await;
    issuer.set_keys(vec![]);
    let issuers = issuers(&issuer);
    let token = SigningKey::rsa("rsa-1").token(&issuer.claims());
    assert!(matches!(issuers.caller(&token).await, Some(Err(Refused::Undecided(_)))));
}

#[tokio::test]
async fn a_token_that_was_made_here_counts_until_it_is_revoked_or_ends() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&StoreUrl::in_folder(folder.path())).await.unwrap();
    let now = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let clock = Clock::held(now);
    let known = OwnTokens::new(store.clone(), Arc::default(), clock.clone());
    let wish = Wish { name: "ci".to_owned(), role: Some(Role::Viewer), scopes: None, lifetime: None };
    let mint = async |wish: &Wish| {
        let tokens = TokenSettings::default();
        mint(&store, &Caller::local(), wish.clone(), tokens, &Teams::default(), clock.now()).await.unwrap()
    };
    let made = mint(&wish).await;
    let caller = known.caller(&made.text).await.unwrap().unwrap();
    assert_eq!((caller.subject.as_str(), caller.role), ("local", Role::Viewer));
    assert_eq!(caller.through.to_string(), format!("token/{}", made.record.id));
    assert_eq!(store.tokens().find(&made.record.id).await.unwrap().unwrap().last_used_at, Some(now));
    assert!(known.caller("ey.x.y").await.is_none(), "not of this form");
    let said = async |token: &str| known.caller(token).await.unwrap().unwrap_err().to_string();
    let wrong = format!("{}x", made.text);
    assert!(said(&wrong).await.contains("no such token") && !said(&wrong).await.contains(&wrong));
    store.tokens().revoke(&made.record.id, now).await.unwrap();
    assert!(said(&made.text).await.contains("was revoked"));
    let other = mint(&wish).await;
    clock.set(other.record.expires_at.unwrap());
    assert!(said(&other.text).await.contains("has expired"));
    store.close().await;
    assert!(
        matches!(known.caller(&other.text).await, Some(Err(Refused::Undecided(_)))),
        "closed, and nobody is let in"
    );
}
