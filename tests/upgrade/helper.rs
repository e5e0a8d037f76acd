//! What a helper does, whatever goes wrong: at any call, and when it dies there and is started again.

use std::sync::{Arc, Mutex};

use refit::{
    engine::{EngineError, Exit, Status},
    upgrade::{Line, OwnContainer, Rollback, Step, Upgrades},
};
use serde_json::json;
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    engine,
    simulated::{Fault, Simulated},
    upgrade,
};

const NAME: &str = "web.refit-helper";

/// An engine with a container, and a helper that is to upgrade it; the container's ID.
fn sent(image_id: &str) -> (Arc<Simulated>, String) {
    let engine = engine();
    let always = json!({ "Name": "always", "MaximumRetryCount": 0 });
    let host = json!({ "NetworkMode": "app", "RestartPolicy": always });
    let id = engine.run("web", &json!({ "Image": "web:1", "HostConfig": host }));
    let errand = json!({
        "Transaction": "one", "Leader": id, "Name": "web", "Own": "web", "Owner": null,
        "Task": { "Upgrade": {
            "Patch": { "Image": "web:2" }, "RenewVolumes": false,
            "Monitor": { "secs": 1, "nanos": 0 }, "RequireSameAddress": false,
            "Image": "web:2", "ImageId": image_id,
        } },
    });
    let labels = json!({ "io.refit.helper": errand.to_string() });
    engine.run(NAME, &json!({ "Image": "web:1", "Labels": labels }));
    (engine, id)
}

/// Does the helper's errand in a process of this connection; what it told, unless it died.
async fn help(engine: &Arc<Simulated>, back: CancellationToken) -> Option<Vec<Line>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = |line: &Line| {
        if let Some(helper) = engine.world().find(NAME) {
            let line = serde_json::to_string(line).expect("JSON");
            helper.output.push(&line);
        }
        told.lock().expect("the lines").push(line.clone());
    };
    let upgrades = Upgrades::with_own_container(engine.clone(), OwnContainer::Helper);
    let ended: Result<(), EngineError> = tokio::select! {
        ended = upgrades.help("one", back, &tell) => ended,
        () = engine.died() => return None,
    };
    // It is started again where it could not begin.
    ended.ok()?;
    let told = told.lock().expect("the lines").clone();
    Some(told)
}

/// The helper's process has ended half-way.
fn has_died(engine: &Simulated) {
    let mut world = engine.world();
    let helper = world.containers.iter_mut().find(|c| c.name == NAME);
    helper.expect("the helper").first_exit = Some(Exit {
        code: 137,
        oom_killed: false,
    });
}

/// What is wrong in the end, after these last lines.
fn problems(engine: &Simulated, id: &str, told: &[Line]) -> Vec<String> {
    let world = engine.world();
    let mut problems = world.violations.clone();
    let Some(web) = world.find("web") else {
        return vec!["nothing has the name".to_owned()];
    };
    let (is_new, end) = (web.id != id, told.last());
    let is_true = match end {
        Some(Line::Upgraded { .. }) => is_new,
        Some(Line::Failed(failure)) => !is_new && failure.rollback != Rollback::Incomplete,
        _ => false,
    };
    if !is_true {
        problems.push(format!("it was told {end:?}, is upgraded: {is_new}"));
    }
    if web.status != Status::Running || web.policy.name != "always" {
        problems.push(format!("it is {:?}, {:?}", web.status, web.policy));
    }
    let is_left = |name: &str| name.contains(".refit-") && name != NAME;
    if let Some(left) = world.containers.iter().find(|c| is_left(&c.name)) {
        problems.push(format!("{} is left", left.name));
    }
    problems
}

fn steps(told: &[Line]) -> Vec<Step> {
    let step = |line: &Line| match line {
        Line::Step { step, .. } => Some(*step),
        Line::Upgraded { .. } | Line::Failed(_) => None,
    };
    told.iter().filter_map(step).collect()
}

#[tokio::test(start_paused = true)]
async fn it_upgrades_and_says_so_and_is_gone() {
    let (engine, id) = sent("sha256:2");
    let told = help(&engine, CancellationToken::new()).await;
    let told = told.expect("it lives");
    assert_eq!(problems(&engine, &id, &told), [""; 0]);
    let steps = steps(&told);
    // It says beforehand that the first stop is next.
    let is_stop = |step: &&Step| **step == Step::Stop;
    assert_eq!(steps.iter().filter(is_stop).count(), 2);
    assert_eq!(steps.last(), Some(&Step::Commit));
    assert_eq!(engine.inspect("web")["Config"]["Image"], "web:2");
    assert!(engine.world().find(NAME).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_another_one_by_now_is_refused() {
    let (engine, id) = sent("sha256:3");
    let told = help(&engine, CancellationToken::new()).await;
    let told = told.expect("it lives");
    assert_eq!(problems(&engine, &id, &told), [""; 0]);
    let changes = engine.world().changes();
    assert_eq!(changes, [""; 0]);
    assert!(engine.world().find(NAME).is_some(), "it is to be heard");
}

#[tokio::test(start_paused = true)]
async fn it_goes_back_when_it_is_asked_to() {
    let (engine, id) = sent("sha256:2");
    let back = CancellationToken::new();
    let asked = back.clone();
    tokio::spawn(async move {
        sleep(Duration::from_millis(900)).await;
        asked.cancel();
    });
    let told = help(&engine, back).await.expect("it lives");
    assert_eq!(problems(&engine, &id, &told), [""; 0]);
    let Some(Line::Failed(failure)) = told.last() else {
        panic!("a failure: {told:?}");
    };
    assert_eq!(failure.rollback, Rollback::Restored);
    assert!(failure.message.contains("cancelled"), "{failure}");
}

/// The Refit that it is sent by has found the generation before.
#[tokio::test(start_paused = true)]
async fn it_goes_to_the_generation_before() {
    let engine = engine();
    let always = json!({ "Name": "always", "MaximumRetryCount": 0 });
    let host = json!({ "RestartPolicy": always, "Memory": 7 });
    engine.run("web", &json!({ "Image": "web:1", "HostConfig": host }));
    let patch = json!({ "Image": "web:2", "HostConfig": { "Memory": 8 } });
    let upgraded = upgrade(&engine, &patch).await.expect("an upgrade");
    let id = upgraded.current.id;
    let errand = json!({
        "Transaction": "one", "Leader": id, "Name": "web", "Own": "web", "Owner": null,
        "Task": { "Upgrade": {
            "Patch": {}, "RenewVolumes": false, "GoBack": true,
            "Monitor": { "secs": 1, "nanos": 0 }, "RequireSameAddress": false,
            "Image": "web:1", "ImageId": "sha256:1",
        } },
    });
    let labels = json!({ "io.refit.helper": errand.to_string() });
    engine.run(NAME, &json!({ "Image": "web:2", "Labels": labels }));
    let told = help(&engine, CancellationToken::new()).await;
    assert_eq!(problems(&engine, &id, &told.expect("it lives")), [""; 0]);
    let back = engine.inspect("web");
    assert_eq!(back["Config"]["Image"], "web:1");
    assert_eq!(back["HostConfig"]["Memory"], 7);
}

/// Whether a fault is one that the helper itself can be met by; what dockerd and other people do is
/// explored elsewhere.
fn is_tried(fault: &Fault) -> bool {
    !matches!(
        fault,
        Fault::Dockerd { .. } | Fault::Person { .. } | Fault::Cancelled
    )
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_once_it_ends_and_something_runs() {
    let (engine, _) = sent("sha256:2");
    help(&engine, CancellationToken::new()).await;
    let calls = engine.world().calls.clone();
    let (mut cases, mut deaths) = (0, 0);
    for (at, call) in calls.iter().enumerate() {
        for fault in call.faults().into_iter().filter(is_tried) {
            let (engine, id) = sent("sha256:2");
            engine.world().faults = vec![(at, fault)];
            let mut told = help(&engine, CancellationToken::new()).await;
            for _ in 0..5 {
                if told.is_some() {
                    break;
                }
                deaths += 1;
                // Its last act may have been done.
                if engine.world().find(NAME).is_none() {
                    told = Some(vec![Line::Upgraded {
                        transaction: "one".to_owned(),
                    }]);
                    break;
                }
                has_died(&engine);
                let again = Arc::new(engine.another());
                told = help(&again, CancellationToken::new()).await;
            }
            let told = told.expect("it ends");
            cases += 1;
            let problems = problems(&engine, &id, &told);
            assert!(
                problems.is_empty(),
                "{call:?} {fault:?}: {problems:?}\n{told:?}"
            );
        }
    }
    println!("{cases} cases, {deaths} deaths");
    assert!(cases > 200 && deaths > 50, "{cases} cases, {deaths} deaths");
}
