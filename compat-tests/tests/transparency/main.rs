//! The docker CLI, buildx and both generations of Compose say the same directly and through Refit.

mod commands;
mod files;
mod images;
mod projects;
mod streams;
mod terminals;
mod watch;

use compat_tests::{Scenario, same::same};

#[test]
#[should_panic(expected = "not the same")]
fn a_difference_is_told() {
    let calls = std::cell::Cell::new(0);
    same(&Scenario::new("difference"), |at| {
        calls.set(calls.get() + 1);
        let word = format!("{{{{\"{}\"}}}}", calls.get());
        at.docker(&["version", "--format", &word]).said()
    });
}

/// Bytes without a pattern, the same ones each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}
