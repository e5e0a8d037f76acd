//! The helper: a container that lives as long as one upgrade, of those that Refit's own container is a
//! member of. Refit would stop with it half-way.
//!
//! Refit does what needs no stop itself: it admits, pulls and plans. The helper is of the image that
//! Refit runs from, and runs the same program. It carries out the ordinary transaction, from the plan
//! to commit, or back, and tells of it on its standard output.
//!
//! Invariants: credentials of registries stay with Refit. What ends a helper half-way, but for a
//! person's `docker kill`, has the engine start it again, and then it brings the transaction to its
//! end. Nothing that Refit does itself stops the container that it runs in.
//!
//! | module | job |
//! |---|---|
//! | `hand_over`, `follow` | Refit's part: make a helper, and read what it tells until the first stop |
//! | `work` | the helper's part |
//! | `gather`, `guard` | the part of the Refit that comes back: how did it end, and whom others may not touch meanwhile |
//! | `body` | what a helper is created as |
//! | `errand`, `line` | what it is told, and what it tells |

mod body;
mod errand;
mod follow;
mod gather;
mod guard;
mod hand_over;
mod line;
mod work;

use super::{look, marker};
use crate::engine::{Container, Engine, EngineError};
use errand::Errand;
pub(super) use hand_over::is_at_work;
pub use line::Line;

/// The label of helpers, whose value is their errand.
const HELPER_LABEL: &str = "io.refit.helper";

/// How many lines of a helper's log are read: more than it ever writes, at any level.
const LOG_LINES: usize = 20_000;

/// How a helper's program is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The executable, as the container sees it that Refit runs in, and its arguments; that of the
    /// transaction is added to them.
    pub command: Vec<String>,
    /// Whether it reaches the engine over a network, and not by a socket file.
    pub needs_network: bool,
}

/// What becomes of an upgrade of the container that this process runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnContainer {
    /// It is refused.
    Refused,
    /// It is handed to a helper, which is to run this.
    HandedOver(Program),
    /// There is none: this process is the helper.
    Helper,
}

/// A helper, as it was seen.
struct Helper {
    container: Container,
    errand: Errand,
}

impl Helper {
    /// The helper of this name or ID; `None` where the engine has none.
    async fn existing(engine: &dyn Engine, reference: &str) -> Result<Option<Self>, EngineError> {
        let container = look::existing(engine, reference).await?;
        Ok(container.and_then(|container| {
            let errand = Errand::of(&container)?;
            Some(Self { container, errand })
        }))
    }

    /// The helper of upgrades of the container `name`.
    async fn of(engine: &dyn Engine, name: &str) -> Result<Option<Self>, EngineError> {
        Self::existing(engine, &marker::helper_name(name)).await
    }

    /// Whether it runs, or will without anybody's doing.
    fn is_active(&self) -> bool {
        self.container.status.is_active()
    }

    /// What it has told so far.
    async fn lines(&self, engine: &dyn Engine) -> Result<Vec<Line>, EngineError> {
        let log = engine.log_tail(&self.container.id, LOG_LINES).await?;
        Ok(line::read(&log))
    }

    async fn remove(&self, engine: &dyn Engine) -> Result<(), EngineError> {
        engine.remove_by_force(&self.container.id).await
    }
}
