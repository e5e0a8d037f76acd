//! What can go wrong at a call of the engine.

use std::time::Duration;

/// Something that goes wrong at one call. `done`: whether the call happens all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The engine refuses it with this status.
    Refused(u16),
    /// There is no connection to be had.
    Unreachable,
    /// The connection ends, and with it the answer.
    Lost { done: bool },
    /// No answer comes until the caller gives up.
    Hang { done: bool },
    /// The call happens, and its answer takes so long.
    Late(Duration),
    /// The calling process dies.
    Crash { done: bool },
    /// dockerd ends and comes back: by `how`.
    Dockerd { how: Death, done: bool },
    /// The disk is full, for so many calls.
    DiskFull(usize),
    /// Somebody asks for the original back right before the call.
    Cancelled,
    /// Another client does something right before the call.
    Person { verb: Verb, whom: Whom },
}

/// How dockerd ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// It is asked to, and stops its containers first.
    Graceful,
    /// By SIGKILL: when it comes back, it ends what it finds running (no live-restore).
    Killed,
}

/// What another client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Gives it the name `mine`.
    Rename,
    /// Stops it.
    Stop,
    /// Starts it.
    Start,
    /// Kills it.
    Kill,
    /// Removes it by force, without its volumes.
    Remove,
}

/// To which container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    Original,
    Replacement,
}

/// One call of the engine, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The trait's word for it.
    pub what: &'static str,
    /// The container, image or network that it names.
    pub subject: String,
}

impl Call {
    pub fn new(what: &'static str, subject: &str) -> Self {
        Self {
            what,
            subject: subject.to_owned(),
        }
    }

    /// Whether the call can change anything; else it makes no difference whether it happened.
    pub fn mutates(&self) -> bool {
        matches!(
            self.what,
            "create"
                | "connect"
                | "update"
                | "stop"
                | "start"
                | "pause"
                | "rename"
                | "remove"
                | "import"
                | "remove image"
                | "remove by force"
        )
    }

    /// Whether a full disk is in its way.
    pub fn needs_disk(&self) -> bool {
        matches!(self.what, "create" | "start" | "rename" | "import")
    }

    /// How long its caller waits for an answer.
    pub fn patience(&self) -> Duration {
        match self.what {
            "create" | "start" | "remove" | "import" | "remove by force" => {
                Duration::from_secs(10 * 60)
            }
            "stop" => Duration::from_secs(61),
            _ => Duration::from_secs(60),
        }
    }

    /// Those of [`Call::faults`] that two at a time are tried of. Left out is what differs from one of
    /// them in the words or the time that it takes alone: no connection and no answer from a lost
    /// one, a refusal from another, a full disk from one for longer.
    pub fn faults_of_pairs(&self) -> Vec<Fault> {
        let mut faults = self.faults();
        faults.retain(|fault| match fault {
            Fault::Unreachable | Fault::Hang { done: false } | Fault::Refused(409) => false,
            Fault::DiskFull(calls) => *calls < 10,
            _ => true,
        });
        faults
    }

    /// Every fault that can come over it, but for what other clients do.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = vec![Fault::Refused(500), Fault::Unreachable];
        if self.mutates() {
            faults.extend([Fault::Refused(409), Fault::DiskFull(4), Fault::DiskFull(60)]);
        }
        // Whether a mere look happened makes no difference.
        for done in [false, true]
            .into_iter()
            .take(1 + usize::from(self.mutates()))
        {
            faults.extend([
                Fault::Lost { done },
                Fault::Hang { done },
                Fault::Crash { done },
            ]);
            let deaths = [Death::Graceful, Death::Killed];
            faults.extend(deaths.map(|how| Fault::Dockerd { how, done }));
        }
        faults
    }
}

impl Fault {
    /// Everything that another client may do right before a call.
    pub fn of_people() -> Vec<Self> {
        let verbs = [
            Verb::Rename,
            Verb::Stop,
            Verb::Start,
            Verb::Kill,
            Verb::Remove,
        ];
        let both =
            |verb| [Whom::Original, Whom::Replacement].map(|whom| Self::Person { verb, whom });
        verbs.into_iter().flat_map(both).collect()
    }

    /// The word that the cases are counted by.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Unreachable => "unreachable",
            Self::Lost { .. } => "lost",
            Self::Hang { .. } => "hang",
            Self::Late(_) => "late",
            Self::Crash { .. } => "crash",
            Self::Dockerd { .. } => "dockerd",
            Self::DiskFull(_) => "disk full",
            Self::Cancelled => "cancelled",
            Self::Person { .. } => "other client",
        }
    }
}
