//! Real faults: every call that Refit makes of a real engine during an upgrade meets every fault,
//! while a client writes to the container; afterwards the invariants of the transaction must hold
//! ([`check`]).
//!
//! Between Refit and the engine stands an [`injector`]. A run without a fault counts the calls; then
//! each call in turn is refused, loses its connection or its answer, hangs, or is met by the SIGKILL
//! of Refit or of dockerd, before the engine hears of it and after it has answered; or the power of
//! the machine is lost, with all that runs there. A call that changes nothing meets each kind of
//! fault once: whether the engine heard of it makes no difference. Where Refit or dockerd was killed,
//! it is started again.
//!
//! The container is a Redis that writes every command to its disk before it acknowledges it
//! ([`writer`]); it changes to and fro between two releases. Where the upgrade is to be rolled back,
//! the replacement takes writes, too, until its health check has failed: the original must have them.
//!
//! Cases run side by side, each [`lane`] on a container of its own. With `REFIT_EVERY=3` in the environment, only
//! every third one is tried: of each call other faults, so that each kind of fault meets each part of the story.

mod calls;
mod check;
mod fault;
mod injector;
mod lane;
mod tally;
mod writer;

use std::{
    env,
    io::Read,
    ops::Range,
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use compat_tests::engines;

use calls::{Call, ROLLED_BACK, ROLLED_BACK_OF_RM, STARTED, Story, UPGRADED, UPGRADED_OF_RM};
use fault::{Fault, OF_CALLS, OF_DOCKERD, OF_POWER, When};
use lane::{Case, Lane, Replacement};
use tally::Tally;

/// Beside one fault in all, one of so many may meet no call: a row of looks was shorter than the one
/// that was counted.
const UNMET: usize = 20;

/// What is to be tried.
struct Matrix {
    name: &'static str,
    replacement: Replacement,
    story: Story,
    faults: &'static [(Fault, &'static str)],
    /// Which calls meet them.
    meets: fn(&Call) -> bool,
    /// The numbers of its lanes.
    lanes: Range<u8>,
    /// What becomes of the container when it ends, as options of `docker create`.
    at_end: &'static [&'static str],
}

impl Matrix {
    fn run(&self) {
        let begin = Instant::now();
        let lane = &|number| {
            let mut lane = Lane::new(self.name, number, self.at_end);
            // The first upgrade is like no other: no marker stands there yet.
            faultless(&mut lane, Replacement::Good);
            lane
        };
        let mut lanes: Vec<Lane> = thread::scope(|scope| {
            let lanes = self
                .lanes
                .clone()
                .map(|number| scope.spawn(move || lane(number)));
            let lanes: Vec<_> = lanes.collect();
            let lanes = lanes.into_iter();
            lanes.map(|lane| lane.join().expect("a lane")).collect()
        });
        let cases = self.cases(&mut lanes[0]);
        let tally = Mutex::new(Tally::new(self.story, self.faults));
        let next = AtomicUsize::new(0);
        let work = &|lane| work(lane, &cases, &next, &tally);
        let written: usize = thread::scope(|scope| {
            let lanes = lanes.iter_mut().map(|lane| scope.spawn(move || work(lane)));
            let lanes: Vec<_> = lanes.collect();
            let lanes = lanes.into_iter();
            lanes.map(|lane| lane.join().expect("its cases")).sum()
        });
        let tally = tally.into_inner().expect("the tally");
        println!(
            "\n{} on Docker {}\n{tally}\n{written} acknowledged writes, each looked for; {:.0?}",
            self.name,
            engines::version(),
            begin.elapsed()
        );
        conclude(&tally, &cases, written);
    }

    /// Counts the calls of the upgrade without a fault; every fault of each of them.
    fn cases(&self, lane: &mut Lane) -> Vec<Case> {
        let calls = faultless(lane, self.replacement);
        let changes: Vec<&str> = calls
            .iter()
            .filter(|call| !call.is_look())
            .map(|call| call.verb)
            .collect();
        let story: Vec<&str> = self.story.iter().map(|(verb, _)| *verb).collect();
        assert_eq!(changes, story, "{calls:#?}");
        let met = calls.iter().filter(|call| (self.meets)(call));
        met.flat_map(|call| {
            let when = |when| !call.is_look() || when == When::Before;
            let faults = self
                .faults
                .iter()
                .filter(move |(fault, _)| when(fault.when));
            faults.map(|(fault, _)| Case {
                replacement: self.replacement,
                fault: Some((call.place, *fault)),
            })
        })
        .step_by(every())
        .collect()
    }
}

/// Every which case is tried: as `REFIT_EVERY` says, else each.
fn every() -> usize {
    let every = env::var("REFIT_EVERY").unwrap_or_default();
    match &*every {
        "" => 1,
        every => every.parse().expect("REFIT_EVERY: a number"),
    }
}

/// Runs cases until none is left; how many writes were acknowledged.
fn work(lane: &mut Lane, cases: &[Case], next: &AtomicUsize, tally: &Mutex<Tally>) -> usize {
    while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
        let trial = lane.run(*case);
        tally.lock().expect("the tally").count(&trial);
        if !trial.problems.is_empty() {
            // What follows would be built on sand.
            return lane.written();
        }
    }
    let lost = lane.lost_in_all();
    let mut tally = tally.lock().expect("the tally");
    tally.violations.extend(lost);
    lane.written()
}

/// No violation, and as many cases as were meant.
fn conclude(tally: &Tally, cases: &[Case], written: usize) {
    let violations = tally.violations.join("\n");
    assert!(violations.is_empty(), "{violations}");
    assert_eq!(tally.cases() + tally.unmet(), cases.len());
    assert!(
        tally.unmet() <= 1 + cases.len() / UNMET,
        "{}",
        tally.unmet()
    );
    assert!(written > cases.len(), "only {written} writes");
}

/// The calls of an upgrade without a fault.
fn faultless(lane: &mut Lane, replacement: Replacement) -> Vec<Call> {
    let fault = None;
    let trial = lane.run(Case { replacement, fault });
    assert!(
        trial.problems.is_empty(),
        "{:#?}\n{}",
        trial.problems,
        trial.log
    );
    trial.calls
}

#[test]
fn every_call_of_an_upgrade_meets_every_fault() {
    let matrix = Matrix {
        name: "faults-upgraded",
        replacement: Replacement::Good,
        story: UPGRADED,
        faults: &OF_CALLS,
        meets: |_| true,
        lanes: 10..16,
        at_end: &["--restart", "on-failure:3"],
    };
    matrix.run();
}

#[test]
fn every_call_of_a_rollback_meets_every_fault() {
    let matrix = Matrix {
        name: "faults-rolled-back",
        replacement: Replacement::Unhealthy,
        story: ROLLED_BACK,
        faults: &OF_CALLS,
        meets: |_| true,
        lanes: 20..26,
        at_end: &["--restart", "on-failure:3"],
    };
    matrix.run();
}

/// Where dockerd is killed, the engine deletes it, and the replacement: that is a scenario of its own.
#[test]
fn every_change_of_an_upgrade_of_rm_meets_every_fault() {
    let matrix = Matrix {
        name: "faults-rm-upgraded",
        replacement: Replacement::Good,
        story: UPGRADED_OF_RM,
        faults: &OF_CALLS,
        meets: |call| !call.is_look(),
        lanes: 50..54,
        at_end: &["--rm"],
    };
    matrix.run();
}

#[test]
fn every_change_of_a_rollback_of_rm_meets_every_fault() {
    let matrix = Matrix {
        name: "faults-rm-rolled-back",
        replacement: Replacement::Unhealthy,
        story: ROLLED_BACK_OF_RM,
        faults: &OF_CALLS,
        meets: |call| !call.is_look(),
        lanes: 60..64,
        at_end: &["--rm"],
    };
    matrix.run();
}

#[test]
fn dockerd_is_killed_during_an_upgrade() {
    let matrix = Matrix {
        name: "faults-dockerd-upgraded",
        replacement: Replacement::Good,
        story: UPGRADED,
        faults: &OF_DOCKERD,
        // At every change, and while the replacement is watched.
        meets: |call| !call.is_look() || call.place.changes == STARTED,
        lanes: 30..31,
        at_end: &["--restart", "always"],
    };
    matrix.run();
}

#[test]
fn dockerd_is_killed_during_a_rollback() {
    let matrix = Matrix {
        name: "faults-dockerd-rolled-back",
        replacement: Replacement::Unhealthy,
        story: ROLLED_BACK,
        faults: &OF_DOCKERD,
        // Until the replacement is started, it is no different.
        meets: |call| !call.is_look() && call.place.changes >= STARTED,
        lanes: 40..41,
        at_end: &["--restart", "always"],
    };
    matrix.run();
}

#[test]
fn power_is_lost_during_an_upgrade() {
    let matrix = Matrix {
        name: "faults-power-upgraded",
        replacement: Replacement::Good,
        story: UPGRADED,
        faults: &OF_POWER,
        meets: |call| !call.is_look(),
        lanes: 70..71,
        at_end: &["--restart", "always"],
    };
    matrix.run();
}

#[test]
fn power_is_lost_during_a_rollback() {
    let matrix = Matrix {
        name: "faults-power-rolled-back",
        replacement: Replacement::Unhealthy,
        story: ROLLED_BACK,
        faults: &OF_POWER,
        // Until the replacement is started, it is no different.
        meets: |call| !call.is_look() && call.place.changes >= STARTED,
        lanes: 80..81,
        at_end: &["--restart", "always"],
    };
    matrix.run();
}

#[test]
fn two_at_once_are_noticed_and_one_after_the_other_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let two = folder.path().join("two");
    let member = || {
        Command::new(env!("CARGO_BIN_EXE_sole"))
            .arg(folder.path())
            // Says that it has begun, and runs until its input ends.
            .args(["sh", "-c", "echo; read line"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a member")
    };
    let has_begun = |member: &mut Child| {
        let output = member.stdout.as_mut().expect("its output");
        output.read_exact(&mut [0]).expect("its first word");
    };
    let mut first = member();
    has_begun(&mut first);
    first.wait().expect("its end");
    let mut second = member();
    has_begun(&mut second);
    assert!(!two.exists());
    let mut third = member();
    has_begun(&mut third);
    assert!(two.exists());
    for mut member in [second, third] {
        member.wait().expect("its end");
    }
}
