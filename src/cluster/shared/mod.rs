//! One watch of a kind for all in this process who want to know of it.
//!
//! Whoever has the watch feeds a [`Shared`] by its [`Feeder`]; whoever wants to know has a [`Subscription`]. All see the same
//! `Arc` of an object, so that one more who knows costs no second copy; those of which there are many are kept [`Packed`]. A subscriber hears what is, not each step on the way
//! there: one that does not keep up is told the whole state once more, as a watch is whose version is too old.

mod feed;
mod kept;
mod kinds;
mod subscription;

pub use feed::{Feeder, watch};
pub use kept::{Kept, Names, OwnNames, Packed};
pub use kinds::{SharedKinds, plain};
pub use subscription::{Subscription, Told};

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use subscription::{Inbox, Word};
use tokio::sync::{Notify, watch as channel};

/// How many words a subscriber may be behind before it is told everything anew.
const MOST: usize = 4096;

/// Namespace and name.
type Place = (String, String);

/// The objects of a kind, and who wants to know of them.
pub struct Shared<K> {
    state: Mutex<State<K>>,
    /// How often a list was asked for that begins after the question.
    asked: channel::Sender<u64>,
}

struct State<K> {
    objects: BTreeMap<Place, Arc<K>>,
    /// The newest question that the list which is known answers. Without one, no list was complete yet.
    listed: Option<u64>,
    is_over: bool,
    inboxes: BTreeMap<u64, Inbox<K>>,
    /// The number of the next inbox.
    next: u64,
}

impl<K: Kept> Shared<K> {
    /// Knows nothing yet.
    pub fn new() -> Arc<Self> {
        let state = State { objects: BTreeMap::new(), listed: None, is_over: false, inboxes: BTreeMap::new(), next: 0 };
        Arc::new(Self { state: Mutex::new(state), asked: channel::Sender::new(0) })
    }

    /// Begins to listen, to one namespace or to all. The first word is all that there is, once that is known.
    pub fn subscribe(self: &Arc<Self>, namespace: Option<&str>) -> Subscription<K> {
        let news = Arc::new(Notify::new());
        let inbox = Inbox {
            namespace: namespace.map(str::to_owned),
            words: VecDeque::new(),
            is_behind: true,
            news: news.clone(),
        };
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.inboxes.insert(number, inbox);
        Subscription { shared: self.clone(), number, news }
    }

    /// All objects of a namespace, or all; none before they have been listed.
    pub fn all(&self, namespace: Option<&str>) -> Option<Vec<Arc<K>>> {
        let state = self.lock();
        let is_asked_for = |place: &Place| namespace.is_none_or(|namespace| place.0 == namespace);
        let found = state.objects.iter().filter(|(place, _)| is_asked_for(place));
        state.listed.map(|_| found.map(|(_, object)| object.clone()).collect())
    }

    /// Asks for a list that begins after this. Who subscribes from now on hears nothing before it is complete: what
    /// was seen before may be older than what others have written meanwhile.
    pub fn renew(&self) {
        self.asked.send_modify(|asked| *asked += 1);
    }

    /// Puts a complete list in the place of all that was known; it answers the question of this number.
    fn replace(&self, listed: Vec<Arc<K>>, answers: u64) {
        let objects = listed.into_iter().map(|object| (place(&*object), object)).collect();
        let mut state = self.lock();
        state.objects = objects;
        state.listed = Some(answers);
        state.inboxes.values_mut().for_each(Inbox::fall_behind);
    }

    fn put(&self, object: Arc<K>) {
        let mut state = self.lock();
        state.tell(&object, Told::Put);
        state.objects.insert(place(&*object), object);
    }

    /// Takes an object out. It is told as it was known last; one that was not known is not told.
    fn remove(&self, place: &Place) {
        let mut state = self.lock();
        if let Some(object) = state.objects.remove(place) {
            state.tell(&object, Told::Gone);
        }
    }

    /// Nothing follows any more.
    fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        state.inboxes.values().for_each(|inbox| inbox.news.notify_one());
    }

    fn word(&self, number: u64) -> Word<K> {
        let asked = *self.asked.borrow();
        let mut state = self.lock();
        let State { objects, listed, is_over, inboxes, .. } = &mut *state;
        let Some(inbox) = inboxes.get_mut(&number) else { return Word::Over };
        if inbox.is_behind && *listed == Some(asked) {
            inbox.is_behind = false;
            let all = objects.values().filter(|object| inbox.is_for(&***object)).cloned();
            return Word::Said(Told::All(all.collect()));
        }
        match inbox.words.pop_front() {
            Some(told) => Word::Said(told),
            None if *is_over => Word::Over,
            None => Word::NotYet,
        }
    }

    fn leave(&self, number: u64) {
        self.lock().inboxes.remove(&number);
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Kept> State<K> {
    fn tell(&mut self, object: &Arc<K>, told: impl Fn(Arc<K>) -> Told<K>) {
        for inbox in self.inboxes.values_mut().filter(|inbox| inbox.is_for(&**object)) {
            inbox.push(told(object.clone()));
        }
    }
}

impl<K> fmt::Debug for Shared<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

fn place<K: Kept>(object: &K) -> Place {
    (object.namespace().to_owned(), object.name().to_owned())
}

#[cfg(test)]
mod tests;
