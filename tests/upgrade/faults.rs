//! What goes wrong at a call of the simulated engine is what its name says.

use refit::engine::{Engine, EngineError, Status, StopOptions};
use serde_json::json;
use tokio::time::{Duration, sleep};

use crate::simulated::{Call, Fault, Simulated};

#[tokio::test(start_paused = true)]
async fn a_lost_answer_of_a_stop_does_not_end_it() {
    let engine = Simulated::new();
    let config = json!({ "Cmd": ["stubborn"] });
    engine.world().tag("stubborn", "sha256:1", &config);
    let id = engine.run("web", &json!({ "Image": "stubborn" }));
    let status = || engine.world().find(&id).expect("it is there").status;
    engine.world().faults = vec![(0, Fault::Lost { done: true })];
    let options = StopOptions {
        timeout: Some(1),
        signal: None,
    };
    let lost = engine.stop(&id, &options).await;
    assert!(matches!(lost, Err(EngineError::Unknown { .. })), "{lost:?}");
    assert_eq!(status(), Status::Running);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(status(), Status::Exited);
}

#[test]
fn a_look_has_no_fault_that_only_a_change_can_have() {
    let happened = |fault: &Fault| {
        matches!(
            fault,
            Fault::Lost { done: true } | Fault::Crash { done: true }
        )
    };
    let (look, change) = (Call::new("inspect", "web"), Call::new("stop", "web"));
    assert_eq!(look.faults().into_iter().filter(happened).count(), 0);
    assert_eq!(change.faults().into_iter().filter(happened).count(), 2);
    assert_eq!((look.faults().len(), change.faults().len()), (7, 15));
}
