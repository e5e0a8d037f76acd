//! What was run, and what was wrong.

use std::{collections::BTreeMap, fmt::Write};

use super::case::{Case, Trial};
use crate::simulated::Fault;

/// How many cases are told of in full, the first of a kind each.
const TOLD: usize = 12;

/// How many failed cases end a test: more say nothing new.
const ENOUGH: usize = 200;

/// The cases so far.
#[derive(Debug, Default)]
pub struct Tally {
    by_kind: BTreeMap<String, usize>,
    cases: usize,
    calls: usize,
    failed: usize,
    by_problem: BTreeMap<String, usize>,
    told: String,
}

impl Tally {
    pub fn count(
        &mut self,
        case: Case,
        faults: &[(usize, Fault)],
        trial: &Trial,
        problems: &[String],
    ) {
        let kinds: Vec<_> = faults.iter().map(|(_, fault)| fault.kind()).collect();
        *self.by_kind.entry(kinds.join(" + ")).or_default() += 1;
        self.cases += 1;
        self.calls += trial.world.calls.len();
        if problems.is_empty() {
            return;
        }
        self.failed += 1;
        assert!(
            self.failed < ENOUGH,
            "{:#?}\n{}",
            self.by_problem,
            self.told
        );
        let first = self.by_problem.entry(problems.join("; ")).or_default();
        *first += 1;
        if *first > 1 || self.by_problem.len() > TOLD {
            return;
        }
        let told = &mut self.told;
        let mut line = |text: &str| writeln!(told, "{text}").expect("a text takes everything");
        line(&format!("\n{case:?} {}", problems.join("; ")));
        for (at, fault) in faults {
            line(&format!("  at call {at}: {fault:?}"));
        }
        if let Some((answer, _)) = &trial.answer {
            line(&format!("  answer: {answer:?}"));
        }
        let calls = trial.calls.iter().enumerate();
        let calls = calls.map(|(at, call)| format!("{at} {} {}", call.what, short(&call.subject)));
        line(&format!(
            "  calls: {}",
            calls.collect::<Vec<_>>().join(", ")
        ));
        for container in &trial.world.containers {
            let (name, status) = (&container.name, container.status);
            line(&format!(
                "  left: {} {name} {status:?} {}",
                short(&container.id),
                container.policy.name
            ));
        }
    }

    /// Prints how many cases were run, and fails if one went wrong or they were fewer than `least`.
    pub fn conclude(self, what: &str, least: usize) {
        let Self {
            cases,
            calls,
            failed,
            ..
        } = self;
        println!("{what}: {cases} cases, {calls} calls, {failed} failed");
        for (kind, cases) in &self.by_kind {
            println!("  {cases:6} {kind}");
        }
        assert!(
            failed == 0,
            "{failed} of {cases} failed: {:#?}\n{}",
            self.by_problem,
            self.told
        );
        assert!(cases >= least, "only {cases} cases were run");
    }
}

/// An ID's end: the first digits are all alike.
fn short(id: &str) -> &str {
    id.get(id.len().saturating_sub(12)..).unwrap_or(id)
}
