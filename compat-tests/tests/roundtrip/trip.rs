//! One line's way: run, upgrade, compare.

use std::{
    process::Output,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use compat_tests::{Answer, PATIENCE, Scenario};
use serde_json::{Value, json};

use crate::{
    AFTER, BEFORE,
    differences::{Difference, differences, in_order},
    expected::{EXPECTED, Seen},
    line::{Placed, Taken, Version},
};

/// What an answer may warn of, beside what the engine says of the line itself.
const WARNINGS: &[&str] = &[
    "keeps the host port that the engine chose, and is pinned to it now",
    // On the network that all lines share, others take and free addresses meanwhile.
    "the address on network bridge was",
    // Where it was asked for, the list wants the warning; elsewhere Docker 28 drew it.
    "is made anew: this engine does not tell whether",
];

/// What all lines came to.
pub struct Tally {
    failures: Mutex<Vec<String>>,
    /// How often each entry of the list was needed.
    uses: Vec<AtomicUsize>,
    upgraded: AtomicUsize,
    refused: AtomicUsize,
    /// Held by the line under way whose host ports the engine chooses.
    ephemeral: Mutex<()>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            failures: Mutex::default(),
            uses: EXPECTED.iter().map(|_| AtomicUsize::new(0)).collect(),
            upgraded: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            ephemeral: Mutex::default(),
        }
    }
}

impl Tally {
    fn fail(&self, failure: String) {
        self.failures.lock().expect("no panic").push(failure);
    }

    /// Fails if a line did, or if an entry of the list is not needed on this engine.
    pub fn judge(self, engine: Version, lines: usize) {
        let mut failures = self.failures.into_inner().expect("no panic");
        for (entry, uses) in EXPECTED.iter().zip(self.uses) {
            assert!(!entry.why.is_empty(), "{}", entry.path);
            if entry.on.contains(&engine) && uses.into_inner() == 0 {
                failures.push(format!("no line needs {}: {}", entry.path, entry.why));
            }
        }
        let (upgraded, refused) = (self.upgraded.into_inner(), self.refused.into_inner());
        println!("{lines} lines: {upgraded} upgraded, {refused} refused by the engine");
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        assert_eq!(upgraded + refused, lines);
    }
}

/// A line under way.
pub struct Trip<'a> {
    pub scenario: &'a Scenario,
    pub engine: Version,
    pub placed: &'a Placed<'a>,
    pub tally: &'a Tally,
}

impl Trip<'_> {
    /// Makes it, and tells the tally what came of it.
    pub fn make(&self) {
        let is_ephemeral = self.placed.line.is_ephemeral;
        let _alone = is_ephemeral.then(|| self.tally.ephemeral.lock().expect("no panic"));
        for result in [self.there_and_back(), self.placed.clear()] {
            if let Err(failure) = result {
                self.tally
                    .fail(format!("{}: {failure}", self.placed.typed()));
            }
        }
    }

    fn there_and_back(&self) -> Result<(), String> {
        self.placed.prepare()?;
        let run = self.placed.run(BEFORE);
        self.check_taken(&run)?;
        if !run.status.success() {
            self.tally.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        self.placed.complete()?;
        let before = settled(self.scenario, &self.placed.name)?;
        let answer = self.upgrade();
        if answer.status != 200 || answer.json()["Changed"] != true {
            return Err(format!("the upgrade: {answer:?}"));
        }
        check_warnings(&answer, &run)?;
        let warnings = answer.json()["Warnings"].to_string();
        let after = settled(self.scenario, &self.placed.name)?;
        let typed = self.placed.typed();
        for difference in differences(&before, &after) {
            let seen = Seen {
                documents: [&before, &after],
                typed: &typed,
                warnings: &warnings,
                difference: &difference,
            };
            match entry(self.engine, &seen) {
                Some(entry) => drop(self.tally.uses[entry].fetch_add(1, Ordering::Relaxed)),
                None => self.tally.fail(format!("{typed}: {difference}")),
            }
        }
        self.tally.upgraded.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the engine takes a line, or not, as is known of it.
    fn check_taken(&self, run: &Output) -> Result<(), String> {
        let line = self.placed.line;
        let is_taken = run.status.success();
        let is_known = match line.taken {
            Taken::Everywhere => is_taken,
            Taken::Since(version) => is_taken == (self.engine >= version),
            Taken::SurelySince(version) if self.engine >= version => is_taken,
            Taken::Before(version) => is_taken == (self.engine < version),
            Taken::Nowhere => !is_taken,
            Taken::SurelySince(_) | Taken::Kernel => {
                println!("{}: taken: {is_taken} ({})", self.placed.typed(), line.why);
                true
            }
        };
        if is_known {
            return Ok(());
        }
        Err(format!(
            "taken: {is_taken}, but known is {:?} ({}): {run:?}",
            line.taken, line.why
        ))
    }

    fn upgrade(&self) -> Answer {
        let path = format!("/containers/{}/upgrade?pull=never&t=1", self.placed.name);
        let body = json!({
            "Image": AFTER,
            "UpgradeConfig": { "Monitor": 100_000_000, "HealthyDeadline": 10_000_000_000_u64 },
        });
        self.scenario.post(&path, &body.to_string())
    }
}

/// Every warning is known, or one that the engine had for the line itself.
fn check_warnings(answer: &Answer, run: &Output) -> Result<(), String> {
    let said = String::from_utf8_lossy(&run.stderr);
    let warnings = answer.json()["Warnings"].clone();
    let mut warnings = warnings
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let is_known = |warning: &str| WARNINGS.iter().any(|known| warning.contains(known));
    match warnings.find(|warning| !is_known(warning) && !said.contains(warning)) {
        Some(warning) => Err(format!("a warning: {warning}")),
        None => Ok(()),
    }
}

/// The entry of the list that a difference is.
fn entry(engine: Version, seen: &Seen<'_>) -> Option<usize> {
    let path = &seen.difference.path;
    EXPECTED
        .iter()
        .position(|entry| entry.on.contains(&engine) && entry.matches(path) && (entry.holds)(seen))
}

/// The differences between two containers that the list does not have.
pub fn unlisted<'a>(
    engine: Version,
    typed: &'a str,
    documents: [&'a Value; 2],
) -> impl Iterator<Item = Difference<'a>> {
    let is_listed = move |difference: &Difference<'_>| {
        let seen = Seen {
            documents,
            typed,
            warnings: "",
            difference,
        };
        entry(engine, &seen).is_some()
    };
    let found = differences(documents[0], documents[1]).into_iter();
    found.filter(move |difference| !is_listed(difference))
}

/// The container's document, once its health is known and no probe is under way.
///
/// # Errors
/// It does not run, or does not get healthy.
pub fn settled(scenario: &Scenario, name: &str) -> Result<Value, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let document = scenario
            .ask("GET", &format!("/containers/{name}/json"))
            .json();
        if document["State"]["Status"] != "running" {
            return Err(format!("it does not run: {}", document["State"]));
        }
        let health = document.pointer("/State/Health/Status");
        if health.is_none_or(|health| health == "healthy") && document["ExecIDs"].is_null() {
            return Ok(in_order(document));
        }
        if Instant::now() > deadline {
            return Err(format!("it does not get healthy: {}", document["State"]));
        }
        thread::sleep(Duration::from_millis(20));
    }
}
