//! Recovery of many upgrades at once.

use std::{sync::Arc, time::Duration};

use refit::upgrade::{Recovered, Upgrades};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{engine, request, simulated::Simulated};

const UNFINISHED: usize = 200;
const MONITOR: Duration = Duration::from_millis(500);

/// An engine with upgrades that a process left unfinished while it verified them.
async fn unfinished() -> Arc<Simulated> {
    let engine = engine();
    // On a network, one would be stopped after the other, for their addresses.
    let body = json!({ "Image": "web:1", "HostConfig": { "NetworkMode": "none" } });
    for number in 0..UNFINISHED {
        engine.run(&format!("web-{number}"), &body);
    }
    let mut request = request(&json!({ "Image": "web:2" }));
    request.monitor = MONITOR;
    let upgrades = Upgrades::new(engine.clone());
    for number in 0..UNFINISHED {
        drop(upgrades.begin(format!("web-{number}"), request.clone()));
    }
    sleep(Duration::from_millis(300)).await;
    engine.crash();
    let parked = |world: &super::simulated::World| {
        let names = world.containers.iter().map(|c| &c.name);
        names.filter(|name| name.ends_with(".refit-old")).count()
    };
    assert_eq!(parked(&engine.world()), UNFINISHED);
    Arc::new(engine.another())
}

#[tokio::test(start_paused = true)]
async fn two_hundred_unfinished_upgrades_are_recovered_side_by_side() {
    let engine = unfinished().await;
    let upgrades = Upgrades::new(engine.clone());
    let would = upgrades.recover_once(true).await.expect("a look");
    let is_would = |ending: &Recovered| matches!(ending, Recovered::Would(_));
    assert_eq!(would.len(), UNFINISHED);
    assert!(would.iter().all(|recovery| is_would(&recovery.ending)));
    assert_eq!(engine.world().containers.len(), 2 * UNFINISHED);

    let begin = Instant::now();
    let recovered = upgrades.recover_once(false).await.expect("a recovery");
    let elapsed = begin.elapsed();
    assert_eq!(recovered.len(), UNFINISHED);
    for recovery in recovered {
        assert_eq!(recovery.ending, Recovered::Committed, "{}", recovery.name);
    }
    assert_eq!(engine.world().containers.len(), UNFINISHED);
    // One after the other, it would be 200 times as long.
    assert!(elapsed < 8 * MONITOR, "{elapsed:?}");
    let again = upgrades.recover_once(false).await.expect("a recovery");
    assert_eq!(again, []);
}
