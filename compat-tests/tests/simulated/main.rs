//! The simulated engine, on which upgrades are tested with everything that can go wrong, does what
//! this real one does: the transcripts of `tests/upgrade/behaviours` are played on both.

mod stage;

#[path = "../../../tests/upgrade"]
#[expect(
    dead_code,
    unused_imports,
    reason = "what goes wrong at will is for the tests of upgrades"
)]
mod upgrade {
    pub mod behaviours;
    pub mod simulated;
}

use compat_tests::engines;
use tokio::runtime::Builder;

use stage::Real;
use upgrade::behaviours::{Behaviour, behaviours, restarts, simulate};

/// Plays every behaviour on the engine and on a simulated one.
fn compare(scenario: &str, behaviours: &[Behaviour]) {
    assert!(!behaviours.is_empty(), "no behaviour");
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (stage, version) = (Real::new(scenario), engines::version());
    let mut differences = String::new();
    for behaviour in behaviours {
        let real = runtime.block_on(behaviour.play(&stage));
        differences += &behaviour.differences(&real, Some(&version));
        differences += &behaviour.differences(&simulate(behaviour), None);
    }
    let lines: usize = behaviours.iter().map(Behaviour::len).sum();
    println!("{} behaviours, {lines} lines", behaviours.len());
    assert!(differences.is_empty(), "\n{differences}");
}

#[test]
fn it_does_what_this_engine_does() {
    compare("simulated", &behaviours());
}

#[test]
fn it_does_what_this_engine_does_over_a_restart_of_the_daemon() {
    compare("simulated-restart", &restarts());
}
