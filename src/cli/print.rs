//! Lines for whoever called. Nobody may be reading any more (`docker upgrade … | head -1`): that is no
//! reason to stop in the middle of an upgrade, as the macros of the standard library would.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

/// Prints a line on standard output.
pub(super) fn out(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line on standard error.
pub(super) fn err(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
