//! Which rights a running role has: asked at the start, now and then, and when something was refused.

use super::list::{Need, RIGHTS, Right, Role, Verb};
use super::missing::{Missing, Scope};
use crate::telemetry::metrics;
use futures::{FutureExt as _, StreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::Client;
use kube::api::{Api, PostParams};
use std::time::Duration;
use tokio::sync::watch;

/// How often it is asked without any reason.
const PERIOD: Duration = Duration::from_secs(60);
/// How often it is asked while something is missing: somebody may be about to grant it.
const WHILE_MISSING: Duration = Duration::from_secs(10);
/// The shortest time between two rounds, whatever is refused; also how soon a round that failed is repeated.
const PACE: Duration = Duration::from_secs(3);
/// How many missing rights are told in one text.
const TOLD: usize = 4;
/// How many questions are under way at the same time.
const QUESTIONS: usize = 4;

/// What is missing, as it was seen last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// The verbs that are missing, in the order of the list.
    pub missing: Vec<Missing>,
}

impl Held {
    /// Those without which the role cannot do what it is for, as one text.
    pub fn blocking(&self) -> Option<String> {
        let of_need = self.missing.iter().filter(|missing| missing.right.need == Need::Blocks);
        let said: Vec<String> = of_need.map(ToString::to_string).collect();
        let (first, more) = said.split_at_checked(TOLD).unwrap_or((said.as_slice(), &[]));
        let more = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
        (!first.is_empty()).then(|| first.join("; ") + &more)
    }
}

/// Keeps `held` until the caller drops this future. `forbidden` changes with each answer 403.
pub async fn keep(
    client: Client,
    (role, scope): (Role, Scope),
    held: watch::Sender<Held>,
    mut forbidden: watch::Receiver<u64>,
) {
    for (right, verb) in verbs(role) {
        metrics::right_is_missing(labels(right, verb), false);
    }
    loop {
        forbidden.mark_unchanged();
        let wait = match look(&client, role, &scope).await {
            Ok(missing) => {
                tell(&held.borrow().missing, &missing);
                for (right, verb) in verbs(role) {
                    // The same verb of the same resource may be needed in several places.
                    let series = labels(right, verb);
                    let is_missing = missing.iter().any(|it| labels(it.right, it.verb) == series);
                    metrics::right_is_missing(series, is_missing);
                }
                held.send_if_modified(|held| {
                    let news = held.missing != missing;
                    held.missing = missing;
                    news
                });
                if held.borrow().missing.is_empty() { PERIOD } else { WHILE_MISSING }
            }
            // What was seen before stays: an API server that is away takes no right.
            Err(error) => {
                tracing::debug!(%error, "it cannot be asked which rights there are");
                PACE
            }
        };
        tokio::time::sleep(PACE).await;
        let refused = async {
            // Where nobody counts refusals, there is only the period.
            if forbidden.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = refused => {}
            () = tokio::time::sleep(wait.saturating_sub(PACE)) => {}
        }
    }
}

fn verbs(role: Role) -> impl Iterator<Item = (&'static Right, Verb)> {
    let of_role = RIGHTS.iter().filter(move |right| right.role == role);
    of_role.flat_map(|right| right.verbs.iter().map(move |verb| (right, *verb)))
}

fn labels(right: &Right, verb: Verb) -> [&'static str; 4] {
    [right.role.as_str(), right.group, right.resource, verb.as_str()]
}

/// Asks for each right of `role`.
async fn look(client: &Client, role: Role, scope: &Scope) -> kube::Result<Vec<Missing>> {
    let ask = async |missing: Missing| Ok::<_, kube::Error>((!is_allowed(client, &missing).await?).then_some(missing));
    let asked = verbs(role).flat_map(|(right, verb)| {
        scope.namespaces(right.place).into_iter().map(move |namespace| Missing { right, verb, namespace })
    });
    // Boxed, as the compiler cannot see otherwise that such a future may go to another thread.
    let questions: Vec<_> = asked.map(|missing| ask(missing).boxed()).collect();
    let mut answers = stream::iter(questions).buffered(QUESTIONS);
    let mut missing = Vec::new();
    while let Some(answer) = answers.next().await {
        missing.extend(answer?);
    }
    Ok(missing)
}

async fn is_allowed(client: &Client, asked: &Missing) -> kube::Result<bool> {
    let (resource, subresource) = match asked.right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (asked.right.resource, None),
    };
    let attributes = ResourceAttributes {
        group: Some(asked.right.group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource,
        verb: Some(asked.verb.as_str().to_owned()),
        namespace: asked.namespace.clone(),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), non_resource_attributes: None };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let answer: SelfSubjectAccessReview = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|SubjectAccessReviewStatus { allowed, .. }| allowed))
}

/// Once per change.
fn tell(before: &[Missing], now: &[Missing]) {
    for missing in now.iter().filter(|missing| !before.contains(missing)) {
        match missing.right.need {
            Need::Blocks | Need::Degrades => tracing::warn!(right = %missing, "a right is missing"),
            Need::Optional => tracing::info!(right = %missing, "an optional right is missing"),
        }
    }
    for missing in before.iter().filter(|missing| !now.contains(missing)) {
        let (verb, resource) = (missing.verb.as_str(), missing.right.resource);
        tracing::info!(verb, resource, "a right that was missing is there");
    }
}
