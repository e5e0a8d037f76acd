//! Why a replacement is not good.

use std::{fmt, time::Duration};

use super::words::quote_text;
use crate::engine::{Container, EngineError, Exit, Probe};

/// Why a replacement is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its process ended.
    Ended {
        exit: Exit,
        /// Why the engine could not start it again; empty if it did not try.
        error: String,
    },
    /// Its process ended, and runs again.
    RunsAgain {
        /// How often the engine restarted it; 0: somebody else started it.
        restarts: i64,
        /// How the first run ended, where it is known.
        exit: Option<Exit>,
    },
    /// Its health check said so.
    Unhealthy(Checkup),
    /// Its health check said nothing in time.
    NotHealthyWithin(Duration, Checkup),
    /// It is gone: its process ended, and the engine deleted it (`--rm`), or somebody did.
    Gone(Option<Exit>),
    /// It could not be looked at.
    Unseen(EngineError),
}

/// What is known of a replacement that runs, and whose health check does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkup {
    last_probe: Option<Probe>,
    oom_killed: bool,
}

impl From<&Container> for Checkup {
    fn from(seen: &Container) -> Self {
        Self {
            last_probe: seen.last_probe(),
            oom_killed: seen.exit.oom_killed,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { exit, error } => {
                write!(f, "its process ended with {exit}")?;
                if !error.is_empty() {
                    write!(f, ": {error}")?;
                }
                Ok(())
            }
            Self::RunsAgain { restarts, exit } => {
                f.write_str("its process ended")?;
                match exit {
                    Some(exit) => write!(f, " with {exit}")?,
                    None => f.write_str(", with an exit code that the engine did not tell,")?,
                }
                match restarts {
                    0 => f.write_str(" and was started again by somebody"),
                    restarts => {
                        write!(
                            f,
                            " and was restarted by its policy (restart count {restarts})"
                        )
                    }
                }
            }
            Self::Unhealthy(checkup) => write!(f, "its health check failed{checkup}"),
            Self::NotHealthyWithin(limit, checkup) => {
                write!(f, "its health check did not pass within {limit:?}{checkup}")
            }
            Self::Gone(Some(exit)) => write!(f, "its process ended with {exit}, and it is gone"),
            Self::Gone(None) => f.write_str("it is gone, and the engine did not tell why"),
            Self::Unseen(error) => write!(f, "it cannot be looked at: {error}"),
        }
    }
}

impl fmt::Display for Checkup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.oom_killed {
            f.write_str("; OOM: the kernel killed a process of it for want of memory")?;
        }
        let Some(Probe { exit_code, output }) = &self.last_probe else {
            return f.write_str("; no probe has ended yet");
        };
        write!(f, "; its last probe ended with exit code {exit_code}")?;
        match quote_text(output) {
            output if output.is_empty() => f.write_str(" and no output"),
            output => write!(f, ": {output}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OOM: Exit = Exit {
        code: 137,
        oom_killed: true,
    };

    fn ended(code: i64, error: &str) -> Fault {
        Fault::Ended {
            exit: Exit {
                code,
                oom_killed: false,
            },
            error: error.to_owned(),
        }
    }

    fn checkup(output: &str, oom_killed: bool) -> Checkup {
        Checkup {
            last_probe: Some(Probe {
                exit_code: 2,
                output: output.to_owned(),
            }),
            oom_killed,
        }
    }

    #[test]
    fn a_fault_says_how_the_process_ended_or_what_the_last_probe_printed() {
        let unprobed = Checkup {
            last_probe: None,
            oom_killed: false,
        };
        let runs_again = |restarts, exit| Fault::RunsAgain { restarts, exit };
        for (fault, told) in [
            (ended(0, ""), "its process ended with exit code 0"),
            (
                ended(127, "no such file"),
                "its process ended with exit code 127: no such file",
            ),
            (
                runs_again(3, Some(OOM)),
                "its process ended with exit code 137 (OOM: the kernel killed it for want of \
                 memory) and was restarted by its policy (restart count 3)",
            ),
            (
                runs_again(0, None),
                "its process ended, with an exit code that the engine did not tell, and was \
                 started again by somebody",
            ),
            (
                Fault::Gone(Some(OOM)),
                "its process ended with exit code 137 (OOM: the kernel killed it for want of \
                 memory), and it is gone",
            ),
            (
                Fault::Gone(None),
                "it is gone, and the engine did not tell why",
            ),
            (
                Fault::Unhealthy(checkup("refused\n", false)),
                "its health check failed; its last probe ended with exit code 2: refused",
            ),
            (
                Fault::Unhealthy(checkup("", true)),
                "its health check failed; OOM: the kernel killed a process of it for want of \
                 memory; its last probe ended with exit code 2 and no output",
            ),
            (
                Fault::NotHealthyWithin(Duration::from_millis(1500), unprobed),
                "its health check did not pass within 1.5s; no probe has ended yet",
            ),
        ] {
            assert_eq!(fault.to_string(), told);
        }
    }
}
