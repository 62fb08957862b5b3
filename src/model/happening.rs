//! What happened to an environment, for whoever wants to be told.

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HappeningKind {
    /// It was made.
    Created,
    /// It runs, or is to run, with other parameters or another class.
    Changed,
    /// A request to it succeeds from now on.
    Ready,
    /// It does not come up, or does not answer any more.
    Failed,
    /// It will expire.
    Warned,
    /// Its lifetime has ended; it is being deleted.
    Expired,
    /// It sleeps: nothing of it runs, everything is kept.
    Asleep,
    /// It was woken.
    Woken,
    /// It is gone.
    Deleted,
}

impl HappeningKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Created,
        Self::Changed,
        Self::Ready,
        Self::Failed,
        Self::Warned,
        Self::Expired,
        Self::Asleep,
        Self::Woken,
        Self::Deleted,
    ];

    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Warned => "warned",
            Self::Expired => "expired",
            Self::Asleep => "asleep",
            Self::Woken => "woken",
            Self::Deleted => "deleted",
        }
    }
}
