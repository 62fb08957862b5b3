//! One who listens.

use super::{Kept, MOST, Shared};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Notify;

/// What a subscriber is told.
#[derive(Debug)]
pub enum Told<K> {
    /// These are all; what is not among them is gone.
    All(Vec<Arc<K>>),
    /// It is new, or was changed.
    Put(Arc<K>),
    /// It is gone, and was like this last.
    Gone(Arc<K>),
}

/// One who listens. It leaves when it is dropped.
pub struct Subscription<K: Kept> {
    pub(super) shared: Arc<Shared<K>>,
    pub(super) number: u64,
    pub(super) news: Arc<Notify>,
}

/// What there is in an inbox.
pub(super) enum Word<K> {
    Said(Told<K>),
    NotYet,
    Over,
}

impl<K: Kept> Subscription<K> {
    /// The next word; none once the watch has ended. Nothing is lost when the waiting is broken off.
    pub async fn next(&mut self) -> Option<Told<K>> {
        loop {
            match self.shared.word(self.number) {
                Word::Said(told) => return Some(told),
                Word::Over => return None,
                Word::NotYet => self.news.notified().await,
            }
        }
    }
}

impl<K: Kept> Drop for Subscription<K> {
    fn drop(&mut self) {
        self.shared.leave(self.number);
    }
}

impl<K: Kept> fmt::Debug for Subscription<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("number", &self.number).finish_non_exhaustive()
    }
}

/// What was not heard yet.
pub(super) struct Inbox<K> {
    pub(super) namespace: Option<String>,
    pub(super) words: VecDeque<Told<K>>,
    /// The next word is all that there is.
    pub(super) is_behind: bool,
    pub(super) news: Arc<Notify>,
}

impl<K: Kept> Inbox<K> {
    pub(super) fn is_for(&self, object: &K) -> bool {
        self.namespace.as_deref().is_none_or(|namespace| object.namespace() == namespace)
    }

    pub(super) fn push(&mut self, told: Told<K>) {
        if self.is_behind {
            return;
        }
        if self.words.len() == MOST {
            return self.fall_behind();
        }
        self.words.push_back(told);
        self.news.notify_one();
    }

    /// What was not heard is heard no more: it is part of all that there is.
    pub(super) fn fall_behind(&mut self) {
        self.words = VecDeque::new();
        self.is_behind = true;
        self.news.notify_one();
    }
}
