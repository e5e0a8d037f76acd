//! How long an engine may take.

use std::time::Duration;

/// How long the calls of an engine may take. One that hits its bound is
/// [`EngineError::Unknown`](super::EngineError::Unknown): it may have happened, and may yet happen.
/// Some calls are bounded in whole seconds only, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A call that does no long work: a look, a rename, a pause. A stop may take as much beyond its
    /// own timeout: the engine kills, waits again, cleans up.
    pub call: Duration,
    /// Create (the engine may copy an image's files into new volumes), start, remove, and each line
    /// of a pull's progress.
    pub work: Duration,
    /// How long an engine that went away is waited for.
    pub reconnect: Duration,
}

impl Default for Limits {
    /// A minute, ten minutes, two minutes.
    fn default() -> Self {
        Self {
            call: Duration::from_secs(60),
            work: Duration::from_secs(10 * 60),
            reconnect: Duration::from_secs(2 * 60),
        }
    }
}
