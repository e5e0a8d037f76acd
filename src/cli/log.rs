//! Logs: what is written, and how. They go to stderr; stdout is for answers.

#![expect(
    clippy::doc_markdown,
    reason = "the comments of `Args` are the help text, where backticks would be printed"
)]

use std::{
    env,
    io::{self, IsTerminal},
};

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::sources::{Name, Reader};

const FORMAT: Name = Name {
    option: "--log-format",
    variable: "REFIT_LOG_FORMAT",
};
const LEVEL: Name = Name {
    option: "--log-level",
    variable: "REFIT_LOG_LEVEL",
};

/// What may be typed.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Log format: text or json [default: text]
    ///
    /// [env: REFIT_LOG_FORMAT]
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<String>,

    /// Log level: error, warn, info, debug or trace [default: info]
    ///
    /// debug and trace are about Refit's own steps; libraries stay at info. Directives such as
    /// "info,refit::relay=trace,hyper=debug" pick freely.
    ///
    /// [env: REFIT_LOG_LEVEL]
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<String>,
}

/// What was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) format: Format,
    /// In the syntax of `tracing`'s directives.
    pub(super) filter: String,
}

impl Settings {
    /// Reads both; mistakes are on the reader's list.
    pub(super) fn read(reader: &mut Reader<'_>, args: Args) -> Self {
        let format = reader.read(args.log_format, FORMAT, format);
        let filter = reader.read(args.log_level, LEVEL, filter);
        Self {
            format: format.unwrap_or(Format::Text),
            filter: filter.unwrap_or_else(|| "info".to_owned()),
        }
    }

    /// Everything about our own steps, for people.
    pub(super) fn debug() -> Self {
        Self {
            format: Format::Text,
            filter: "info,refit=debug".to_owned(),
        }
    }

    /// The arguments that say the same.
    pub(super) fn to_arguments(&self) -> Vec<String> {
        let format = match self.format {
            Format::Text => "text",
            Format::Json => "json",
        };
        let arguments = [FORMAT.option, format, LEVEL.option, &self.filter];
        arguments.map(str::to_owned).to_vec()
    }

    /// Starts logging.
    pub(super) fn start(&self) {
        let filter = EnvFilter::builder()
            .with_default_directive(LevelFilter::INFO.into())
            .parse_lossy(&self.filter);
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            // It would be told on standard error, by a macro that panics where that is closed.
            .log_internal_errors(false)
            .with_writer(io::stderr);
        match self.format {
            Format::Text => lines.with_ansi(colours()).init(),
            Format::Json => lines.json().flatten_event(true).init(),
        }
    }
}

/// How a line of log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Reads `text` or `json`.
fn format(text: &str) -> Result<Format, String> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err(format!(
            "\"{text}\" is not a log format: text or json is expected"
        )),
    }
}

/// Reads a level, or directives in `tracing`'s syntax; the result is in that syntax.
///
/// A single word must be a level. As a directive it would be a target's name, so that a typing
/// mistake would silence the log instead of being told.
fn filter(text: &str) -> Result<String, String> {
    if text.contains(['=', ',', '[']) {
        return match EnvFilter::builder().parse(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(format!("\"{text}\" is not a log filter: {error}")),
        };
    }
    let levels = ["error", "warn", "info", "debug", "trace"];
    let Some(level) = levels.iter().find(|level| text.eq_ignore_ascii_case(level)) else {
        return Err(format!(
            "\"{text}\" is not a log level: error, warn, info, debug, trace or a directive such \
             as refit=debug is expected"
        ));
    };
    Ok(match *level {
        // Libraries tell of headers at these levels, and those hold registry credentials.
        "debug" | "trace" => format!("info,refit={level}"),
        _ => (*level).to_owned(),
    })
}

/// Whether a person reads the log who did not ask for plain text (<https://no-color.org>).
fn colours() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_about_our_own_steps() {
        assert_eq!(filter("warn").expect("a level"), "warn");
        assert_eq!(filter("DEBUG").expect("a level"), "info,refit=debug");
        let directives = "info,refit::relay=trace";
        assert_eq!(filter(directives).expect("directives"), directives);
    }

    #[test]
    fn a_misspelt_level_is_no_target() {
        for text in ["inof", "", "refit=loud", "verbose"] {
            let message = filter(text).expect_err(text);
            assert!(message.contains(&format!("\"{text}\"")), "{message}");
        }
    }
}
