//! How long the replacement may take to become healthy where the request does not say.

use std::time::Duration;

use serde_json::Value;

use super::{Inputs, Object, merged::merged};

/// Nomad's default of `healthy_deadline`.
const DEADLINE: Duration = Duration::from_secs(5 * 60);

/// What the engine takes where a health check does not say (moby `daemon/health.go`).
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_RETRIES: u32 = 3;

/// 5 min after the start period, in which no failing probe counts; longer where the health check
/// itself takes longer to give up: one that is rarely run must not fail for that.
pub(super) fn healthy_deadline(inputs: &Inputs<'_>, create: &Object) -> Duration {
    let config = merged(create, &inputs.theirs());
    let check = config.get("Healthcheck").unwrap_or(&Value::Null);
    let start_period = duration(check, "StartPeriod").unwrap_or_default();
    let interval = duration(check, "Interval").unwrap_or(DEFAULT_INTERVAL);
    let timeout = duration(check, "Timeout").unwrap_or(DEFAULT_TIMEOUT);
    let retries = positive(check, "Retries")
        .and_then(|retries| u32::try_from(retries).ok())
        .unwrap_or(DEFAULT_RETRIES);
    // One more: the first may begin within the start period, and not count.
    let probes = interval
        .saturating_add(timeout)
        .saturating_mul(retries.saturating_add(1));
    let deadline = start_period.saturating_add(DEADLINE.max(probes));
    // Whoever adds to it must not meet the end of time.
    deadline.min(Duration::from_nanos(u64::MAX))
}

fn duration(check: &Value, field: &str) -> Option<Duration> {
    positive(check, field).map(Duration::from_nanos)
}

fn positive(check: &Value, field: &str) -> Option<u64> {
    check.get(field)?.as_u64().filter(|number| *number > 0)
}
