//! Counts cases and violations: a table of calls and faults.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

use super::{calls::Story, fault::Fault, lane::Trial};

/// What was counted of one matrix.
pub struct Tally {
    story: Story,
    faults: &'static [(Fault, &'static str)],
    /// Cases and violations, by the number of the row and the column.
    cells: BTreeMap<(usize, usize), (usize, usize)>,
    rows: BTreeMap<usize, String>,
    /// What the callers were told.
    told: BTreeMap<String, usize>,
    /// How many faults met no look.
    unmet: usize,
    /// What is wrong.
    pub violations: Vec<String>,
}

impl Tally {
    pub fn new(story: Story, faults: &'static [(Fault, &'static str)]) -> Self {
        Self {
            story,
            faults,
            cells: BTreeMap::new(),
            rows: BTreeMap::new(),
            told: BTreeMap::new(),
            unmet: 0,
            violations: Vec::new(),
        }
    }

    /// Counts a trial.
    pub fn count(&mut self, trial: &Trial) {
        let is_violated = !trial.problems.is_empty();
        if is_violated {
            self.violations.push(self.describe(trial));
        }
        let Some((place, fault)) = trial.case.fault else {
            return;
        };
        if !trial.is_done {
            self.unmet += 1;
            return;
        }
        let column = self.faults.iter().position(|(of, _)| *of == fault);
        let at = (place.row(), column.expect("a column"));
        let (cases, violations) = self.cells.entry(at).or_default();
        *cases += 1;
        *violations += usize::from(is_violated);
        self.rows.insert(place.row(), place.name(self.story));
        let told = trial.told.as_ref().map_or("nothing".to_owned(), |told| {
            match told.text_of("Rollback") {
                rollback if rollback.is_empty() => told.status.to_string(),
                rollback => format!("rollback {rollback}"),
            }
        });
        *self.told.entry(told).or_default() += 1;
    }

    /// How many cases were run.
    pub fn cases(&self) -> usize {
        self.cells.values().map(|(cases, _)| cases).sum()
    }

    /// How many faults met no look.
    pub fn unmet(&self) -> usize {
        self.unmet
    }

    /// Everything that one needs to understand a violation.
    fn describe(&self, trial: &Trial) -> String {
        let fault = trial.case.fault.map(|(place, fault)| {
            let name = place.name(self.story);
            format!("{:?} {:?} at {name} ({place:?})", fault.blow, fault.when)
        });
        let fault = fault.unwrap_or("no fault".to_owned());
        let told = trial.told.as_ref().map_or("nothing", |told| &told.text);
        let calls: Vec<&str> = trial.calls.iter().map(|call| call.text.as_str()).collect();
        format!(
            "{fault}:\n  {}\n  the caller was told: {told}\n  calls:\n    {}\n  log:\n{}",
            trial.problems.join("\n  "),
            calls.join("\n    "),
            trial.log,
        )
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:28}", "cases/violations")?;
        for (_, head) in self.faults {
            write!(f, "{head:>13}")?;
        }
        for (row, name) in &self.rows {
            write!(f, "\n{name:28}")?;
            for column in 0..self.faults.len() {
                let cell = self.cells.get(&(*row, column));
                let cell = cell.map(|(cases, violations)| format!("{cases}/{violations}"));
                write!(f, "{:>13}", cell.unwrap_or("-".to_owned()))?;
            }
        }
        let told: Vec<String> = self
            .told
            .iter()
            .map(|(told, count)| format!("{told} {count}"))
            .collect();
        write!(
            f,
            "\n{} cases, {} violations; {} faults met no look; told: {}",
            self.cases(),
            self.violations.len(),
            self.unmet,
            told.join(", ")
        )
    }
}
