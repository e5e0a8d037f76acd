//! Recovery of many upgrades at once.

use std::{sync::Arc, time::Duration};

use refit::upgrade::{Recovered, Rollback, Upgrades};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    engine, request,
    simulated::{Fault, Simulated},
    upgrade,
};

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

/// An engine with a container that takes ten minutes to stop.
fn with_slow() -> Arc<Simulated> {
    let engine = engine();
    let config = json!({ "Cmd": ["stubborn"] });
    engine.world().tag("stubborn", "sha256:9", &config);
    engine.run("web", &json!({ "Image": "stubborn" }));
    engine
}

/// However long the engine goes on with a stop whose client is gone, what counts as brought back runs in
/// the end.
#[tokio::test(start_paused = true)]
async fn a_stop_of_ten_minutes_is_outlasted() {
    let begin = |engine: &Arc<Simulated>| {
        let mut request = request(&json!({ "Image": "web:2" }));
        request.stop.timeout = Some(600);
        Upgrades::new(engine.clone()).begin("web".to_owned(), request)
    };
    let rehearsed = with_slow();
    let outcome = begin(&rehearsed).outcome.await;
    outcome.expect("an outcome").expect("an upgrade");
    let stop = rehearsed
        .world()
        .calls
        .iter()
        .position(|c| c.what == "stop");
    let stop = stop.expect("a stop");

    let is_back = |engine: &Simulated| {
        let world = engine.world();
        let names: Vec<&str> = world.containers.iter().map(|c| c.name.as_str()).collect();
        names == ["web"] && world.containers[0].has_process()
    };
    // Its answer is lost: who asked is told when the original is back for good.
    let engine = with_slow();
    engine.world().faults = vec![(stop, Fault::Lost { done: true })];
    let asked = Instant::now();
    let failure = begin(&engine).outcome.await.expect("an outcome");
    let failure = failure.expect_err("a failure");
    assert_eq!(failure.rollback, Rollback::Restored, "{failure}");
    assert!(asked.elapsed() >= Duration::from_secs(600), "{failure}");
    assert!(is_back(&engine), "{failure}");

    // Refit dies with it: the next one serves meanwhile, and goes on with it.
    let engine = with_slow();
    engine.world().faults = vec![(stop, Fault::Crash { done: true })];
    drop(begin(&engine));
    engine.died().await;
    let engine = Arc::new(engine.another());
    let found = Instant::now();
    Upgrades::new(engine.clone()).recover().await;
    assert!(found.elapsed() < Duration::from_secs(400));
    assert!(!is_back(&engine), "the marker is there");
    sleep(Duration::from_secs(400)).await;
    assert!(is_back(&engine));
}

/// An engine with a container of `--rm` that was upgraded once.
async fn upgraded_of_rm() -> Arc<Simulated> {
    let engine = engine();
    let host = json!({ "NetworkMode": "app", "AutoRemove": true });
    engine.run("web", &json!({ "Image": "web:1", "HostConfig": host }));
    let upgraded = upgrade(&engine, &json!({ "Image": "web:2" })).await;
    upgraded.expect("an upgrade");
    engine
}

/// An original of `--rm` that an earlier upgrade made, and that vanishes while recovery looks around,
/// because the stop that the dead process asked for comes to its end: at whichever call that is, its
/// upgrade is brought to its end, too.
#[tokio::test(start_paused = true)]
async fn an_original_of_rm_may_vanish_at_any_call_of_recovery() {
    let back = json!({ "Image": "web:1" });
    let engine = upgraded_of_rm().await;
    upgrade(&engine, &back).await.expect("an upgrade");
    let stop = engine.world().calls.iter().rposition(|c| c.what == "stop");
    let stop = stop.expect("a stop");
    // Late by the one call, it is gone; late by another, whoever looks after it meets the others.
    let pairs = (0..16).flat_map(|first| (first + 1..32).map(move |then| (first, then)));
    for (first, then) in pairs {
        let engine = upgraded_of_rm().await;
        engine.world().faults = vec![(stop, Fault::Crash { done: true })];
        drop(Upgrades::new(engine.clone()).begin("web".to_owned(), request(&back)));
        engine.died().await;

        let engine = Arc::new(engine.another());
        let calls = engine.world().calls.len();
        let late = Fault::Late(Duration::from_millis(500));
        engine.world().faults = vec![(calls + first, late), (calls + then, late)];
        Upgrades::new(engine.clone()).recover().await;
        sleep(Duration::from_secs(60)).await;
        let world = engine.world();
        let names: Vec<&str> = world.containers.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["web"], "late at {first} and {then}");
        assert!(
            world.containers[0].has_process(),
            "late at {first} and {then}"
        );
    }
}
