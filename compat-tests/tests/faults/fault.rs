//! The faults that a call of Refit's can meet.

/// What happens instead of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// The engine refuses: `500`.
    Refuse,
    /// The connection is closed.
    Drop,
    /// Nothing comes, until Refit gives up.
    Hang,
    /// Refit is killed by SIGKILL, and started again.
    KillRefit,
    /// The engine is killed by SIGKILL, and started again.
    KillDockerd,
    /// The machine loses its power: Refit, the engine and all containers end at once, and Refit is started
    /// again before the engine is. What they had handed to the kernel stays.
    CutPower,
}

impl Blow {
    /// Whether Refit ends.
    pub fn ends_refit(self) -> bool {
        matches!(self, Self::KillRefit | Self::CutPower)
    }

    /// Whether the engine ends.
    pub fn ends_engine(self) -> bool {
        matches!(self, Self::KillDockerd | Self::CutPower)
    }
}

/// When it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the engine hears of the call, which it never does.
    Before,
    /// When the engine has done what it was asked for, and answered.
    After,
}

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What happens.
    pub blow: Blow,
    /// When.
    pub when: When,
}

const fn fault(blow: Blow, when: When) -> Fault {
    Fault { blow, when }
}

/// Every fault that an engine which goes on running shows, with the head of its column.
pub const OF_CALLS: [(Fault, &str); 7] = [
    (fault(Blow::Refuse, When::Before), "refuse"),
    (fault(Blow::Drop, When::Before), "drop"),
    (fault(Blow::Drop, When::After), "drop after"),
    (fault(Blow::Hang, When::Before), "hang"),
    (fault(Blow::Hang, When::After), "hang after"),
    (fault(Blow::KillRefit, When::Before), "kill refit"),
    (fault(Blow::KillRefit, When::After), "kill after"),
];

/// The end of the engine, with the heads of the columns.
pub const OF_DOCKERD: [(Fault, &str); 2] = [
    (fault(Blow::KillDockerd, When::Before), "kill dockerd"),
    (fault(Blow::KillDockerd, When::After), "kill after"),
];

/// The end of everything, with the head of the column. Between two changes, the moment makes no difference.
pub const OF_POWER: [(Fault, &str); 1] = [(fault(Blow::CutPower, When::After), "cut power after")];
