//! `since` and `until`, as dockerd reads them: `SECONDS[.FRACTION]` since 1970 (`ParseTimestamps` of
//! moby's `timestamp.go`). Dates and durations are the docker CLI's, which reckons them itself.

use std::num::ParseIntError;

/// No time was given: none, or dockerd's own number for it.
const NONE: i64 = -1;

/// The time, in ns since 1970; `None` where none is given.
///
/// # Errors
/// dockerd refuses it, too.
pub(super) fn read(text: &str) -> Result<Option<i128>, ParseIntError> {
    if text.is_empty() {
        return Ok(None);
    }
    let (seconds, fraction) = text
        .split_once('.')
        .map_or((text, None), |(seconds, of)| (seconds, Some(of)));
    let seconds: i64 = seconds.parse()?;
    let nanoseconds = fraction.map_or(Ok(0), nanoseconds)?;
    let time = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    Ok((seconds != NONE).then_some(time))
}

/// The digits after the point. Reckoned with floats, as dockerd does: to the same nanosecond.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "dockerd rounds like this"
)]
fn nanoseconds(fraction: &str) -> Result<i64, ParseIntError> {
    let number: i64 = fraction.parse()?;
    let places = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    Ok((number as f64 * 10_f64.powi(9 - places)) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_dockerd_does() {
        let second = 1_000_000_000;
        for (text, time) in [
            ("", None),
            ("-1", None),
            ("0", Some(0)),
            ("-2", Some(-2 * second)),
            ("1136073600", Some(1_136_073_600 * second)),
            ("1136073600.000000001", Some(1_136_073_600 * second + 1)),
            ("1136073600.5", Some(1_136_073_600 * second + second / 2)),
            // What is longer is cut off.
            ("7.0000000019", Some(7 * second + 1)),
        ] {
            assert_eq!(read(text), Ok(time), "{text}");
        }
        for text in [
            "now",
            "10m",
            "2026-01-01T00:00:00Z",
            "1,5",
            "1.x",
            "1.",
            " 1",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
