//! Which signals the engine knows, so that a wrong one is refused while nothing is stopped.
//!
//! As Moby's `github.com/moby/sys/signal` has it: `ParseSignal` for what may be written,
//! `ValidSignalForPlatform` and `signal_linux.go` for what there is.

/// The names of Linux' signals, without `SIG`, but for the real-time ones.
const NAMES: [&str; 34] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
    "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// Whether `signal` is a signal's number, or its name in any case, with or without `SIG`.
pub(super) fn is_known(signal: &str) -> bool {
    if let Ok(number) = signal.parse::<i64>() {
        // The C library keeps 32 and 33 for itself: the engine has no name for them.
        return matches!(number, 1..=31 | 34..=64);
    }
    let name = signal.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    NAMES.contains(&name) || is_real_time(name)
}

/// `RTMIN`, `RTMIN+1` to `RTMIN+15`, `RTMAX-14` to `RTMAX-1`, `RTMAX`.
fn is_real_time(name: &str) -> bool {
    if let Some(above) = name.strip_prefix("RTMIN+") {
        return (1..=15).any(|n: u8| n.to_string() == above);
    }
    if let Some(below) = name.strip_prefix("RTMAX-") {
        return (1..=14).any(|n: u8| n.to_string() == below);
    }
    matches!(name, "RTMIN" | "RTMAX")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_known_by_number_and_by_name_in_any_case() {
        for signal in [
            "TERM",
            "SIGTERM",
            "sigterm",
            "Int",
            "SIGIOT",
            "POLL",
            "CLD",
            "RTMIN",
            "SIGRTMIN+1",
            "rtmin+15",
            "RTMAX",
            "SIGRTMAX-14",
            "rtmax-1",
            "1",
            "15",
            "031",
            "+9",
            "34",
            "64",
        ] {
            assert!(is_known(signal), "{signal}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        for signal in [
            "",
            "0",
            "-1",
            "32",
            "33",
            "65",
            "9999",
            "99999999999999999999",
            "NOPE",
            "SIG",
            "SIGSIGTERM",
            "TERMSIG",
            " TERM",
            "TERM ",
            "RTMIN+0",
            "RTMIN+01",
            "RTMIN+16",
            "RTMIN-1",
            "RTMIN+",
            "RTMAX-0",
            "RTMAX-15",
            "RTMAX+1",
            "EMT",
            "INFO",
            "1.5",
        ] {
            assert!(!is_known(signal), "{signal:?}");
        }
    }
}
