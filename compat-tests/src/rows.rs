//! The rows of a table, several at once.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// How many rows are under way at once: what they wait for is mostly the engine.
const AT_ONCE: usize = 6;

/// Runs `check` for every row.
///
/// # Panics
/// If there is no row, or some fail: each says why by itself, and all of them are named at the end.
pub fn each<Row: Sync>(
    rows: &[Row],
    name: impl Fn(&Row) -> &str + Sync,
    check: impl Fn(&Row) + Sync,
) {
    assert!(!rows.is_empty(), "a table without rows");
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if catch_unwind(AssertUnwindSafe(|| check(row))).is_err() {
                        failed.lock().expect("the list").push(name(row));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("the list");
    assert!(failed.is_empty(), "failed: {failed:?}");
}
