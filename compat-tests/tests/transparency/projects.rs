//! Compose, of both generations: a project goes up, is asked and goes down.

use std::fs;

use compat_tests::{
    Scenario,
    same::{Ask, Said, Side, same},
};
use tempfile::TempDir;

/// A folder with a project of a service that stays, one that needs it and ends, and a volume. The
/// services' names are of one length: Compose v2 pads a log's lines to what it has met so far.
fn folder(scenario: &Scenario) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let label = scenario.label();
    let label = label.trim_start_matches("--label=");
    let stay = "echo stays; trap 'exit 0' TERM; while :; do sleep 0.1; done";
    let end = "ping -c 1 -w 10 web >/dev/null && echo reached; echo aside >&2; exit 3";
    let file = format!(
        r#"services:
  web:
    image: busybox
    command: ["sh", "-c", "{stay}"]
    environment: {{ WORD: word }}
    labels: ["{label}"]
    volumes: ["data:/data"]
  job:
    image: busybox
    command: ["sh", "-c", "{end}"]
    depends_on: [web]
    labels: ["{label}"]
volumes:
  data: {{}}
"#
    );
    fs::write(folder.path().join("docker-compose.yml"), file).expect("a Compose file");
    folder
}

/// What the generations do differently.
struct Generation {
    ask: fn(&Side, &std::path::Path, &str, &[&str]) -> Ask,
    job: fn(&str) -> String,
    list: &'static [&'static str],
}

/// Takes a project through its life, and asserts what each command said.
fn live(scenario: &Scenario, generation: &Generation) {
    let (folder, project) = (folder(scenario), scenario.named("project"));
    let said: [Said; 11] = same(scenario, |at| {
        let ask = |arguments: &[&str]| (generation.ask)(at, folder.path(), &project, arguments);
        // What it does at once for several containers, it tells in any order.
        let calm = |arguments: &[&str]| ask(arguments).said().masked().sorted();
        [
            calm(&["up", "-d"]),
            at.docker(&["wait", &(generation.job)(&project)]).said(),
            calm(&["up", "-d", "web"]),
            ask(&["exec", "-T", "web", "sh", "-c", "cat; echo $WORD; exit 5"])
                .input("in\n")
                .said(),
            calm(&["logs", "--no-color"]),
            calm(&["stop", "-t", "5"]),
            calm(generation.list),
            calm(&["down", "-v"]),
            // Attached, it follows the logs until the job ends.
            calm(&["up", "--no-color", "--exit-code-from", "job"]),
            calm(&["down", "-v"]),
            calm(generation.list),
        ]
    });
    let codes = said.each_ref().map(|said| said.code);
    let expected = [0, 0, 0, 5, 0, 0, 0, 0, 3, 0, 0].map(Some);
    assert_eq!(codes, expected, "{said:#?}");
    let [
        up,
        wait,
        _,
        exec,
        logs,
        stop,
        listed,
        down,
        attached,
        down_again,
        none,
    ] = said;
    assert!(up.err().contains("_default"), "{up:?}");
    assert_eq!(wait.out(), "3\n");
    assert_eq!(exec.out(), "in\nword\n");
    for followed in [logs, attached] {
        for word in ["| stays", "| reached", "| aside"] {
            let said = followed.out() + &followed.err();
            assert!(said.contains(word), "{followed:?}");
        }
    }
    assert!(stop.err().contains("Stopping"), "{stop:?}");
    assert!(listed.out().contains("job"), "{listed:?}");
    assert!(!none.out().contains("job"), "{none:?}");
    for down in [down, down_again] {
        assert!(down.err().contains("_data"), "{down:?}");
    }
}

#[test]
fn compose_v2_takes_a_project_through_its_life() {
    let generation = Generation {
        ask: |at, folder, project, arguments| at.compose(folder, project, arguments),
        job: |project| format!("{project}-job-1"),
        list: &[
            "ps",
            "-a",
            "--format",
            "{{.Name}} {{.Image}} {{.Service}} {{.State}} {{.ExitCode}}",
        ],
    };
    live(&Scenario::new("compose-v2"), &generation);
}

#[test]
fn compose_v1_takes_a_project_through_its_life() {
    let generation = Generation {
        ask: |at, folder, project, arguments| at.compose_v1(folder, project, arguments),
        job: |project| format!("{project}_job_1"),
        list: &["ps", "-a"],
    };
    live(&Scenario::new("compose-v1"), &generation);
}
