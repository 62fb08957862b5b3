//! What the gateway saw of an endpoint: how busy it is, and whether it failed so often that it is left alone for a while.

use super::WaitQueue;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// So many failures in a row, and an endpoint is ejected: it gets no requests for a while.
const FAILURES: u32 = 5;
/// How long an ejection lasts, times how many there were, up to [`MOST_EJECTIONS`].
const EJECTION: Duration = Duration::from_secs(30);
const MOST_EJECTIONS: u32 = 10;
/// So long one request alone tries an endpoint whose ejection is over. Longer than a connection may take.
const TRIAL: Duration = Duration::from_secs(5);

/// So many requests under way at an endpoint, none of which it answers, are more than slow pages.
const SILENT_TOGETHER: u32 = 3;

/// What the gateway saw of an endpoint. All threads share it, so there are atomics and no lock; a request touches nothing
/// but `active` and `answers` while the endpoint does well.
#[derive(Debug, Default)]
pub struct Load {
    /// Requests under way.
    active: AtomicU32,
    /// Goes up with every answer. Of two at once one may be lost: whether it has changed is all that is asked.
    answers: AtomicU32,
    /// Failures since the last answer.
    failures: AtomicU32,
    /// How often it was ejected lately.
    ejections: AtomicU32,
    /// Until when it is ejected, by [`Load::now`]; 0: it is not. One that is over stays until a request has tried it.
    ejected_until: AtomicU64,
}

impl Load {
    /// Counts one request until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> LoadGuard {
        self.active.fetch_add(1, Relaxed);
        LoadGuard(self.clone())
    }

    /// Requests under way.
    pub fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    /// Whether it may get a request without a second thought: it is not ejected, and has fewer than `most` under way.
    pub fn is_open(&self, most: u32) -> bool {
        self.active() < most && !self.is_ejected()
    }

    /// Whether it is ejected, or was and has not been tried since.
    pub fn is_ejected(&self) -> bool {
        self.ejected_until.load(Relaxed) != 0
    }

    /// The clock of ejections: milliseconds since the first question.
    pub fn now() -> u64 {
        static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        millis(BEGIN.elapsed()).saturating_add(1)
    }

    /// Whether its ejection is over and this request is the one that tries it. Others stay away meanwhile.
    pub fn may_be_tried(&self, now: u64) -> bool {
        let until = self.ejected_until.load(Relaxed);
        let trial = now.saturating_add(millis(TRIAL));
        until != 0 && until <= now && self.ejected_until.compare_exchange(until, trial, Relaxed, Relaxed).is_ok()
    }

    /// A mark that is another one after the next answer.
    pub fn answers(&self) -> u32 {
        self.answers.load(Relaxed)
    }

    /// Whether it has answered nobody since `answers` was read, and there is more reason than that to think that it will not: several wait for it, or
    /// it failed before and has not answered since.
    pub fn is_silent_since(&self, answers: u32) -> bool {
        self.answers() == answers && (self.active() >= SILENT_TOGETHER || self.is_ejected())
    }

    /// It has answered.
    pub fn succeeded(&self) {
        self.answers.store(self.answers().wrapping_add(1), Relaxed);
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
            self.ejected_until.store(0, Relaxed);
        }
    }

    /// It answered 502, 503 or 504: it is there, and cannot do its work. Counts as [`failed`](Self::failed), but ejects only where another one does
    /// better (`has_better`): what all of them answer is the application's own answer.
    pub fn answered_in_trouble(&self, now: u64, has_better: bool) -> Option<Duration> {
        self.answers.store(self.answers().wrapping_add(1), Relaxed);
        self.failed(now, has_better)
    }

    /// Whether its last answer was a good one.
    pub fn does_well(&self) -> bool {
        self.failures() == 0 && self.answers() != 0 && !self.is_ejected()
    }

    /// Failures since its last good answer.
    pub fn failures(&self) -> u32 {
        self.failures.load(Relaxed)
    }

    /// It took no connection, or broke one before an answer. Tells for how long it is ejected now, if it is by this
    /// failure. `has_others`: somebody else can take its requests; the last one is never ejected.
    pub fn failed(&self, now: u64, has_others: bool) -> Option<Duration> {
        let failures = self.failures.fetch_add(1, Relaxed).saturating_add(1);
        let until = self.ejected_until.load(Relaxed);
        // While it is ejected, those that were under way fail as well; and many may fail at once: one ejection is enough.
        let is_over = until == 0 || until <= now.saturating_add(millis(TRIAL));
        if failures < FAILURES || !has_others || !is_over {
            return None;
        }
        let times = self.ejections.load(Relaxed).saturating_add(1).min(MOST_EJECTIONS);
        let period = EJECTION * times;
        let next = now.saturating_add(millis(period));
        self.ejected_until.compare_exchange(until, next, Relaxed, Relaxed).ok()?;
        self.ejections.store(times, Relaxed);
        // The one request that tries it afterwards decides.
        self.failures.store(FAILURES - 1, Relaxed);
        Some(period)
    }

    /// It is silent: that counts for as many failures as are needed. Else as [`failed`](Self::failed).
    pub fn fell_silent(&self, now: u64, has_others: bool) -> Option<Duration> {
        self.failures.fetch_max(FAILURES - 1, Relaxed);
        self.failed(now, has_others)
    }

    /// The cluster says that it is well again: what was seen before is forgotten.
    pub(super) fn pardon(&self) {
        self.failures.store(0, Relaxed);
        self.ejections.store(0, Relaxed);
        self.ejected_until.store(0, Relaxed);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Counts a request down when it ends, however it ends.
#[derive(Debug)]
pub struct LoadGuard(Arc<Load>);

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
    }
}

/// How many requests that something was sent of may be sent again at once: a fifth of those under way, and three in any
/// case. More of them would turn a backend's trouble into its end.
#[derive(Debug)]
pub struct RetryBudget {
    under_way: AtomicU32,
    /// Requests that wait for a place.
    pub waiting: Arc<WaitQueue>,
}

/// The most requests that wait for a place in a budget.
const MOST_WAITING: usize = 1024;

impl Default for RetryBudget {
    fn default() -> Self {
        Self { under_way: AtomicU32::new(0), waiting: WaitQueue::new(MOST_WAITING) }
    }
}

/// One repeated request, until it is answered.
#[derive(Debug)]
pub struct RetryGuard(Arc<RetryBudget>);

impl RetryBudget {
    /// Takes a place, if one is free while `active` requests are under way.
    pub fn enter(self: &Arc<Self>, active: u32) -> Option<RetryGuard> {
        let most = (active / 5).max(3);
        let more = |now: u32| (now < most).then_some(now + 1);
        self.under_way.fetch_update(Relaxed, Relaxed, more).ok().map(|_| RetryGuard(self.clone()))
    }
}

impl Drop for RetryGuard {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
        self.0.waiting.call(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(load: &Load, times: u32, now: u64) -> Option<Duration> {
        (0..times).filter_map(|_| load.failed(now, true)).last()
    }

    #[test]
    fn five_failures_in_a_row_eject_and_an_answer_between_them_counts_from_anew() {
        let load = Load::default();
        assert_eq!(fail(&load, 4, 1), None);
        load.succeeded();
        assert_eq!(fail(&load, 4, 1), None);
        assert_eq!(fail(&load, 1, 1), Some(EJECTION));
        assert!(load.is_ejected() && !load.is_open(9));
        assert_eq!(fail(&load, 20, 2), None, "it is ejected already");
    }

    #[test]
    fn the_last_endpoint_is_never_ejected() {
        let load = Load::default();
        assert!((0..50).all(|_| load.failed(1, false).is_none()) && !load.is_ejected());
    }

    #[test]
    fn when_an_ejection_is_over_one_request_tries_it_and_decides() {
        let load = Load::default();
        assert_eq!(fail(&load, 5, 1), Some(EJECTION));
        let over = 1 + millis(EJECTION);
        assert!(!load.may_be_tried(over - 1));
        assert!(load.may_be_tried(over) && !load.may_be_tried(over), "one alone");
        assert_eq!(fail(&load, 1, over + 10), Some(EJECTION * 2));
        let over = over + 10 + millis(EJECTION * 2);
        assert!(load.may_be_tried(over));
        load.succeeded();
        assert!(load.is_open(1));
        assert_eq!(fail(&load, 4, over), None, "it has five again");
    }

    #[test]
    fn one_is_silent_that_answers_none_of_several_and_an_answer_to_anybody_tells_otherwise() {
        let load = Arc::new(Load::default());
        let before = load.answers();
        let mut under_way = vec![load.enter(), load.enter()];
        assert!(!load.is_silent_since(before), "two may wait for the same slow page");
        under_way.push(load.enter());
        assert!(load.is_silent_since(before));
        load.succeeded();
        assert!(!load.is_silent_since(before) && load.is_silent_since(load.answers()));
        assert_eq!(load.fell_silent(1, true), Some(EJECTION), "at once");
        under_way.truncate(1);
        assert!(load.is_silent_since(load.answers()), "the one that tries it need not wait for company");
    }

    #[test]
    fn an_answer_that_tells_of_trouble_ejects_only_where_another_one_does_better() {
        let (load, other) = (Load::default(), Load::default());
        assert!((0..9).all(|_| load.answered_in_trouble(1, other.does_well()).is_none()), "nobody has done better yet");
        other.succeeded();
        assert!(other.does_well() && !load.does_well());
        assert_eq!(load.answered_in_trouble(1, other.does_well()), Some(EJECTION));
        other.answered_in_trouble(1, load.does_well());
        let over = 1 + millis(EJECTION);
        assert!(load.may_be_tried(over));
        assert_eq!(load.answered_in_trouble(over, other.does_well()), None, "both are in trouble");
        load.succeeded();
        assert!(!load.is_ejected() && load.failures() == 0);
    }

    #[test]
    fn ejections_grow_up_to_five_minutes() {
        let (load, mut now) = (Load::default(), 1);
        fail(&load, 5, now);
        for times in 2..15 {
            now += millis(EJECTION * MOST_EJECTIONS);
            assert!(load.may_be_tried(now));
            assert_eq!(fail(&load, 1, now), Some(EJECTION * times.min(MOST_EJECTIONS)));
        }
    }

    #[test]
    fn a_fifth_of_the_requests_and_three_in_any_case_are_repeated_at_once() {
        for (active, most) in [(0, 3), (15, 3), (64, 12), (1000, 200)] {
            let budget = Arc::new(RetryBudget::default());
            let guards: Vec<_> = (0..1000).map_while(|_| budget.enter(active)).collect();
            assert_eq!(guards.len(), most, "{active}");
            drop(guards);
            assert!(budget.enter(0).is_some());
        }
    }
}
