//! Earlier IDs, where more than one process upgrades, and over many generations.

use std::{collections::BTreeSet, sync::Arc};

use refit::{
    engine::{Engine, StopOptions},
    upgrade::{Step, Upgrades},
};
use serde_json::json;

use super::{engine, request, simulated::Simulated, upgrade};

/// What stands for the container that `reference` is an earlier ID of, to a process.
async fn identified(upgrades: &Upgrades, reference: &str) -> Option<String> {
    let references = BTreeSet::from([reference.to_owned()]);
    upgrades.identify(references).await.remove(reference)
}

/// Upgrades `web` once more, in a process of its own; the ID that it has then.
async fn upgraded(engine: &Arc<Simulated>, generation: usize) -> String {
    let image = format!("web:{}", 1 + generation % 2);
    let outcome = upgrade(engine, &json!({ "Image": image })).await;
    outcome.expect("an upgrade").current.id
}

#[tokio::test]
async fn a_process_that_starts_knows_every_generation() {
    let engine = engine();
    let mut ids = vec![engine.run("web", &json!({ "Image": "web:1" }))];
    for generation in 1..=25 {
        ids.push(upgraded(&engine, generation).await);
    }
    let current = ids.pop().expect("the last one");
    let upgrades = Upgrades::new(engine.clone());
    assert!(upgrades.identities().is_empty());
    upgrades.recover().await;
    for id in &ids {
        assert!(upgrades.identities().knows(id));
        assert_eq!(identified(&upgrades, id).await.as_ref(), Some(&current));
        let report = upgrades.report(id).await.expect("it is known");
        assert_eq!(report, upgrades.report("web").await.expect("it is known"));
    }
    // What is there needs nothing to stand for it.
    assert_eq!(identified(&upgrades, &current).await, None);
    assert_eq!(identified(&upgrades, "web").await, None);
}

#[tokio::test]
async fn what_another_process_upgraded_since_is_found_by_its_marker() {
    let engine = engine();
    let first = engine.run("web", &json!({ "Image": "web:1" }));
    let other = engine.run("db", &json!({ "Image": "web:1" }));
    let second = upgraded(&engine, 1).await;
    let upgrades = Upgrades::new(engine.clone());
    upgrades.recover().await;
    assert_eq!(identified(&upgrades, &first).await, Some(second.clone()));
    let third = upgraded(&engine, 2).await;
    assert!(!upgrades.identities().knows(&second));
    assert_eq!(identified(&upgrades, &first).await, Some(third.clone()));
    assert!(upgrades.identities().knows(&second));
    assert_eq!(identified(&upgrades, &second).await, Some(third.clone()));

    // One that it never heard of is looked for where somebody asks for its upgrade.
    let run =
        Upgrades::new(engine.clone()).begin("db".to_owned(), request(&json!({ "Image": "web:2" })));
    run.outcome.await.expect("an outcome").expect("an upgrade");
    assert!(!upgrades.identities().knows(&other));
    assert!(upgrades.report(&other).await.is_ok());
    assert!(upgrades.identities().knows(&other));

    // What stands for nothing any more is forgotten.
    let stopped = engine.stop("web", &StopOptions::default()).await;
    stopped.expect("it stops");
    engine.remove("web", false).await.expect("it is removed");
    assert_eq!(identified(&upgrades, &first).await, None);
    assert!(!upgrades.identities().knows(&first));
    assert!(upgrades.identities().knows(&other));
}

#[tokio::test]
async fn what_was_taken_back_stands_for_nothing() {
    let engine = engine();
    let first = engine.run("web", &json!({ "Image": "web:1" }));
    let second = upgraded(&engine, 1).await;
    let upgrades = Upgrades::new(engine.clone());
    upgrades.recover().await;
    let failing = request(&json!({ "Image": "web:1", "Cmd": ["missing"] }));
    let run = upgrades.begin("web".to_owned(), failing);
    let outcome = run.outcome.await.expect("an outcome");
    assert_eq!(outcome.expect_err("a failure").step, Step::Start);
    assert!(!upgrades.identities().knows(&second));
    assert_eq!(identified(&upgrades, &first).await, Some(second));
}
