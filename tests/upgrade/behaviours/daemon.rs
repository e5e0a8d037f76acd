//! What becomes of containers when the daemon restarts, as a table: one restart is shared by all of
//! its rows. (moby `daemon/daemon.go`, `restore`, and `restartmanager/restartmanager.go`.)

use std::fmt::Write;

/// A container, and what becomes of it.
struct Row {
    policy: &'static str,
    /// What is done to it before; the first line gets the policy.
    before: &'static str,
    /// What it does after dockerd was asked to end.
    after_restart: &'static str,
    /// What it does after dockerd was ended by SIGKILL.
    after_kill: &'static str,
}

const fn row(
    policy: &'static str,
    before: &'static str,
    after_restart: &'static str,
    after_kill: &'static str,
) -> Row {
    Row {
        policy,
        before,
        after_restart,
        after_kill,
    }
}

const RUNNING: &str = "run web serve";
const STUBBORN: &str = "run web --stop-timeout 1 stubborn";
const PAUSED: &str = "run web serve; pause web";
const STOPPED: &str = "run web serve; stop -t 5 web";
const STOPPED_HARD: &str = "run web stubborn; stop -t 1 web";
const KILLED: &str = "run web serve; kill web; until web exited";
const STARTED_AGAIN: &str = "run web serve; stop -t 5 web; start web";
const LOOPING: &str = "run web exit 1 20; until web looping";
const ENDED: &str = "run web exit 0 300; until web exited";
const CRASHED: &str = "run web exit 1 20; until web exited";
const NEVER_STARTED: &str = "create web serve";
const NOT_STARTED: &str = "create web missing; start web => 400";

const UP: &str = "up";
const ENDED_WELL: &str = "exited 0";
const ENDED_BY_KILL: &str = "exited 137";
const CREATED: &str = "created 0";
const FAILED: &str = "created 127 error";

const ROWS: &[Row] = &[
    row("no", RUNNING, ENDED_WELL, ENDED_WELL),
    row("no", STUBBORN, ENDED_BY_KILL, ENDED_BY_KILL),
    row("no", PAUSED, ENDED_WELL, ENDED_WELL),
    row("no", STOPPED, ENDED_WELL, ENDED_WELL),
    row("no", ENDED, ENDED_WELL, ENDED_WELL),
    row("no", CRASHED, "exited 1", "exited 1"),
    row("no", NEVER_STARTED, CREATED, CREATED),
    // Whatever was done to it, if it was ever started.
    row("always", RUNNING, UP, UP),
    row("always", STUBBORN, UP, UP),
    row("always", PAUSED, UP, UP),
    row("always", STOPPED, UP, UP),
    row("always", STOPPED_HARD, UP, UP),
    row("always", KILLED, UP, UP),
    row("always", LOOPING, UP, UP),
    row("always", NEVER_STARTED, CREATED, CREATED),
    row("always", NOT_STARTED, FAILED, FAILED),
    // What did not end well.
    row("on-failure", RUNNING, ENDED_WELL, ENDED_WELL),
    row("on-failure", STUBBORN, UP, UP),
    row("on-failure", PAUSED, ENDED_WELL, ENDED_WELL),
    row("on-failure", STOPPED, ENDED_WELL, ENDED_WELL),
    row("on-failure", STOPPED_HARD, UP, UP),
    row("on-failure", KILLED, UP, UP),
    // Between two runs, 20.10 takes a container that it has lost sight of for one that ended well.
    row("on-failure", LOOPING, UP, "up | 20.10: exited 0"),
    row("on-failure", ENDED, ENDED_WELL, ENDED_WELL),
    row("on-failure", NEVER_STARTED, CREATED, CREATED),
    row("on-failure", NOT_STARTED, FAILED, FAILED),
    row("on-failure:2", CRASHED, "exited 1", "exited 1"),
    // What nobody stopped; a daemon that was killed stops what it finds running, as if by hand.
    row("unless-stopped", RUNNING, UP, ENDED_WELL),
    row("unless-stopped", STUBBORN, UP, ENDED_BY_KILL),
    row("unless-stopped", PAUSED, UP, ENDED_WELL),
    row("unless-stopped", STOPPED, ENDED_WELL, ENDED_WELL),
    row("unless-stopped", STOPPED_HARD, ENDED_BY_KILL, ENDED_BY_KILL),
    row("unless-stopped", KILLED, ENDED_BY_KILL, ENDED_BY_KILL),
    row("unless-stopped", STARTED_AGAIN, UP, ENDED_WELL),
    row("unless-stopped", LOOPING, UP, UP),
    row("unless-stopped", NEVER_STARTED, CREATED, CREATED),
    row("unless-stopped", NOT_STARTED, FAILED, FAILED),
    // The policy that it has now.
    row(
        "always",
        "run web serve; update web unless-stopped; stop -t 5 web",
        ENDED_WELL,
        ENDED_WELL,
    ),
    row(
        "unless-stopped",
        "run web serve; stop -t 5 web; update web always",
        UP,
        UP,
    ),
    row(
        "always",
        "run web serve; update web no",
        ENDED_WELL,
        ENDED_WELL,
    ),
    // What is deleted when it ends.
    row("no", "create web --rm serve", "404", "404"),
    row("no", "run web --rm serve", "404", "404"),
];

/// A transcript for each way that dockerd ends.
pub fn transcripts() -> [String; 2] {
    ["restarted", "killed"].map(transcript)
}

fn transcript(how: &str) -> String {
    let mut before = format!("== what becomes of containers when dockerd is {how}\n");
    // 20.10 leaves a container down whose next run was under way ("task … already exists").
    let mut between_runs = "between-runs".to_owned();
    let mut after = format!("dockerd {how}\n");
    for (number, row) in ROWS.iter().enumerate() {
        let name = format!("c{number}");
        let made = format!("{name} --restart {}", row.policy);
        let acts = row.before.replacen("web", &made, 1).replace("web", &name);
        let then = if how == "killed" {
            row.after_kill
        } else {
            row.after_restart
        };
        let lines = acts.replace("; ", "\n");
        writeln!(before, "{lines}").expect("a text takes everything");
        writeln!(after, "# {acts}\nis {name} => {then}").expect("a text takes everything");
        if row.before == LOOPING {
            write!(between_runs, " {name}").expect("a text takes everything");
        }
    }
    before + &between_runs + "\n" + &after
}
