//! What is gone, for caches that are filled by a watch and by the answers to own writes.

use std::collections::{HashSet, VecDeque};

/// The uids of objects that a watch told the end of, the newest last.
///
/// The answer to a write may be read after the watch has told that the object is gone. Put into a cache then, it would stay there for
/// ever: nobody would tell its end once more. A uid is never given twice, so an answer that has one of these is passed over. One object may
/// come back with its uid all the same, where a watch is for labels: it lost them and got them again. The watch tells it; then it
/// is to be [forgotten](Gone::forget) here.
#[derive(Debug, Default)]
pub struct Gone {
    order: VecDeque<String>,
    uids: HashSet<String>,
}

/// No answer is under way for so long that so many others went meanwhile.
const MOST: usize = 4096;

impl Gone {
    /// An object went.
    pub fn add(&mut self, uid: String) {
        if self.uids.insert(uid.clone()) {
            self.order.push_back(uid);
        }
        while self.order.len() > MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.uids.remove(&oldest);
            }
        }
    }

    /// Whether it went.
    pub fn has(&self, uid: &str) -> bool {
        self.uids.contains(uid)
    }

    /// It is there again.
    pub fn forget(&mut self, uid: &str) {
        if self.uids.remove(uid) {
            self.order.retain(|known| known != uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered_and_no_more_than_there_is_room_for() {
        let mut gone = Gone::default();
        for number in 0..=MOST {
            gone.add(number.to_string());
            gone.add(number.to_string());
        }
        assert!(!gone.has("0") && gone.has("1") && gone.has(&MOST.to_string()));
        gone.forget("1");
        assert!(!gone.has("1"));
        assert_eq!(gone.order.len(), gone.uids.len());
    }
}
