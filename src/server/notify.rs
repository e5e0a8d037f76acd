//! What the service manager is told (`sd_notify(3)`). Without `NOTIFY_SOCKET`, nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::warn;

/// Tells the service manager. That it can't be told is no reason to stop.
pub(super) fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "the service manager can't be told about our state");
    }
}

/// Asks the service manager for at least `time` before it kills us: its own limit for a stop may
/// be shorter than `--drain`.
pub(super) fn extend_timeout(time: Duration) {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
}
