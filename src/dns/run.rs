//! The leader's work: a task for each zone, one that follows the cluster, and one that tells how it went.

use super::tell::{Teller, tell};
use super::wanted::Wanted;
use super::watch::{Seen, follow};
use super::{Desk, Keeper, May, Pass, ProviderError, SetKey, SetState, ZoneWanted};
use crate::cluster::SharedKinds;
use crate::model::Hostname;
use kube::Client;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// The shortest time between two passes over a zone.
const PACE: Duration = Duration::from_millis(250);
/// The first wait after a failure; it doubles up to [`MAX_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait after a failure.
const MAX_RETRY: Duration = Duration::from_secs(120);
/// The longest time for which a provider may ask to be left alone; one that asks for more is asked again after it.
const MAX_THROTTLE: Duration = Duration::from_secs(600);
/// How often it is looked whether a refused plan was confirmed.
const CONFIRMATION: Duration = Duration::from_secs(5);

/// How the sets of each zone are.
pub(super) type States = BTreeMap<Hostname, Arc<BTreeMap<SetKey, SetState>>>;

/// Keeps the zones of `desk` until `shutdown`, by what is heard of `kinds`. `client` writes what is told; `may` is asked before
/// each change of a zone.
pub async fn run(desk: Desk, client: Client, kinds: SharedKinds, may: May, shutdown: CancellationToken) {
    let (seen_sender, seen) = watch::channel(None);
    let (wanted_sender, wanted) = watch::channel(None);
    let states = Arc::new(watch::Sender::new(States::new()));
    let mut tasks = JoinSet::new();
    let mut spawn = |task: futures::future::BoxFuture<'static, ()>| {
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(task));
    };
    spawn(Box::pin(follow(kinds, desk.scope().clone(), seen_sender)));
    spawn(Box::pin(keep_wanted(desk.clone(), seen.clone(), wanted_sender)));
    for config in desk.zones() {
        let keeper = Keeper::new(config.clone());
        spawn(Box::pin(keep(desk.clone(), keeper, wanted.clone(), states.clone(), may.clone())));
    }
    let teller = Teller::new(client);
    spawn(Box::pin(tell(teller, seen, wanted, states.subscribe())));
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a task of DNS ended");
        }
    }
}

/// Works out anew what is wanted, with each state that was seen.
async fn keep_wanted(
    desk: Desk,
    mut seen: watch::Receiver<Option<Arc<Seen>>>,
    wanted: watch::Sender<Option<Arc<Wanted>>>,
) {
    while seen.changed().await.is_ok() {
        let now = seen.borrow_and_update().clone();
        let Some(now) = now else { continue };
        let next = now.wanted(&desk);
        wanted.send_if_modified(|known| {
            let is_new = known.as_deref() != Some(&next);
            if is_new {
                *known = Some(Arc::new(next));
            }
            is_new
        });
    }
}

/// Keeps one zone.
async fn keep(
    desk: Desk,
    mut keeper: Keeper,
    mut wanted: watch::Receiver<Option<Arc<Wanted>>>,
    states: Arc<watch::Sender<States>>,
    may: May,
) {
    let zone = keeper.config().zone.clone();
    let mut failures = 0;
    let mut confirmed = None;
    loop {
        let of_zone: Option<ZoneWanted> =
            wanted.borrow_and_update().as_ref().map(|wanted| wanted.zones.get(&zone).cloned().unwrap_or_default());
        let Some(of_zone) = of_zone else {
            if wanted.changed().await.is_err() {
                return;
            }
            continue;
        };
        let began = Instant::now();
        let pass = keeper.pass(&of_zone, confirmed.as_deref(), &may).await;
        let waits_for = pass.refused.as_ref().map(ToString::to_string);
        if let Some(refused) = waits_for {
            tracing::warn!(%zone, refused, "a plan waits for its confirmation");
            confirmed = desk.confirmed(&zone).await;
        }
        let (pause, rest) = waits(&pass, &mut failures, keeper.config().period);
        states.send_modify(|states| drop(states.insert(zone.clone(), Arc::new(pass.states))));
        // What others want meanwhile is seen after the pause; without anything new, the rest is waited too.
        sleep_until(began + PACE.max(pause)).await;
        tokio::select! {
            () = sleep_until(began + rest.max(pause)) => {}
            changed = wanted.changed() => if changed.is_err() { return },
        }
    }
}

/// How long nothing is done at all, and how long nothing is done unless something new is wanted.
fn waits(pass: &Pass, failures: &mut u32, period: Duration) -> (Duration, Duration) {
    if pass.refused.is_some() {
        return (PACE, CONFIRMATION);
    }
    if pass.is_done {
        *failures = 0;
        return (PACE, period);
    }
    let doubled = (FIRST_RETRY * 2_u32.saturating_pow(*failures)).min(MAX_RETRY);
    *failures = (*failures + 1).min(16);
    match &pass.failure {
        Some(ProviderError::Throttled { after, .. }) => {
            let wait = after.unwrap_or(doubled).min(MAX_THROTTLE).max(FIRST_RETRY);
            (wait, wait)
        }
        // Whoever does not answer is not asked more often because there is more to ask.
        Some(ProviderError::Unavailable(_) | ProviderError::Refused(_)) => (doubled, doubled),
        Some(ProviderError::Precondition(_) | ProviderError::Lost(_) | ProviderError::NotOurs(_)) | None => {
            (PACE, doubled)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_that_throttles_is_left_alone_as_long_as_it_wants() {
        let throttled =
            |after| Pass { failure: Some(ProviderError::Throttled { after, said: String::new() }), ..Pass::default() };
        let (period, mut failures) = (Duration::from_secs(300), 0);
        let wait = Duration::from_secs(17);
        assert_eq!(waits(&throttled(Some(wait)), &mut failures, period), (wait, wait));
        let years = Duration::from_secs(1 << 40);
        assert_eq!(waits(&throttled(Some(years)), &mut failures, period).0, MAX_THROTTLE);
    }

    #[test]
    fn failures_are_tried_again_ever_more_seldom_and_success_begins_anew() {
        let away = || Pass { failure: Some(ProviderError::Unavailable(String::new())), ..Pass::default() };
        let (period, mut failures) = (Duration::from_secs(300), 0);
        let waited: Vec<u64> = (0..9).map(|_| waits(&away(), &mut failures, period).0.as_secs()).collect();
        assert_eq!(waited, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
        let done = Pass { is_done: true, ..Pass::default() };
        assert_eq!(waits(&done, &mut failures, period), (PACE, period));
        assert_eq!(failures, 0);
    }
}
