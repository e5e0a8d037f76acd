//! What people see while it happens: the pull as `docker pull` shows it, then a line for each step with
//! its time. It goes to standard error; answers go to standard output.
//!
//! Where standard error is no terminal, these are plain lines, and nothing is drawn over.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use console::{Style, StyledObject, style};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::{answer::text, settings::Output};
use crate::cli::print;

/// How often what is drawn moves.
const TICK: Duration = Duration::from_millis(100);

/// Draws, or prints lines.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    /// `None`: nothing is told while it happens.
    drawn: Option<MultiProgress>,
    /// Whether lines can be drawn over.
    is_terminal: bool,
}

impl Screen {
    /// For people, if answers are.
    pub(super) fn new(output: Output) -> Self {
        let is_terminal = console::Term::stderr().features().is_attended();
        let target = if is_terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            drawn: (output == Output::Text).then(|| MultiProgress::with_draw_target(target)),
            is_terminal,
        }
    }

    /// Prints a line above what is drawn.
    pub(super) fn say(&self, line: &str) {
        // Not by indicatif's own `println`: that fills lines up with blanks.
        if let Some(drawn) = &self.drawn {
            drawn.suspend(|| print::err(line));
        }
    }

    /// Prints what is wrong, whatever the output is.
    pub(super) fn complain(&self, line: &str) {
        match &self.drawn {
            Some(drawn) => drawn.suspend(|| print::err(line)),
            None => print::err(line),
        }
    }

    /// Prints an answer.
    pub(super) fn answer(&self, line: &str) {
        match &self.drawn {
            Some(drawn) => drawn.suspend(|| print::out(line)),
            None => print::out(line),
        }
    }

    /// Follows the upgrade of one container.
    pub(super) fn follow(&self, name: &str) -> Follower {
        Follower {
            screen: self.clone(),
            name: name.to_owned(),
            step: None,
            layers: BTreeMap::new(),
        }
    }

    /// Draws something, beneath what is drawn.
    fn draw(&self, bar: ProgressBar) -> ProgressBar {
        match &self.drawn {
            Some(drawn) => drawn.add(bar),
            None => bar,
        }
    }
}

/// The upgrade of one container, as it is seen.
#[derive(Debug)]
pub(super) struct Follower {
    screen: Screen,
    name: String,
    /// The step that was begun last.
    step: Option<Running>,
    /// What is pulled, by the ID of the layer.
    layers: BTreeMap<String, ProgressBar>,
}

#[derive(Debug)]
struct Running {
    step: String,
    since: Instant,
    bar: ProgressBar,
}

impl Follower {
    /// Takes a line of the stream.
    pub(super) fn line(&mut self, line: &Value) {
        let status = text(line, "status");
        if is_step(status) {
            self.end_step(true);
            self.begin_step(status);
        } else {
            self.pull(line);
        }
    }

    /// The last step ended; `done`: as it should.
    pub(super) fn end(mut self, done: bool) {
        self.end_step(done);
    }

    fn begin_step(&mut self, step: &str) {
        let bar = ProgressBar::new_spinner()
            .with_style(styled("   {spinner} {prefix}  {msg:8} {elapsed}"))
            .with_prefix(self.name.clone())
            .with_message(step.to_owned());
        let bar = self.screen.draw(bar);
        bar.enable_steady_tick(TICK);
        self.step = Some(Running {
            step: step.to_owned(),
            since: Instant::now(),
            bar,
        });
    }

    fn end_step(&mut self, done: bool) {
        for (_, bar) in std::mem::take(&mut self.layers) {
            bar.finish_and_clear();
        }
        let Some(Running { step, since, bar }) = self.step.take() else {
            return;
        };
        bar.finish_and_clear();
        let time = seconds(since.elapsed());
        let mark = match (self.screen.is_terminal, done) {
            (false, true) => "",
            (false, false) => "failed: ",
            (true, true) => "✔ ",
            (true, false) => "✘ ",
        };
        let mark = paint(mark, if done { good() } else { bad() });
        let line = format!(" {mark}{}  {step:8} {time}", self.name);
        self.screen.say(&line);
    }

    /// A line of the pull: `{"status", "id", "progressDetail": {"current", "total"}}`.
    fn pull(&mut self, line: &Value) {
        let (status, id) = (text(line, "status"), text(line, "id"));
        let told = match id {
            "" => status.to_owned(),
            id => format!("{id}: {status}"),
        };
        let number = |name| line.get("progressDetail")?.get(name)?.as_u64();
        if let (Some(current), Some(total)) = (number("current"), number("total")) {
            let screen = &self.screen;
            let bar = self.layers.entry(id.to_owned()).or_insert_with(|| {
                let bar = screen.draw(ProgressBar::no_length());
                bar.set_style(
                    styled("{msg} [{bar:50}] {bytes}/{total_bytes}").progress_chars("=> "),
                );
                bar
            });
            bar.set_length(total);
            bar.set_position(current);
            bar.set_message(told);
        } else if !matches!(status, "Waiting" | "Verifying Checksum") {
            if matches!(status, "Pull complete" | "Already exists")
                && let Some(bar) = self.layers.remove(id)
            {
                bar.finish_and_clear();
            }
            self.screen.say(&told);
        }
    }
}

/// Whether a status is a step of an upgrade's, not one of a pull's.
fn is_step(status: &str) -> bool {
    !status.is_empty() && status.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn styled(template: &str) -> ProgressStyle {
    // The templates are written above.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `0.4s`, `1m 5s`.
pub(super) fn seconds(duration: Duration) -> String {
    if duration < Duration::from_secs(60) {
        return format!("{:.1}s", duration.as_secs_f64());
    }
    humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
}

/// In the colours of standard error.
pub(super) fn paint(text: &str, style: Style) -> StyledObject<&str> {
    style.for_stderr().apply_to(text)
}

/// What is well.
pub(super) fn good() -> Style {
    Style::new().green()
}

/// What went wrong.
pub(super) fn bad() -> Style {
    Style::new().red()
}

/// What is to be looked at.
pub(super) fn warning(name: &str, text: &str) -> String {
    format!("{} {name}: {text}", style("warning:").yellow().for_stderr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_from_what_a_pull_says() {
        for step in ["pull", "verify", "delete"] {
            assert!(is_step(step));
        }
        for status in [
            "",
            "Pull complete",
            "Pulling from library/redis",
            "Status: x",
        ] {
            assert!(!is_step(status), "{status}");
        }
    }

    #[test]
    fn times_are_short() {
        for (ms, text) in [
            (0, "0.0s"),
            (364, "0.4s"),
            (59_900, "59.9s"),
            (65_400, "1m 5s"),
        ] {
            assert_eq!(seconds(Duration::from_millis(ms)), text);
        }
    }
}
