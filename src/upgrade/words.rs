//! What a container that failed is quoted with: the end of its log, the output of its health check.
//! However long they are and whatever is in them, an error stays short and harmless.

use std::time::Duration;

use tokio::time::timeout;

use super::look::{observe, text};
use crate::engine::{Engine, EngineError, Output};

/// How many lines are quoted.
const LINES: usize = 10;

/// How long the log may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How late what a process printed may come when it has ended.
const LATE: Duration = Duration::from_secs(1);

/// How many characters of each.
const LINE_LENGTH: usize = 400;

/// What a start that failed left behind: the exit code is 126 to 128 where there is nothing to
/// execute.
pub(super) async fn of_failed_start(
    engine: &dyn Engine,
    id: &str,
    output: Option<&Output>,
) -> String {
    let exit = match observe(engine, id).await {
        Ok(seen) if seen.exit.code != 0 => format!(" ({})", seen.exit),
        _ => String::new(),
    };
    exit + &last_words(engine, id, output).await
}

/// The last log lines of a container that failed, as a sentence's end; of one that is gone, its last
/// `output`.
pub(super) async fn last_words(engine: &dyn Engine, id: &str, output: Option<&Output>) -> String {
    // Of a replacement, the original is down meanwhile.
    let read = timeout(PATIENCE, async {
        match (engine.log_tail(id, LINES).await, output) {
            // It is gone, or half gone.
            (Err(EngineError::Refused { .. }), Some(output)) => {
                let _ = timeout(LATE, output.ended()).await;
                Ok(output.tail(LINES))
            }
            (read, _) => read,
        }
    });
    match read
        .await
        .unwrap_or_else(|_| Err(EngineError::unknown("it takes too long")))
    {
        Ok(lines) if lines.is_empty() => "; it logged nothing".to_owned(),
        Ok(lines) => format!("; its last log lines:\n{}", quote(lines.iter())),
        Err(EngineError::Refused { message, .. }) if message.contains("not support reading") => {
            let seen = observe(engine, id).await;
            let driver = seen.as_ref().map_or("", |seen| {
                text(&seen.document, "/HostConfig/LogConfig/Type")
            });
            format!("; what it logged cannot be read from its log driver {driver}")
        }
        Err(error) => format!("; its log cannot be read: {error}"),
    }
}

/// The last lines of a text, as a sentence's end.
pub(super) fn quote_text(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let last = lines.len().saturating_sub(LINES);
    quote(lines[last..].iter())
}

fn quote(lines: impl Iterator<Item = impl AsRef<str>>) -> String {
    let lines: Vec<String> = lines.map(|line| quote_line(line.as_ref())).collect();
    lines.join("\n")
}

/// A line without what a terminal would act upon, and not too long.
fn quote_line(line: &str) -> String {
    let mut quoted = String::new();
    for (at, character) in line.chars().enumerate() {
        if at == LINE_LENGTH {
            quoted.push_str(" […]");
            break;
        }
        match character {
            '\t' => quoted.push('\t'),
            control if control.is_control() => quoted.extend(control.escape_default()),
            plain => quoted.push(plain),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_short_and_does_nothing_to_a_terminal() {
        assert_eq!(
            quote_line("a\tö \"quoted\" \\ line"),
            "a\tö \"quoted\" \\ line"
        );
        assert_eq!(
            quote_line("\x1b[31mred\x07\r\0\u{9b}"),
            r"\u{1b}[31mred\u{7}\r\u{0}\u{9b}"
        );
        let short = "ä".repeat(LINE_LENGTH);
        assert_eq!(quote_line(&short), short);
        assert_eq!(quote_line(&"ä".repeat(1 << 20)), format!("{short} […]"));
    }

    #[test]
    fn of_a_text_the_last_lines_are_quoted() {
        let lines: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert_eq!(quote_text(&lines.join("\n")), lines[90..].join("\n"));
        assert_eq!(quote_text("one\r\ntwo\n\n"), "one\ntwo");
        assert_eq!(quote_text(""), "");
    }
}
