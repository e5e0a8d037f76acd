//! How a container's process ended.

use std::{collections::HashMap, fmt, pin::pin, time::Duration};

use bollard::{
    Docker, errors::Error as BollardError, models::EventMessage,
    query_parameters::EventsOptionsBuilder,
};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

/// How long the engine may take to tell what it remembers. It does so at once, where it is not short
/// of time; what it does not remember costs as much.
const REMEMBERED: Duration = Duration::from_secs(5);

/// How late the engine may tell that an end was an OOM kill: where it is busy, after the next run has
/// begun.
const LATE: Duration = Duration::from_secs(1);

/// The exit code of what was killed.
const KILLED: i64 = 137;

/// The end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code.
    pub code: i64,
    /// Whether the kernel's OOM killer ended it, or another process of its container.
    pub oom_killed: bool,
}

impl Exit {
    /// Whether it was killed, as far as is known by something else than the OOM killer.
    #[must_use]
    pub fn is_unexplained(&self) -> bool {
        self.code == KILLED && !self.oom_killed
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.code)?;
        if self.oom_killed {
            f.write_str(" (OOM: the kernel killed it for want of memory)")?;
        }
        Ok(())
    }
}

/// The first end of a container that the engine remembers. Its events tell it: a start makes inspect
/// forget the exit code of the run before, and on newer engines that it was OOM-killed.
pub(super) async fn first(client: &Docker, container: &str) -> Result<Option<Exit>, BollardError> {
    let filters = HashMap::from([
        ("container", vec![container]),
        ("event", vec!["die", "oom"]),
    ]);
    let options = EventsOptionsBuilder::default()
        .since("1")
        .filters(&filters)
        .build();
    let mut events = pin!(client.events(Some(options)));
    let mut deadline = Instant::now() + REMEMBERED;
    let (mut first, mut oom_killed) = (None, false);
    // After what is remembered, the stream would wait for what happens.
    while let Ok(Some(event)) = timeout_at(deadline, events.next()).await {
        let event = event?;
        match event.action.as_deref() {
            // It mostly comes before the end; a busy engine tells of it late.
            Some("oom") => oom_killed = true,
            Some("die") if first.is_none() => {
                first = code(&event);
                deadline = Instant::now() + LATE;
            }
            _ => {}
        }
        if first.is_some_and(|code| code != KILLED || oom_killed) {
            break;
        }
    }
    Ok(first.map(|code| Exit { code, oom_killed }))
}

fn code(die: &EventMessage) -> Option<i64> {
    let attributes = die.actor.as_ref()?.attributes.as_ref()?;
    attributes.get("exitCode")?.parse().ok()
}
