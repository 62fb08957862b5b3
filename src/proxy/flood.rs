//! Counts the frames of a client's HTTP/2 connection that cost work and bring nothing.
//!
//! h2 counts resets before a request is looked at, errors that it answers with a reset, CONTINUATION frames, and small DATA
//! frames that wait. It counts neither SETTINGS, PING, PRIORITY, unknown and empty DATA frames, nor resets of requests that
//! are under way, each of which has cost a backend something. Those are counted here, from the heads of the frames alone.

use super::limits::Limits;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// Bytes of a frame's head (RFC 9113, section 4.1).
const HEAD: usize = 9;
/// Bytes of the connection's preface, before the first frame.
const PREFACE: u64 = 24;
/// How long frames are counted together, in milliseconds.
const WINDOW: u64 = 10_000;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// What makes h2 end a connection by a GOAWAY, behind what it has still to say: a head in more CONTINUATION frames than it takes,
/// which it answers with ENHANCE_YOUR_CALM; and DATA of stream 0, should it take them one day.
pub(super) fn last_straw() -> Vec<u8> {
    let frame = |kind| [0, 0, 0, kind, 0, 0x7f, 0xff, 0xff, 0xff];
    let mut bytes = frame(HEADERS).to_vec();
    bytes.extend([frame(CONTINUATION); 40].as_flattened());
    bytes.extend([0; HEAD]);
    bytes
}

/// Of what there was too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flood {
    /// Requests that were reset before they were answered.
    Resets,
    /// SETTINGS.
    Settings,
    /// PING.
    Pings,
    /// Frames that move nothing: empty DATA, PRIORITY, unknown ones.
    Void,
    /// WINDOW_UPDATE, while nothing was sent.
    Updates,
}

impl Flood {
    /// For logs and metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Resets => "resets",
            Self::Settings => "settings",
            Self::Pings => "pings",
            Self::Void => "void-frames",
            Self::Updates => "window-updates",
        }
    }
}

/// Bounds of one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    settings: u32,
    pings: u32,
    void: u32,
    updates: u32,
}

impl Bounds {
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            settings: limits.http2_settings,
            pings: limits.http2_pings,
            void: limits.http2_void_frames,
            updates: limits.http2_window_updates,
        }
    }
}

/// What a client has earned by taking answers.
#[derive(Debug)]
pub(super) struct Earned {
    /// How many more requests it may reset before they are answered. Each answer earns one.
    resets: AtomicU32,
    most_resets: u32,
    /// Whether something of an answer was sent since its last PING: one for each is how some clients measure the way.
    moved: AtomicBool,
}

impl Earned {
    /// `first` resets before any answer, and up to `most` later.
    pub(super) fn new(first: u32, most: u32) -> Self {
        Self { resets: AtomicU32::new(first), most_resets: most.max(first), moved: AtomicBool::new(false) }
    }

    /// A request was answered.
    pub(super) fn answered(&self) {
        let left = self.resets.load(Relaxed);
        if left < self.most_resets {
            self.resets.store(left + 1, Relaxed);
        }
        self.moved();
    }

    /// Content of an answer was sent.
    pub(super) fn moved(&self) {
        self.moved.store(true, Relaxed);
    }

    /// A request was reset. Tells whether that was one too many.
    fn reset(&self) -> bool {
        let left = self.resets.load(Relaxed);
        self.resets.store(left.saturating_sub(1), Relaxed);
        left == 0
    }

    fn has_moved(&self) -> bool {
        self.moved.load(Relaxed) && self.moved.swap(false, Relaxed)
    }
}

/// Where in the frames of a connection its bytes are, and what was counted.
#[derive(Debug)]
pub(super) struct Frames {
    bounds: Bounds,
    /// The head of a frame, as far as it has come.
    head: [u8; HEAD],
    has: usize,
    /// Bytes to come before the next head.
    rest: u64,
    /// Whether a header block has begun and not ended.
    in_block: bool,
    /// What there was too much of: told when the frame has ended.
    over: Option<Flood>,
    window: u64,
    settings: u32,
    pings: u32,
    void: u32,
    updates: u32,
}

impl Frames {
    /// Before the first byte of a connection.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            head: [0; HEAD],
            has: 0,
            rest: PREFACE,
            in_block: false,
            over: None,
            window: 0,
            settings: 0,
            pings: 0,
            void: 0,
            updates: 0,
        }
    }

    /// Follows `bytes`. At a flood, gives of what it is and where in `bytes` the next frame would begin. `now`, in
    /// milliseconds, is asked only where something is counted.
    pub(super) fn follow(&mut self, bytes: &[u8], earned: &Earned, now: impl Fn() -> u64) -> Option<(Flood, usize)> {
        let mut left = bytes;
        loop {
            if self.rest > 0 {
                let taken = left.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
                self.rest -= taken as u64;
                left = left.get(taken..).unwrap_or_default();
            }
            if self.rest == 0
                && let Some(flood) = self.over
            {
                return Some((flood, bytes.len() - left.len()));
            }
            if left.is_empty() {
                return None;
            }
            let place = self.head.get_mut(self.has..).unwrap_or_default();
            let taken = left.len().min(place.len());
            place.iter_mut().zip(left).for_each(|(place, byte)| *place = *byte);
            self.has += taken;
            left = left.get(taken..).unwrap_or_default();
            if self.has == HEAD {
                self.has = 0;
                self.over = self.count(earned, &now);
            }
        }
    }

    /// Whether a header block has begun and not ended: nothing else may come on the connection meanwhile.
    pub(super) fn is_in_block(&self) -> bool {
        self.in_block
    }

    /// Something was sent to the client.
    pub(super) fn sent(&mut self) {
        self.updates = 0;
    }

    /// Counts the frame whose head is complete.
    fn count(&mut self, earned: &Earned, now: &impl Fn() -> u64) -> Option<Flood> {
        let [a, b, c, kind, flags, ..] = self.head;
        self.rest = u64::from(u32::from_be_bytes([0, a, b, c]));
        match kind {
            HEADERS | CONTINUATION => {
                self.in_block = flags & END_HEADERS == 0;
                None
            }
            DATA if self.rest > 0 || flags & END_STREAM != 0 => None,
            RST_STREAM => earned.reset().then_some(Flood::Resets),
            WINDOW_UPDATE => {
                self.updates += 1;
                (self.updates > self.bounds.updates).then_some(Flood::Updates)
            }
            kind => self.count_in_window(kind, earned, now()),
        }
    }

    fn count_in_window(&mut self, kind: u8, earned: &Earned, now: u64) -> Option<Flood> {
        if now.saturating_sub(self.window) >= WINDOW {
            (self.window, self.settings, self.pings, self.void) = (now, 0, 0, 0);
        }
        if kind == PING && earned.has_moved() {
            self.pings = 0;
        }
        let (counter, most, flood) = match kind {
            SETTINGS => (&mut self.settings, self.bounds.settings, Flood::Settings),
            PING => (&mut self.pings, self.bounds.pings, Flood::Pings),
            _ => (&mut self.void, self.bounds.void, Flood::Void),
        };
        *counter += 1;
        (*counter > most).then_some(flood)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { settings: 2, pings: 3, void: 4, updates: 5 };

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// A frame's kind, flags and payload, and what is told of twenty of it.
    type Case = (u8, u8, &'static [u8], Option<(Flood, usize)>);

    /// The flood in `frames`, and after how many of them it was told, with the bytes cut every `cut`.
    fn told(frames: &[Vec<u8>], cut: usize, earned: &Earned, now: u64) -> Option<(Flood, usize)> {
        let mut follower = Frames::new(BOUNDS);
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let bytes: Vec<u8> = preface.iter().copied().chain(frames.concat()).collect();
        for (index, piece) in bytes.chunks(cut).enumerate() {
            if let Some((flood, at)) = follower.follow(piece, earned, || now) {
                let mut end = preface.len();
                let seen = frames.iter().take_while(|frame| {
                    end += frame.len();
                    end <= index * cut + at
                });
                return Some((flood, seen.count()));
            }
        }
        None
    }

    #[test]
    fn each_kind_of_frame_is_taken_up_to_its_bound_however_the_bytes_are_cut() {
        let table: [Case; 9] = [
            (SETTINGS, 0, &[0, 4, 0, 0, 0, 9], Some((Flood::Settings, 3))),
            (PING, 0, &[7; 8], Some((Flood::Pings, 4))),
            (DATA, 0, &[], Some((Flood::Void, 5))),
            (2, 0, &[0; 5], Some((Flood::Void, 5))),
            (0xbe, 0, &[1; 300], Some((Flood::Void, 5))),
            (WINDOW_UPDATE, 0, &[0, 0, 0, 1], Some((Flood::Updates, 6))),
            (RST_STREAM, 0, &[0, 0, 0, 8], Some((Flood::Resets, 4))),
            (DATA, END_STREAM, &[], None),
            (HEADERS, END_HEADERS, &[0x82], None),
        ];
        for (kind, flags, payload, expected) in table {
            let frames = vec![frame(kind, flags, payload); 20];
            for cut in [1, 3, 8, 9, 10, 17, 1000] {
                let earned = Earned::new(3, 3);
                assert_eq!(told(&frames, cut, &earned, 20_000), expected, "kind {kind} cut every {cut}");
            }
        }
    }

    #[test]
    fn answers_earn_resets_up_to_a_bound_and_content_earns_pings() {
        let earned = Earned::new(1, 4);
        (0..100).for_each(|_| earned.answered());
        assert_eq!((0..9).take_while(|_| !earned.reset()).count(), 4);
        let mut frames = Frames { rest: 0, ..Frames::new(BOUNDS) };
        for _ in 0..50 {
            earned.moved();
            assert_eq!(frames.follow(&frame(PING, 0, &[0; 8]), &earned, || 1), None);
        }
    }

    #[test]
    fn a_new_window_counts_from_anew() {
        let earned = Earned::new(1, 1);
        let mut frames = Frames { rest: 0, ..Frames::new(BOUNDS) };
        for second in 0..100 {
            let found = frames.follow(&frame(SETTINGS, 0, &[]), &earned, || second * WINDOW);
            assert_eq!(found, None, "{second}");
        }
    }

    #[test]
    fn a_header_block_is_open_until_its_last_frame() {
        let earned = Earned::new(1, 1);
        let mut frames = Frames { rest: 0, ..Frames::new(BOUNDS) };
        for (kind, flags, open) in [(HEADERS, 0, true), (CONTINUATION, 0, true), (CONTINUATION, END_HEADERS, false)] {
            assert_eq!(frames.follow(&frame(kind, flags, &[0x82]), &earned, || 1), None);
            assert_eq!(frames.is_in_block(), open);
        }
    }
}
