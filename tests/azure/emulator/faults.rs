//! What goes wrong, how often: shares of the calls, drawn from a seed so that a run can be had again.

/// Shares between 0 and 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Calls that are answered with 429, though there is room.
    pub throttled: f64,
    /// Writes that take effect and get no answer, or half of one.
    pub lost_after: f64,
    /// Writes that get no answer and have no effect.
    pub lost_before: f64,
    /// Writes that are refused as somebody else has touched the record just before.
    pub precondition: f64,
    /// Calls that are answered with 503.
    pub unavailable: f64,
    /// How far listings lag behind, in seconds.
    pub lag_seconds: u64,
}

/// What befalls one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    None,
    Throttled,
    LostAfter,
    LostBefore,
    Touched,
    Unavailable,
}

impl Faults {
    pub fn draw(&self, random: &mut fastrand::Rng, is_write: bool) -> Fate {
        let of = |share: f64, fate: Fate| (share, fate);
        let common = [of(self.throttled, Fate::Throttled), of(self.unavailable, Fate::Unavailable)];
        let of_writes = [
            of(self.lost_after, Fate::LostAfter),
            of(self.lost_before, Fate::LostBefore),
            of(self.precondition, Fate::Touched),
        ];
        let mut drawn = random.f64();
        for (share, fate) in common.into_iter().chain(of_writes.into_iter().filter(|_| is_write)) {
            if drawn < share {
                return fate;
            }
            drawn -= share;
        }
        Fate::None
    }
}
