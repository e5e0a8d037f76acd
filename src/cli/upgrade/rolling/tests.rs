use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::json;
use tokio::time::{Instant, advance};

use super::*;

const USUAL: Rolling = Rolling {
    parallelism: 1,
    delay: Duration::ZERO,
    max_failure_ratio: 0.0,
    failure_action: FailureAction::Pause,
    partition: 0,
};

/// Each takes a second; those whose names begin with `bad` fail. What became of them, a letter each
/// (`u`pgraded, `f`ailed, `l`eft, taken `b`ack), what was begun and when, and what was taken back.
async fn rolled(names: &[&str], rolling: Rolling) -> (String, Vec<(String, u64)>, Vec<String>) {
    let begun = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::new(Mutex::new(Vec::new()));
    let start = Instant::now();
    let shares = roll(
        names.iter().map(|name| (*name).to_owned()).collect(),
        rolling,
        &CancellationToken::new(),
        |name| {
            let begun = Arc::clone(&begun);
            async move {
                let at = start.elapsed().as_secs();
                begun.lock().unwrap().push((name.clone(), at));
                sleep(Duration::from_secs(1)).await;
                if name.starts_with("bad") {
                    return Err(Failed::lost("it is bad"));
                }
                Ok(json!({ "Changed": !name.starts_with("same") }))
            }
        },
        |name| {
            taken.lock().unwrap().push(name);
            async { Ok(json!({})) }
        },
    )
    .await;
    let letters = shares.iter().map(|share| match share {
        Share { left: Some(_), .. } => 'l',
        Share {
            taken_back: true, ..
        } => 'b',
        share if share.is_failed() => 'f',
        _ => 'u',
    });
    let letters = letters.collect();
    let begun = begun.lock().unwrap().clone();
    let taken = taken.lock().unwrap().clone();
    (letters, begun, taken)
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_until_the_first_failure() {
    let (letters, begun, taken) = rolled(&["a", "b", "bad", "c", "d"], USUAL).await;
    assert_eq!(letters, "uufll");
    assert_eq!(begun.last(), Some(&("bad".to_owned(), 2)));
    assert!(taken.is_empty());
}

#[tokio::test(start_paused = true)]
async fn all_of_them_whatever_fails() {
    let rolling = Rolling {
        failure_action: FailureAction::Continue,
        ..USUAL
    };
    let (letters, ..) = rolled(&["a", "bad", "b", "bad2", "c"], rolling).await;
    assert_eq!(letters, "ufufu");
}

#[tokio::test(start_paused = true)]
async fn what_was_upgraded_is_taken_back_the_last_first() {
    let rolling = Rolling {
        failure_action: FailureAction::Rollback,
        ..USUAL
    };
    let (letters, _, taken) = rolled(&["a", "same", "b", "bad", "c"], rolling).await;
    assert_eq!(letters, "bubfl");
    assert_eq!(taken, ["b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_share_of_failures_is_tolerated() {
    let rolling = Rolling {
        max_failure_ratio: 0.4,
        ..USUAL
    };
    let (letters, ..) = rolled(&["bad", "a", "bad2", "b", "c"], rolling).await;
    assert_eq!(letters, "fufuu");
    let (letters, ..) = rolled(&["bad", "bad2", "bad3", "b", "c"], rolling).await;
    assert_eq!(letters, "fffll");
}

#[tokio::test(start_paused = true)]
async fn several_at_once_and_a_pause_before_each_that_follows() {
    let rolling = Rolling {
        parallelism: 2,
        delay: Duration::from_secs(10),
        ..USUAL
    };
    let (letters, begun, _) = rolled(&["a", "b", "c", "d"], rolling).await;
    assert_eq!(letters, "uuuu");
    let times: Vec<_> = begun.iter().map(|(_, at)| *at).collect();
    assert_eq!(times[..2], [0, 0]);
    assert!(times[2] >= 11 && times[3] >= 21, "{times:?}");
    let all = Rolling {
        parallelism: 0,
        ..USUAL
    };
    let (_, begun, _) = rolled(&["a", "b", "c", "d"], all).await;
    assert!(begun.iter().all(|(_, at)| *at == 0), "{begun:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_during_the_pause_counts() {
    let rolling = Rolling {
        parallelism: 2,
        delay: Duration::from_secs(10),
        ..USUAL
    };
    let (letters, ..) = rolled(&["a", "bad", "c", "d"], rolling).await;
    assert_eq!(letters, "ufll");
}

#[tokio::test(start_paused = true)]
async fn the_last_ones_are_left() {
    let rolling = Rolling {
        partition: 2,
        ..USUAL
    };
    assert_eq!(rolled(&["a", "b", "c"], rolling).await.0, "ull");
    let more = Rolling {
        partition: 9,
        ..USUAL
    };
    assert_eq!(rolled(&["a", "b", "c"], more).await.0, "lll");
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_begins_no_further_one() {
    let stop = CancellationToken::new();
    let names = ["a", "b", "c"].map(str::to_owned).to_vec();
    let shares = roll(
        names,
        USUAL,
        &stop,
        |_| {
            let stop = stop.clone();
            async move {
                stop.cancel();
                advance(Duration::from_secs(1)).await;
                Ok(json!({ "Changed": true }))
            }
        },
        |_| async { Ok(json!({})) },
    )
    .await;
    let left = shares.iter().filter(|share| share.left.is_some()).count();
    assert_eq!((shares.len(), left), (3, 2));
}
