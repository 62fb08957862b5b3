//! Marks of use: what the workers saw of the use of environments, written down in [`EnvironmentUse`] objects of this gateway.
//!
//! One object for a thousand environments of a namespace, written once a minute at most, and at once when somebody wants an
//! environment that sleeps. A mark that could not be written is kept for the next time.

use crate::model::{Clock, between};
use crate::resources::{EnvironmentUse, EnvironmentUseSpec, Use, labels};
use crate::routing::{Seen, Snapshot, Table, UsedEnvironment, Uses};
use crate::telemetry::metrics;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, Patch, PatchParams};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How many environments stand in one object.
const PER_OBJECT: usize = 1000;
/// The most objects of a gateway in one namespace. What was used longest ago is left out; it was read long since.
const MAX_OBJECTS: usize = 100;
/// Marks of this age were read long since.
const KEPT: Duration = Duration::from_secs(86_400);
/// Without anything to tell, it is told that the gateway is there.
const HEARTBEAT: Duration = Duration::from_secs(300);
/// The first write comes this soon: until then, nobody knows that a gateway looks.
const FIRST: Duration = Duration::from_secs(5);
/// Two writes are this far apart, whatever is wanted.
const SHORTEST: Duration = Duration::from_secs(1);

/// How marks of use are written.
#[derive(Debug, Clone)]
pub struct UseConfig {
    /// What the workers saw.
    pub uses: Arc<Uses>,
    /// What time it is.
    pub clock: Clock,
    /// How often they are written at most.
    pub every: Duration,
    /// The gateway's name: the beginning of its objects' names.
    pub gateway: String,
}

/// Writes marks until the caller drops this future.
pub(super) async fn keep(client: kube::Client, config: UseConfig, table: Arc<Table>) {
    let wanted = Arc::new(Notify::new());
    let (waker, setter) = (wanted.clone(), wanted.clone());
    config.uses.on_wanted(move || waker.notify_one());
    config.clock.on_set(move || setter.notify_one());
    let mut book = Book::default();
    let mut next = Instant::now() + config.every.min(FIRST);
    let mut looked: Option<Instant> = None;
    loop {
        let is_due = tokio::select! {
            () = tokio::time::sleep_until(next) => true,
            () = wanted.notified() => false,
        };
        if looked.is_none_or(|at| at.elapsed() >= HEARTBEAT) && table.load().is_complete() {
            looked = Some(Instant::now());
            book.open(&table.load());
        }
        book.note(config.uses.take(), &config.clock);
        if is_due {
            book.count(config.every);
            next = Instant::now() + config.every;
        }
        book.write(&client, &config).await;
        tokio::time::sleep(SHORTEST).await;
    }
}

/// All marks of this gateway.
#[derive(Debug, Default)]
struct Book {
    places: BTreeMap<Box<str>, Place>,
}

/// Those of one namespace.
#[derive(Debug, Default)]
struct Place {
    marks: BTreeMap<String, Use>,
    /// Requests and errors since they were counted last.
    counts: HashMap<String, (u64, u64)>,
    /// What stands in the cluster, and since when.
    written: Vec<(BTreeMap<String, Use>, Instant)>,
    failing: bool,
}

impl Book {
    /// Opens a place for each namespace that has environments: where none is used, it is to be known that a gateway looks.
    fn open(&mut self, table: &Snapshot) {
        let rules = table.hosts().flat_map(|host| host.rules()).filter(|rule| rule.environment.is_some());
        for rule in rules {
            let namespace = &rule.name.source.namespace;
            if !self.places.contains_key(namespace) {
                self.places.insert(namespace.clone(), Place::default());
            }
        }
    }

    /// Takes what was seen.
    fn note(&mut self, seen: HashMap<UsedEnvironment, Seen>, clock: &Clock) {
        let now = clock.second();
        for (environment, seen) in seen {
            let name = environment.key.object_name();
            let place = self.places.entry(environment.namespace).or_default();
            let mark = place.marks.entry(name.clone()).or_default();
            if seen.used {
                mark.last_used_at = Some(Time(now));
            }
            if seen.wanted {
                mark.wanted_at = Some(Time(now));
            }
            let counts = place.counts.entry(name).or_default();
            *counts = (counts.0.saturating_add(seen.requests), counts.1.saturating_add(seen.errors));
        }
        for place in self.places.values_mut() {
            place.forget(now);
        }
    }

    /// Makes rates of the requests of the last `period`.
    fn count(&mut self, period: Duration) {
        for place in self.places.values_mut() {
            let counts = std::mem::take(&mut place.counts);
            for (name, mark) in &mut place.marks {
                let (requests, errors) = counts.get(name).copied().unwrap_or_default();
                mark.requests_per_minute = per_minute(requests, period);
                mark.errors_per_minute = per_minute(errors, period);
            }
        }
    }

    /// Writes the objects that differ from what stands in the cluster, and those that were not written for long.
    async fn write(&mut self, client: &kube::Client, config: &UseConfig) {
        for (namespace, place) in &mut self.places {
            let chunks = place.chunks();
            let count = chunks.len().max(place.written.len());
            for index in 0..count {
                let marks = chunks.get(index).cloned().unwrap_or_default();
                let before = place.written.get(index);
                if before.is_some_and(|(known, at)| *known == marks && at.elapsed() < HEARTBEAT) {
                    continue;
                }
                match write(client, config, namespace, index, &marks).await {
                    Ok(()) => {
                        place.failing = false;
                        let entry = (marks, Instant::now());
                        match place.written.get_mut(index) {
                            Some(known) => *known = entry,
                            None => place.written.push(entry),
                        }
                    }
                    Err(error) => {
                        metrics::use_mark_failed();
                        if !std::mem::replace(&mut place.failing, true) {
                            tracing::warn!(%namespace, %error, "the use of environments could not be noted; it is tried again");
                        }
                        break;
                    }
                }
            }
        }
    }
}

impl Place {
    /// Drops what is old, and what is too much.
    fn forget(&mut self, now: Timestamp) {
        self.marks.retain(|_, mark| latest(mark).is_some_and(|latest| between(latest, now) < KEPT));
        let surplus = self.marks.len().saturating_sub(PER_OBJECT * MAX_OBJECTS);
        if surplus > 0 {
            let mut by_age: Vec<_> = self.marks.iter().map(|(name, mark)| (latest(mark), name.clone())).collect();
            by_age.sort();
            for (_, name) in by_age.into_iter().take(surplus) {
                self.marks.remove(&name);
            }
        }
        self.counts.retain(|name, _| self.marks.contains_key(name));
    }

    /// The marks by object. A namespace without any has one object nevertheless: the gateway is there.
    fn chunks(&self) -> Vec<BTreeMap<String, Use>> {
        let marks: Vec<_> = self.marks.iter().map(|(name, mark)| (name.clone(), mark.clone())).collect();
        let chunks: Vec<_> = marks.chunks(PER_OBJECT).map(|chunk| chunk.iter().cloned().collect()).collect();
        if chunks.is_empty() { vec![BTreeMap::new()] } else { chunks }
    }
}

fn latest(mark: &Use) -> Option<Timestamp> {
    let times = [&mark.last_used_at, &mark.wanted_at];
    times.into_iter().flatten().map(|time| time.0).max()
}

fn per_minute(count: u64, period: Duration) -> i64 {
    let millis = u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1);
    i64::try_from(count.saturating_mul(60_000) / millis).unwrap_or(i64::MAX)
}

async fn write(
    client: &kube::Client,
    config: &UseConfig,
    namespace: &str,
    index: usize,
    marks: &BTreeMap<String, Use>,
) -> Result<(), kube::Error> {
    let api: Api<EnvironmentUse> = Api::namespaced(client.clone(), namespace);
    let name = format!("{}-{index}", config.gateway);
    let seen_at = Time(config.clock.second());
    let spec = EnvironmentUseSpec { gateway: config.gateway.clone(), seen_at, environments: marks.clone() };
    let object = EnvironmentUse::new(&name, spec);
    let params = PatchParams::apply(labels::GATEWAY_FIELD_MANAGER).force();
    api.patch(&name, &params, &Patch::Apply(&object)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EnvironmentKey;

    fn seen(name: &str, used: bool, wanted: bool) -> (UsedEnvironment, Seen) {
        let key = EnvironmentKey::from_object_name(name).unwrap();
        (UsedEnvironment { namespace: "default".into(), key }, Seen { requests: 3, errors: 1, used, wanted })
    }

    fn clock() -> Clock {
        Clock::held("2026-03-02T10:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_mark_tells_when_it_was_used_and_how_much() {
        let (mut book, clock) = (Book::default(), clock());
        book.note(HashMap::from([seen("a-x", true, false)]), &clock);
        clock.advance(Duration::from_secs(20));
        book.note(HashMap::from([seen("a-x", false, true)]), &clock);
        book.count(Duration::from_secs(30));
        let mark = &book.places["default"].marks["a-x"];
        assert_eq!(mark.last_used_at.as_ref().unwrap().0.to_string(), "2026-03-02T10:00:00Z");
        assert_eq!(mark.wanted_at.as_ref().unwrap().0.to_string(), "2026-03-02T10:00:20Z");
        assert_eq!((mark.requests_per_minute, mark.errors_per_minute), (12, 4));
        book.count(Duration::from_secs(30));
        assert_eq!(book.places["default"].marks["a-x"].requests_per_minute, 0);
    }

    #[test]
    fn old_marks_are_dropped_and_many_stand_in_several_objects() {
        let (mut book, clock) = (Book::default(), clock());
        let all = (0..2500).map(|n| seen(&format!("u{n}-x"), true, false));
        book.note(all.collect(), &clock);
        let sizes: Vec<usize> = book.places["default"].chunks().iter().map(BTreeMap::len).collect();
        assert_eq!(sizes, [1000, 1000, 500]);
        clock.advance(KEPT);
        book.note(HashMap::from([seen("a-x", true, false)]), &clock);
        assert_eq!(book.places["default"].chunks().iter().map(BTreeMap::len).collect::<Vec<_>>(), [1]);
    }
}
