//! How long a replacement may take to become healthy.

use super::*;

/// With the image's health check, and the container's own.
fn deadline(image: Value, own: Value) -> Duration {
    let mut case = Case::new().mine("Healthcheck", own);
    case.new_image["Config"]["Healthcheck"] = image;
    case.plan().healthy_deadline
}

#[test]
fn a_start_period_and_rare_probes_prolong_it() {
    let minutes = |minutes: u64| minutes * 60_000_000_000_u64;
    for (image, own, expected) in [
        (Value::Null, Value::Null, 5),
        (json!({ "Test": ["CMD", "true"] }), Value::Null, 5),
        (json!({ "StartPeriod": minutes(3) }), Value::Null, 8),
        // Of each sub-field, the container's own counts.
        (
            json!({ "StartPeriod": minutes(3), "Interval": minutes(9) }),
            json!({ "StartPeriod": minutes(20), "Interval": minutes(1) }),
            26,
        ),
        (
            json!({ "StartPeriod": minutes(3) }),
            json!({ "StartPeriod": 0 }),
            8,
        ),
        // Six probes, each a minute after the one before, and a minute long.
        (
            json!({ "Interval": minutes(1), "Timeout": minutes(1), "Retries": 5 }),
            json!({ "StartPeriod": minutes(2) }),
            14,
        ),
        (
            json!({ "Interval": minutes(10), "Retries": 1 }),
            Value::Null,
            21,
        ),
        (
            json!({ "StartPeriod": -1, "Retries": -1, "Interval": "1m" }),
            Value::Null,
            5,
        ),
    ] {
        let told = format!("{image} {own}");
        assert_eq!(
            deadline(image, own),
            Duration::from_secs(expected * 60),
            "{told}"
        );
    }
}

#[test]
fn no_number_is_too_large() {
    let largest = json!({
        "StartPeriod": i64::MAX, "Interval": i64::MAX, "Timeout": i64::MAX, "Retries": u32::MAX,
    });
    assert_eq!(
        deadline(largest, Value::Null),
        Duration::from_nanos(u64::MAX)
    );
}
