//! What people type.

use std::process::ExitCode;

/// Runs the program; the exit code follows `sysexits.h` (64: usage).
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
