//! Replacements whose process ends, or does not begin.

use compat_tests::{Scenario, rows};
use serde_json::{Value, json};

use super::{MS, Original, body, script};

/// A replacement that fails.
#[derive(Clone)]
struct Row {
    name: String,
    /// Of `docker run`, for the original.
    options: Vec<&'static str>,
    patch: Value,
    step: &'static str,
    told: Vec<&'static str>,
}

impl Row {
    fn new(name: &str, patch: Value, told: &[&'static str]) -> Self {
        Self {
            name: name.to_owned(),
            options: Vec::new(),
            patch,
            step: "verify",
            told: told.to_vec(),
        }
    }

    fn at_start(self) -> Self {
        Self {
            step: "start",
            ..self
        }
    }

    /// This row for each of these restart policies.
    fn under(&self, policies: &[&'static str]) -> Vec<Self> {
        let under = |policy: &&'static str| Self {
            name: format!("{}-{}", self.name, policy.replace(':', "-")),
            options: vec!["--restart", policy],
            ..self.clone()
        };
        policies.iter().map(under).collect()
    }
}

/// A `Monitor` in which a busy engine, too, tells of an end. Nobody waits for the whole of it.
fn monitored() -> Value {
    json!({ "Monitor": 10_000 * MS })
}

fn fails(rows: &[Row], scenario: &Scenario) {
    rows::each(
        rows,
        |row| &row.name,
        |row| {
            let original = Original::run(scenario, &row.name, &row.options);
            let failed = original.upgrade(&row.patch, &monitored());
            original.assert_restored(&failed, row.step, &row.told);
        },
    );
}

const POLICIES: [&str; 4] = ["no", "always", "unless-stopped", "on-failure:5"];

#[test]
fn one_that_ends_at_once_fails_whatever_its_restart_policy_and_exit_code() {
    let scenario = Scenario::new("ends");
    let exit_3 = Row::new(
        "three",
        script("echo starting up >&2; echo no configuration >&2; exit 3"),
        &[
            "its process ended with exit code 3",
            "; its last log lines:\nstarting up\nno configuration\n",
            "is running under its name again",
        ],
    );
    let exit_0 = Row::new(
        "zero",
        script("echo done"),
        &["its process ended with exit code 0", "done"],
    );
    let rows = [exit_3.under(&POLICIES), exit_0.under(&POLICIES)].concat();
    fails(&rows, &scenario);
}

#[test]
fn one_that_ends_late_within_monitor_fails_whatever_its_restart_policy() {
    let scenario = Scenario::new("late");
    let late = Row::new(
        "late",
        script("echo up; sleep 1.8; echo giving up; exit 4"),
        &["its process ended with exit code 4", "up\ngiving up\n"],
    );
    fails(&late.under(&POLICIES), &scenario);
}

#[test]
fn one_that_wants_too_much_memory_fails_and_it_is_said() {
    let scenario = Scenario::new("oom");
    let mut patch = script("echo growing; x=a; while :; do x=$x$x; done");
    patch["HostConfig"] = json!({ "Memory": 16 << 20, "MemorySwap": 16 << 20 });
    let told = ["its process ended with exit code 137 (OOM: ", "growing"];
    fails(&Row::new("oom", patch, &told).under(&POLICIES), &scenario);
}

#[test]
fn one_that_cannot_be_started_fails_with_the_engines_words_and_the_exit_code() {
    let scenario = Scenario::new("unstartable");
    let entrypoint = |path: &str| json!({ "Entrypoint": [path] });
    let missing = Row::new(
        "missing",
        entrypoint("/no/such/program"),
        &["/no/such/program", "(exit code 127); it logged nothing"],
    );
    let no_program = Row::new(
        "no-program",
        entrypoint("/which"),
        &["permission denied", "(exit code 126); it logged nothing"],
    );
    let rows = [
        missing.at_start().under(&POLICIES),
        no_program.at_start().under(&["no"]),
    ];
    fails(&rows.concat(), &scenario);
}

#[test]
fn a_quoted_log_is_short_and_harmless() {
    let scenario = Scenario::new("quoted");
    let name = "long";
    let long = "echo first; head -c 1000000 /dev/zero | tr '\\0' x; echo; \
                printf '\\033[31mred\\007\\n'; echo last; exit 3";
    let original = Original::run(&scenario, name, &[]);
    let failed = original.upgrade(&script(long), &json!({}));
    original.assert_restored(
        &failed,
        "verify",
        &["xxx […]\n\\u{1b}[31mred\\u{7}\nlast\n"],
    );
    let length = failed.text.len();
    assert!(length < 2000, "{length} bytes");

    let many = "for n in $(seq 1000); do echo line $n; done; exit 3";
    let failed = original.upgrade(&script(many), &json!({}));
    original.assert_restored(
        &failed,
        "verify",
        &["log lines:\nline 991\n", "line 1000\n"],
    );
}

#[test]
fn a_log_that_cannot_be_read_is_no_hindrance() {
    let scenario = Scenario::new("unlogged");
    let mut row = Row::new(
        "unlogged",
        script("echo unheard; exit 3"),
        &["exit code 3; what it logged cannot be read from its log driver none\n"],
    );
    row.options = vec!["--log-driver", "none"];
    fails(&[row], &scenario);
}

/// As an old version that cannot read what a new one has written: it ends at once, or soon. Chance
/// decides whether it is seen to run between, and so has been restored.
#[test]
fn an_original_that_does_not_stay_up_is_told_of() {
    let scenario = Scenario::new("spoilt");
    for (what, delay, policy) in [
        ("at-once", "0", "no"),
        ("soon", "0.1", "no"),
        ("ever", "0", "always"),
    ] {
        let name = scenario.named(what);
        let reads = format!(
            "test -e /data/new && sleep {delay} && echo cannot read it && exit 5; \
             trap 'exit 0' TERM; while :; do sleep 0.1; done"
        );
        let image = "refit-test/before";
        scenario.run(&[
            "--name",
            &name,
            "--restart",
            policy,
            image,
            "sh",
            "-c",
            &reads,
        ]);
        let id = scenario.inspect(&name, "/Id");
        let failed = scenario.post(
            &format!("/containers/{name}/upgrade?pull=never"),
            &body(&script("echo > /data/new; exit 3"), &monitored()),
        );
        assert_eq!(failed.status, 500, "{}", failed.text);
        let ends = match &*failed.text_of("Rollback") {
            "restored" => "but a moment later its process ended",
            _ => "each time its process ended",
        };
        let message = failed.text_of("message");
        let told = [
            format!("{ends} with exit code 5; its last log lines:\n"),
            // It is seen to run again.
            format!("{ends}, with an exit code that the engine did not tell, and was restarted"),
        ];
        let known = if policy == "no" { &told[..1] } else { &told };
        assert!(known.iter().any(|told| message.contains(told)), "{message}");
        assert!(message.contains("\ncannot read it"), "{message}");
        assert_eq!(scenario.inspect(&name, "/Id"), id);
    }
}
