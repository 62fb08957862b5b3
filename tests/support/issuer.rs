//! An OpenID Connect issuer to be tried against: real HTTP, real keys, and every way to behave badly.

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{Response, StatusCode};
use axum::response::Redirect;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A key pair of an issuer.
#[derive(Clone)]
pub struct SigningKey {
    pub id: String,
    pub algorithm: Algorithm,
    key: EncodingKey,
}

impl SigningKey {
    /// An RSA key of 2048 bits.
    pub fn rsa(id: &str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        // PKCS #8 of an RSA key of this size is its PKCS #1 form behind 26 bytes.
        let key = EncodingKey::from_rsa_der(&pair.serialize_der()[26..]);
        Self { id: id.to_owned(), algorithm: Algorithm::RS256, key }
    }

    /// A P-256 key.
    pub fn ec(id: &str) -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let key = EncodingKey::from_ec_der(&pair.serialize_der());
        Self { id: id.to_owned(), algorithm: Algorithm::ES256, key }
    }

    /// The public half, as a key set has it.
    pub fn public(&self) -> Value {
        let mut public = serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        public["kid"] = json!(self.id);
        public["use"] = json!("sig");
        public
    }

    /// A token with exactly this header and these claims, signed by this key with its algorithm, whatever the header says.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        self.sign_by(header, claims, self.algorithm)
    }

    pub fn sign_by(&self, header: &str, claims: &str, algorithm: Algorithm) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, algorithm).unwrap();
        format!("{signed}.{signature}")
    }

    /// A token as an issuer makes it.
    pub fn token(&self, claims: &Value) -> String {
        let algorithm = format!("{:?}", self.algorithm);
        self.sign(&json!({"alg": algorithm, "typ": "JWT", "kid": self.id}).to_string(), &claims.to_string())
    }
}

/// How the issuer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Every answer is a failure.
    Down,
    /// The discovery document is of somebody else.
    OtherIssuer,
    /// The keys are at an address elsewhere, in the clear.
    KeysInTheClear,
    /// The discovery document is a redirect.
    Redirects,
    /// The key set goes on and on.
    Endless,
    /// The key set is no JSON.
    Garbage,
    /// Logins are refused.
    Refuses,
}

pub struct Issuer {
    pub url: String,
    state: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

struct Shared {
    url: String,
    mood: Mutex<Mood>,
    keys: Mutex<Vec<SigningKey>>,
    /// How often keys were fetched.
    fetches: AtomicUsize,
    /// Codes that were given out: what the login asked for.
    codes: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    /// Polls of a login on another device that are still to be answered by `authorization_pending`.
    pending: AtomicUsize,
    /// How many renewals there were; each renewal token counts once.
    renewals: AtomicUsize,
    revoked: AtomicUsize,
    /// The claims of tokens that a login gets, but for times and issuer.
    person: Mutex<Value>,
    lifetime: Mutex<i64>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Issuer {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Shared {
            url: url.clone(),
            mood: Mutex::new(Mood::Well),
            keys: Mutex::new(vec![SigningKey::rsa("rsa-1"), SigningKey::ec("ec-1")]),
            fetches: AtomicUsize::new(0),
            codes: Mutex::default(),
            pending: AtomicUsize::new(1),
            renewals: AtomicUsize::new(0),
            revoked: AtomicUsize::new(0),
            person: Mutex::new(json!({"sub": "1", "aud": "doorstep", "name": "Haima Z.", "user": "haimaz"})),
            lifetime: Mutex::new(3600),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/device", post(device))
            .route("/revoke", post(revoke))
            .with_state(state.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state, server }
    }

    pub fn set_mood(&self, mood: Mood) {
        *self.state.mood.lock().unwrap() = mood;
    }

    pub fn key(&self, id: &str) -> SigningKey {
        self.state.keys.lock().unwrap().iter().find(|key| key.id == id).unwrap().clone()
    }

    pub fn set_keys(&self, keys: Vec<SigningKey>) {
        *self.state.keys.lock().unwrap() = keys;
    }

    pub fn fetches(&self) -> usize {
        self.state.fetches.load(Ordering::SeqCst)
    }

    pub fn renewals(&self) -> usize {
        self.state.renewals.load(Ordering::SeqCst)
    }

    pub fn revoked(&self) -> usize {
        self.state.revoked.load(Ordering::SeqCst)
    }

    pub fn set_lifetime(&self, seconds: i64) {
        *self.state.lifetime.lock().unwrap() = seconds;
    }

    /// The claims of a good token for the audience `doorstep`.
    pub fn claims(&self) -> Value {
        self.state.claims(300)
    }
}

impl Shared {
    fn claims(&self, lifetime: i64) -> Value {
        let now = jiff::Timestamp::now().as_second();
        let mut claims = self.person.lock().unwrap().clone();
        claims["iss"] = json!(self.url);
        claims["iat"] = json!(now);
        claims["exp"] = json!(now + lifetime);
        claims
    }

    /// What the token endpoint gives somebody who logged in.
    fn granted(&self, nonce: Option<&str>) -> Value {
        let lifetime = *self.lifetime.lock().unwrap();
        let key = self.keys.lock().unwrap()[0].clone();
        let mut id = self.claims(lifetime);
        if let Some(nonce) = nonce {
            id["nonce"] = json!(nonce);
        }
        let renewal = self.renewals.load(Ordering::SeqCst);
        json!({
            "access_token": key.token(&self.claims(lifetime)), "id_token": key.token(&id), "token_type": "Bearer",
            "expires_in": lifetime, "refresh_token": format!("renewal-{renewal}"),
        })
    }
}

type Known = State<Arc<Shared>>;

fn answer(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).header("content-type", "application/json").body(body.into()).unwrap()
}

async fn discovery(State(shared): Known) -> Response<Body> {
    let mood = *shared.mood.lock().unwrap();
    let url = &shared.url;
    let mut document = json!({
        "issuer": url, "jwks_uri": format!("{url}/keys"), "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"), "device_authorization_endpoint": format!("{url}/device"),
        "revocation_endpoint": format!("{url}/revoke"),
    });
    match mood {
        Mood::Down => return answer(StatusCode::INTERNAL_SERVER_ERROR, ""),
        Mood::Redirects => {
            return Response::builder()
                .status(302)
                .header("location", format!("{url}/keys"))
                .body(Body::empty())
                .unwrap();
        }
        Mood::OtherIssuer => document["issuer"] = json!("https://evil.example.com"),
        Mood::KeysInTheClear => document["jwks_uri"] = json!("http://evil.example.com/keys"),
        Mood::Well | Mood::Endless | Mood::Garbage | Mood::Refuses => {}
    }
    answer(StatusCode::OK, document.to_string())
}

async fn keys(State(shared): Known) -> Response<Body> {
    shared.fetches.fetch_add(1, Ordering::SeqCst);
    let mood = *shared.mood.lock().unwrap();
    match mood {
        Mood::Down => answer(StatusCode::INTERNAL_SERVER_ERROR, ""),
        Mood::Garbage => answer(StatusCode::OK, "<html>"),
        Mood::Endless => answer(StatusCode::OK, "x".repeat(2 << 20)),
        Mood::Well | Mood::OtherIssuer | Mood::KeysInTheClear | Mood::Redirects | Mood::Refuses => {
            let keys: Vec<Value> = shared.keys.lock().unwrap().iter().map(SigningKey::public).collect();
            answer(StatusCode::OK, json!({ "keys": keys }).to_string())
        }
    }
}

type Fields = BTreeMap<String, String>;

fn form(body: &str) -> Fields {
    reqwest::Url::parse(&format!("http://x/?{body}")).unwrap().query_pairs().into_owned().collect()
}

/// The page on which somebody logs in: the browser of the test is sent back at once.
async fn authorize(State(shared): Known, Query(asked): Query<Fields>) -> Redirect {
    let back = format!("{}?state={}", asked["redirect_uri"], asked["state"]);
    if *shared.mood.lock().unwrap() == Mood::Refuses {
        return Redirect::to(&format!("{back}&error=access_denied&error_description=not+today"));
    }
    assert_eq!(asked["code_challenge_method"], "S256");
    let code = format!("code-{}", shared.codes.lock().unwrap().len());
    shared.codes.lock().unwrap().insert(code.clone(), asked);
    Redirect::to(&format!("{back}&code={code}&iss={}", shared.url))
}

async fn token(State(shared): Known, body: String) -> Response<Body> {
    let asked = form(&body);
    let refuse = |error: &str| answer(StatusCode::BAD_REQUEST, json!({ "error": error }).to_string());
    match asked["grant_type"].as_str() {
        "authorization_code" => {
            // A code counts once, for whoever has what the challenge was made of.
            let Some(begun) = shared.codes.lock().unwrap().remove(&asked["code"]) else {
                return refuse("invalid_grant");
            };
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(asked["code_verifier"].as_bytes()));
            let same = ["client_id", "redirect_uri"].iter().all(|name| begun[*name] == asked[*name]);
            if challenge != begun["code_challenge"] || !same {
                return refuse("invalid_grant");
            }
            answer(StatusCode::OK, shared.granted(Some(&begun["nonce"])).to_string())
        }
        "urn:ietf:params:oauth:grant-type:device_code" => {
            let waiting = shared.pending.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if waiting.is_ok() {
                return refuse("authorization_pending");
            }
            answer(StatusCode::OK, shared.granted(None).to_string())
        }
        "refresh_token" => {
            let newest = format!("renewal-{}", shared.renewals.load(Ordering::SeqCst));
            if asked["refresh_token"] != newest {
                return refuse("invalid_grant");
            }
            shared.renewals.fetch_add(1, Ordering::SeqCst);
            answer(StatusCode::OK, shared.granted(None).to_string())
        }
        _ => refuse("unsupported_grant_type"),
    }
}

async fn device(State(shared): Known) -> Response<Body> {
    let body = json!({
        "device_code": "device", "user_code": "ABCD-EFGH", "verification_uri": format!("{}/activate", shared.url),
        "expires_in": 600, "interval": 1,
    });
    answer(StatusCode::OK, body.to_string())
}

async fn revoke(State(shared): Known, body: String) -> StatusCode {
    assert!(form(&body)["token"].starts_with("renewal-"));
    shared.revoked.fetch_add(1, Ordering::SeqCst);
    StatusCode::OK
}
