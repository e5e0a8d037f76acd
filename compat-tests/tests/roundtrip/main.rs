//! The round trip: an upgrade to an image that differs in one file leaves everything that inspect
//! prints as it was, but for a short list with reasons.

mod corpus;
mod differences;
mod expected;
mod line;
mod trip;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use compat_tests::{Scenario, docker};
use regex::Regex;
use serde_json::json;

use corpus::corpus;
use differences::differences;
use line::{Version, line};
use trip::{Tally, Trip, settled, unlisted};

/// Two images that differ in the file `/which`.
const BEFORE: &str = "refit-test/before";
const AFTER: &str = "refit-test/after";

/// How many lines are under way at once.
const AT_ONCE: usize = 4;

/// Flags that no line gives, and why.
const NO_LINE: &[(&str, &str)] = &[
    ("help", "runs nothing"),
    ("name", "every line is given one"),
];

fn version(scenario: &Scenario) -> Version {
    let version = scenario.ask("GET", "/version").text_of("Version");
    let mut parts = version
        .split('.')
        .map(|part| part.parse().expect("a number"));
    let mut part = || parts.next().expect("a part");
    (part(), part())
}

#[test]
fn every_flag_of_docker_run_stands_in_a_line() {
    let help = docker("unix:///dev/null", &["run", "--help"], b"");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let flag = Regex::new(r"(?m)^ +(?:-(\w), |    )--([\w-]+)").expect("an expression");
    let mut long_of = BTreeMap::new();
    let mut flags = BTreeSet::new();
    for found in flag.captures_iter(&help) {
        flags.insert(found[2].to_owned());
        if let Some(short) = found.get(1) {
            long_of.insert(short.as_str().to_owned(), found[2].to_owned());
        }
    }
    assert!(flags.len() > 80 && long_of.len() > 10, "{help}");
    let mut given = BTreeSet::new();
    for (_, line) in corpus() {
        for flag in line.flags() {
            given.insert(match flag.strip_prefix("--") {
                Some(long) => long.to_owned(),
                None => long_of.get(&flag[1..]).expect(&flag).clone(),
            });
        }
    }
    for (flag, why) in NO_LINE {
        assert!(flags.contains(*flag) && !why.is_empty(), "{flag}");
        assert!(given.insert((*flag).to_owned()), "{flag} stands in a line");
    }
    let missing: Vec<_> = flags.difference(&given).collect();
    assert!(missing.is_empty(), "in no line: {missing:?}");
}

#[test]
fn an_upgrade_leaves_everything_as_it_was() {
    let scenario = Scenario::new("roundtrip");
    let engine = version(&scenario);
    let file = |name: &str, text: &str| {
        fs::write(scenario.folder().join(name), text).expect("a file");
    };
    file("env", "FROM_FILE=1\nLEVEL=file\nGONE\n# a comment\n");
    file("labels", "from=file\nkind=file\n");
    let denied = json!({ "names": ["mkdirat"], "action": "SCMP_ACT_ERRNO" });
    let profile = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [denied] });
    file("seccomp.json", &profile.to_string());

    let corpus = corpus();
    assert!(corpus.len() >= 60, "{}", corpus.len());
    let tally = Tally::default();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((number, line)) = corpus.get(next.fetch_add(1, Ordering::Relaxed)) {
                    Trip {
                        scenario: &scenario,
                        engine,
                        placed: &line.at(&scenario, *number),
                        tally: &tally,
                    }
                    .make();
                }
            });
        }
    });
    tally.judge(engine, corpus.len());
}

#[test]
fn another_flag_is_a_difference_that_is_not_listed() {
    let scenario = Scenario::new("another");
    let engine = version(&scenario);
    let document = |number: usize, words: &'static str| {
        let line = line(words);
        let placed = line.at(&scenario, number);
        let run = placed.run(BEFORE);
        assert!(run.status.success(), "{run:?}");
        let document = settled(&scenario, &placed.name).expect("it runs");
        placed.clear().expect("it goes");
        document
    };
    let flags = [
        ("-e MINE=1", "/Config/Env"),
        ("-l owner=alice", "/Config/Labels/owner"),
        ("--network none", "/HostConfig/NetworkMode"),
        ("-v /srv:/srv", "/HostConfig/Binds"),
        ("-p 21199:7000", "/HostConfig/PortBindings/7000~1tcp"),
        ("-h another", "/Config/Hostname"),
        ("IMAGE stay twice", "/Config/Cmd"),
    ];
    let plain = document(100, "");
    for (n, (words, path)) in flags.into_iter().enumerate() {
        let other = document(101 + n, words);
        let paths: Vec<String> = unlisted(engine, words, [&plain, &other])
            .map(|difference| difference.path)
            .collect();
        assert!(
            paths.iter().any(|found| found == path),
            "{words}: {paths:?}"
        );
        assert!(differences(&other, &other).is_empty());
    }
}

#[test]
fn a_gpu_is_refused_of_a_patch_as_it_is_of_docker_run() {
    let scenario = Scenario::new("gpu");
    let (name, other) = (scenario.named("web"), scenario.named("other"));
    let id = scenario.run(&["--name", &name, BEFORE]);
    let label = scenario.label();
    let run = [
        "run", "-d", &label, "--name", &other, "--gpus", "all", BEFORE,
    ];
    let direct = docker(&scenario.engine(), &run, b"");
    assert!(!direct.status.success(), "{direct:?}");
    let direct = String::from_utf8_lossy(&direct.stderr).into_owned();
    let why = r#"could not select device driver "" with capabilities: [[gpu]]"#;
    assert!(direct.contains(why), "{direct}");

    let gpus = scenario.inspect(&other, "/HostConfig/DeviceRequests");
    assert_eq!(gpus[0]["Count"], -1, "{gpus}");
    let path = format!("/containers/{name}/upgrade?pull=never");
    let body = json!({ "Image": AFTER, "HostConfig": { "DeviceRequests": gpus } });
    let refused = scenario.post(&path, &body.to_string());
    assert_eq!(refused.status, 500, "{}", refused.text);
    assert_eq!(refused.text_of("Step"), "start", "{}", refused.text);
    assert_eq!(refused.text_of("Rollback"), "restored", "{}", refused.text);
    assert!(refused.text_of("message").contains(why), "{}", refused.text);
    assert_eq!(scenario.inspect(&name, "/Id"), id);
    assert_eq!(scenario.inspect(&name, "/State/Status"), "running");
}
