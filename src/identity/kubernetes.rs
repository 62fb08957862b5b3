//! Callers by tokens of the cluster, which the cluster itself reviews (TokenReview).

use super::grants::Teams;
use super::{Caller, KubernetesSettings, Refused, Source, Through, jwt};
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How long an answer of the cluster counts. A token that is withdrawn lives on for so long.
const COUNTS_FOR: Duration = Duration::from_secs(30);
/// The most answers that are kept.
const MAX_KEPT: usize = 1000;
/// The most questions that are asked at once.
const MAX_ASKED: usize = 8;
const TIMEOUT: Duration = Duration::from_secs(5);

/// What the cluster said, and when.
type Answer = (Instant, Result<Caller, Refused>);

/// Tokens that the cluster reviews.
pub struct Kubernetes {
    client: kube::Client,
    settings: KubernetesSettings,
    teams: Arc<Teams>,
    kept: Mutex<HashMap<[u8; 32], Answer>>,
    asking: Semaphore,
}

impl Kubernetes {
    /// Has the cluster of `client` review tokens.
    pub fn new(client: kube::Client, settings: KubernetesSettings, teams: Arc<Teams>) -> Self {
        Self { client, settings, teams, kept: Mutex::default(), asking: Semaphore::new(MAX_ASKED) }
    }

    async fn reviewed(&self, token: &str) -> Result<Caller, Refused> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(answer) = self.kept(&digest) {
            return answer;
        }
        let away = || Refused::Undecided("the cluster does not review the token now; try again in a moment".to_owned());
        let asking = async {
            let _place = self.asking.acquire().await.map_err(|_| away())?;
            self.ask(token).await
        };
        let answer = tokio::time::timeout(TIMEOUT, asking).await.unwrap_or_else(|_| Err(away()));
        if !matches!(answer, Err(Refused::Undecided(_))) {
            self.keep(digest, answer.clone());
        }
        answer
    }

    async fn ask(&self, token: &str) -> Result<Caller, Refused> {
        let audiences = Some(self.settings.audiences.clone()).filter(|audiences| !audiences.is_empty());
        let review = TokenReview {
            spec: TokenReviewSpec { token: token.to_owned(), audiences: audiences.clone() },
            ..TokenReview::default()
        };
        let answer = Api::<TokenReview>::all(self.client.clone()).create(&PostParams::default(), &review).await;
        let status = answer.map(|review| review.status.unwrap_or_default()).map_err(|error| {
            tracing::warn!(%error, "the cluster does not review tokens; has the manager the right to create tokenreviews?");
            Refused::Undecided("the cluster does not review tokens; the manager's log has the reason".to_owned())
        })?;
        if !status.authenticated.unwrap_or_default() {
            return Err(Refused::Unknown("the cluster does not know the token".to_owned()));
        }
        // An API server that knows nothing of audiences leaves them out, and has not looked at them.
        let reviewed = status.audiences.unwrap_or_default();
        if audiences.is_some_and(|wanted| !wanted.iter().any(|audience| reviewed.contains(audience))) {
            return Err(Refused::Unknown("the token is for another audience than this API".to_owned()));
        }
        let claims = claims(status.user.unwrap_or_default());
        self.settings.rules.caller(&claims, "kubernetes", Through::Kubernetes, &self.teams, None)
    }

    fn kept(&self, digest: &[u8; 32]) -> Option<Result<Caller, Refused>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(digest).filter(|(at, _)| at.elapsed() < COUNTS_FOR).map(|(_, answer)| answer.clone())
    }

    fn keep(&self, digest: [u8; 32], answer: Result<Caller, Refused>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (at, _)| at.elapsed() < COUNTS_FOR);
        }
        if kept.len() < MAX_KEPT {
            kept.insert(digest, (Instant::now(), answer));
        }
    }
}

/// What the cluster says of somebody, as claims. `sub` is the name, as the cluster has no other word for ever.
fn claims(user: UserInfo) -> Map<String, Value> {
    let name = user.username.unwrap_or_default();
    let claims = json!({
        "sub": name, "username": name, "uid": user.uid, "groups": user.groups.unwrap_or_default(),
        "extra": user.extra.unwrap_or_default(),
    });
    match claims {
        Value::Object(claims) => claims,
        // The literal above is an object.
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

impl Source for Kubernetes {
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Option<Result<Caller, Refused>>> {
        Box::pin(async move {
            if !jwt::looks_like_one(token) {
                return None;
            }
            Some(self.reviewed(token).await)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Condition, Grant, Role, Rules, Scopes, Wanted};
    use http::{Request, Response};
    use kube::client::Body;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A cluster that answers each review by `answer`, and counts them.
    fn cluster(answer: Value, asked: Arc<AtomicUsize>) -> kube::Client {
        let service = tower::service_fn(move |request: Request<Body>| {
            asked.fetch_add(1, Ordering::SeqCst);
            assert_eq!(request.uri().path(), "/apis/authentication.k8s.io/v1/tokenreviews");
            let status = if answer["code"].is_null() { 201 } else { 403 };
            let body = Body::from(answer.to_string().into_bytes());
            std::future::ready(Ok::<_, std::convert::Infallible>(
                Response::builder().status(status).body(body).unwrap(),
            ))
        });
        kube::Client::new(service, "default")
    }

    fn review(status: &Value) -> Value {
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {}, "status": status})
    }

    fn source(answer: Value) -> (Kubernetes, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let wanted = Wanted::OneOf(vec!["system:serviceaccount:ci:jenkins".to_owned()]);
        let when = vec![Condition { claim: "username".to_owned(), wanted }];
        let rules = Rules {
            grants: vec![Grant { role: Role::Viewer, scopes: Scopes::All, team: None, when }],
            ..Rules::default()
        };
        let settings = KubernetesSettings { audiences: vec!["doorstep".to_owned()], rules };
        (Kubernetes::new(cluster(answer, asked.clone()), settings, Arc::default()), asked)
    }

    const TOKEN: &str = "eyJ.eyJ.c2ln";

    #[tokio::test]
    async fn the_clusters_word_counts_for_a_moment() {
        let user = json!({"username": "system:serviceaccount:ci:jenkins", "groups": ["a"]});
        let (source, asked) = source(review(&json!({"authenticated": true, "user": user, "audiences": ["doorstep"]})));
        for _ in 0..100 {
            let caller = source.caller(TOKEN).await.unwrap().unwrap();
            assert_eq!(caller.subject, "kubernetes/system:serviceaccount:ci:jenkins");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        assert!(source.caller("no-jwt").await.is_none());
    }

    #[tokio::test]
    async fn what_the_cluster_does_not_confirm_is_refused() {
        let user = json!({"username": "system:serviceaccount:ci:jenkins"});
        for (status, part) in [
            (json!({"authenticated": false, "error": "secret"}), "does not know the token"),
            (json!({}), "does not know the token"),
            (json!({"authenticated": true, "user": user}), "another audience"),
            (json!({"authenticated": true, "user": user, "audiences": ["other"]}), "another audience"),
            (json!({"authenticated": true, "audiences": ["doorstep"]}), "no subject"),
            (
                json!({"authenticated": true, "user": {"username": "x"}, "audiences": ["doorstep"]}),
                "no rule gives a role",
            ),
        ] {
            let (source, asked) = source(review(&status));
            let said = source.caller(TOKEN).await.unwrap().unwrap_err().to_string();
            assert!(said.contains(part), "{said}");
            assert!(source.caller(TOKEN).await.unwrap().is_err());
            assert_eq!(asked.load(Ordering::SeqCst), 1, "a refusal counts for a moment as well");
        }
    }

    #[tokio::test]
    async fn a_cluster_that_cannot_review_lets_nobody_in_and_is_asked_again() {
        let forbidden =
            json!({"kind": "Status", "code": 403, "status": "Failure", "message": "", "reason": "Forbidden"});
        let (source, asked) = source(forbidden);
        for times in 1..=2 {
            assert!(matches!(source.caller(TOKEN).await, Some(Err(Refused::Undecided(_)))));
            assert_eq!(asked.load(Ordering::SeqCst), times);
        }
    }
}
