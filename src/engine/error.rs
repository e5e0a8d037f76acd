//! Errors of an engine call, typed by what the caller does next.

/// The result of an engine call.
pub type Result<T> = std::result::Result<T, EngineError>;

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine answered, and said no: nothing happened.
    #[error("{message}")]
    Refused {
        /// The HTTP status of the answer.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// No connection could be had: nothing happened.
    #[error("the engine at {address} cannot be reached: {reason}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What connecting said.
        reason: String,
    },
    /// The request may have been carried out: the answer was lost, came late, or could not be
    /// read. Observe before deciding.
    #[error("the engine's answer was lost: {reason}")]
    Unknown {
        /// What happened to the connection or to the answer.
        reason: String,
    },
}

impl EngineError {
    /// Whether the engine said that what was named does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// An [`EngineError::Unknown`] with a reason.
    #[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
    pub fn unknown(reason: impl ToString) -> Self {
        Self::Unknown {
            reason: reason.to_string(),
        }
    }
}
