//! What a connection is doing, and how long it may go on with that.

use super::ServeLimits;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The handshake or a head is to come, or comes.
    Head(Instant),
    /// Its last call is answered.
    Waiting(Instant),
    /// A call is under way.
    Busy,
    /// Its place was taken.
    Cut,
}

/// Where a connection stands, for all that look at it.
#[derive(Debug, Clone)]
pub(super) struct Standing(watch::Sender<Phase>);

impl Standing {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Phase::Head(Instant::now())))
    }

    /// A new head may come now: the handshake is done.
    pub(super) fn begin_head(&self) {
        self.step(|phase| matches!(phase, Phase::Head(_)).then(|| Phase::Head(Instant::now())));
    }

    /// Bytes came.
    pub(super) fn saw_bytes(&self) {
        self.step(|phase| matches!(phase, Phase::Waiting(_)).then(|| Phase::Head(Instant::now())));
    }

    /// A call begins; gives what ends it on drop. `None`: the connection has no place any more.
    pub(super) fn begin(&self) -> Option<Call> {
        let begun = self.step(|phase| (phase != Phase::Cut).then_some(Phase::Busy));
        begun.then(|| Call(self.clone()))
    }

    /// Since when it does nothing for anybody.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        match *self.0.borrow() {
            Phase::Head(since) | Phase::Waiting(since) => Some(since),
            Phase::Busy | Phase::Cut => None,
        }
    }

    /// Takes its place, unless a call is under way by now.
    pub(super) fn cut(&self) -> bool {
        self.step(|phase| matches!(phase, Phase::Head(_) | Phase::Waiting(_)).then_some(Phase::Cut))
    }

    /// Ends when its place was taken.
    pub(super) async fn was_cut(&self) {
        // The sender is held here: it cannot be gone.
        drop(self.0.subscribe().wait_for(|phase| *phase == Phase::Cut).await);
    }

    /// Whether a head is to come.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(*self.0.borrow(), Phase::Head(_))
    }

    /// Ends when it has done the same for too long.
    pub(super) async fn expired(&self, limits: &ServeLimits) {
        let mut phases = self.0.subscribe();
        loop {
            let deadline = match *phases.borrow_and_update() {
                Phase::Head(since) => Some(since + limits.head),
                Phase::Waiting(since) => Some(since + limits.idle),
                Phase::Busy | Phase::Cut => None,
            };
            let over = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => return,
                _changed = phases.changed() => {}
            }
        }
    }

    fn step(&self, next: impl FnOnce(Phase) -> Option<Phase>) -> bool {
        self.0.send_if_modified(|phase| match next(*phase) {
            Some(next) => {
                *phase = next;
                true
            }
            None => false,
        })
    }
}

/// A call under way.
pub(super) struct Call(Standing);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.step(|phase| (phase == Phase::Busy).then(|| Phase::Waiting(Instant::now())));
    }
}
