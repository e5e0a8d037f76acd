//! What one container goes through: upgraded, up to date, failed, interrupted, killed.

use std::{thread, time::Duration};

use compat_tests::same::{Said, Side, mask};
use serde_json::Value;

use crate::rig::{AFTER, BEFORE, EXITS, Rig};

#[test]
fn a_container_is_upgraded_and_then_up_to_date() {
    let rig = Rig::new("command-upgrade");
    for side in rig.sides() {
        let id = rig
            .scenario
            .run(&["--name", &rig.name, "-e", "MINE=1", BEFORE]);
        let arguments = [
            "--image",
            AFTER,
            "-e",
            "LEVEL=debug",
            "-l",
            "tier=x",
            "-m",
            "64m",
            "--monitor",
            "1s",
        ];
        let said = rig
            .upgrade(&side, &[&arguments[..], &[&rig.name]].concat())
            .said();
        assert_eq!(said.code, Some(0), "{said:?}");
        let line = format!(
            "{} upgraded: {BEFORE} -> {AFTER}, down for <duration>\n",
            rig.name
        );
        assert_eq!(mask(&said.out()), line);
        let steps = [
            "pull", "plan", "create", "hold", "stop", "park", "rename", "start", "verify", "commit",
        ];
        assert_eq!(steps_of(&said.err()), steps, "{said:?}");
        assert_eq!(
            said.err().contains("no Refit answers"),
            is_direct(&rig, &side),
            "{said:?}"
        );

        assert_ne!(rig.scenario.text(&rig.name, "/Id"), id);
        let env = rig.scenario.inspect(&rig.name, "/Config/Env");
        let env = env.as_array().expect("a list");
        assert!(
            env.contains(&"MINE=1".into()) && env.contains(&"LEVEL=debug".into()),
            "{env:?}"
        );
        assert_eq!(rig.scenario.text(&rig.name, "/Config/Labels/tier"), "x");
        assert_eq!(
            rig.scenario.inspect(&rig.name, "/HostConfig/Memory"),
            64 << 20
        );

        let again = rig.upgrade(&side, &["--image", AFTER, &rig.name]).said();
        assert_eq!(
            again.out(),
            format!("{} is up to date: {AFTER}\n", rig.name)
        );
        let quiet = rig
            .upgrade(
                &side,
                &["-q", "--image", BEFORE, "--monitor", "0s", &rig.name],
            )
            .said();
        assert_eq!(quiet.out().trim_end(), rig.scenario.text(&rig.name, "/Id"));
        let json = rig.upgrade(
            &side,
            &[
                "--format",
                "json",
                "--force",
                "--image",
                AFTER,
                "--monitor",
                "0s",
                &rig.name,
            ],
        );
        let json = json.said();
        let answer: Value = serde_json::from_slice(&json.stdout).expect("a line of JSON");
        assert_eq!(
            answer["Previous"]["Id"].as_str(),
            Some(quiet.out().trim_end())
        );
        assert!(json.stderr.is_empty(), "{json:?}");
        rig.scenario.docker(&["rm", "-fv", &rig.name]);
    }
}

#[test]
fn without_an_image_it_is_the_newest_of_its_own_tag() {
    let rig = Rig::new("command-newest");
    let tag = "refit-test/command-newest";
    for side in rig.sides() {
        rig.scenario.docker(&["tag", BEFORE, tag]);
        rig.scenario.run(&["--name", &rig.name, tag]);
        // It was never pushed, and nothing else is here.
        let none = rig.upgrade(&side, &[&rig.name]).said();
        assert_eq!(none.code, Some(1), "{none:?}");
        // It was made anew here.
        rig.scenario.docker(&["tag", AFTER, tag]);
        let newer = rig.upgrade(&side, &["--monitor", "0s", &rig.name]).said();
        assert_eq!(newer.code, Some(0), "{newer:?}");
        assert!(
            newer.err().contains("the image that is here is taken"),
            "{newer:?}"
        );
        let after = rig.scenario.text(AFTER, "/Id");
        assert_eq!(rig.scenario.text(&rig.name, "/Image"), after);
        // Something else is to change.
        let other = rig
            .upgrade(&side, &["--monitor", "0s", "-l", "a=b", &rig.name])
            .said();
        assert_eq!(other.code, Some(0), "{other:?}");
        rig.scenario.docker(&["rm", "-fv", &rig.name]);
    }
    rig.scenario.forget_image(tag);
}

#[test]
fn a_command_may_stand_behind_the_container() {
    let rig = Rig::new("command-words");
    for side in rig.sides() {
        rig.scenario
            .run(&["--name", &rig.name, "busybox", "sleep", "1000"]);
        let options = ["--pull", "never", "--monitor", "0s", "-t", "0"];
        for words in [
            &[rig.name.as_str(), "sleep", "2000"][..],
            &[rig.name.as_str(), "--", "sleep", "3000"],
            &["--name", &rig.name, "busybox", "sleep", "4000"],
        ] {
            let said = rig.upgrade(&side, &[&options, words].concat()).said();
            assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
            let command = rig.scenario.inspect(&rig.name, "/Config/Cmd");
            assert_eq!(command[1].as_str(), words.last().copied(), "{words:?}");
        }
        rig.scenario.docker(&["rm", "-fv", &rig.name]);
    }
}

#[test]
fn a_failure_tells_what_failed_how_things_stand_and_what_to_do() {
    let rig = Rig::new("command-failure");
    let id = rig
        .scenario
        .run(&["--name", &rig.name, "--restart", "always", BEFORE]);
    for side in rig.sides() {
        let said = rig.upgrade(
            &side,
            &[
                "--image",
                EXITS,
                "--entrypoint",
                "sh",
                &rig.name,
                "-c",
                "echo no configuration >&2; exit 3",
            ],
        );
        let said = said.said();
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stdout.is_empty(), "{said:?}");
        for told in [
            "failed: command-failure-db  verify",
            "verify failed: its process ended with exit code 3",
            "no configuration",
            "is running under its name again",
            "nothing is lost",
        ] {
            assert!(said.err().contains(told), "{told}: {said:?}");
        }
        rig.scenario.assert_original(&rig.name, &id);
    }
}

/// An upgrade with this `--monitor` that is interrupted while its replacement is verified.
fn interrupted(rig: &Rig, side: &Side<'_>, monitor: &str) -> Said {
    let running = rig
        .upgrade(side, &["--image", AFTER, "--monitor", monitor, &rig.name])
        .start();
    rig.scenario.until("it is verified", |scenario| {
        scenario.text(&rig.name, "/Config/Image") == AFTER
    });
    running.interrupt();
    let said = running.end();
    assert_eq!(said.code, Some(130), "{said:?}");
    said
}

#[test]
fn an_interrupt_takes_back_what_no_refit_goes_on_with() {
    let rig = Rig::new("command-interrupt");
    let id = rig
        .scenario
        .run(&["--name", &rig.name, "--restart", "always", BEFORE]);
    let said = interrupted(&rig, &rig.scenario.directly(), "1h");
    assert!(
        said.err().contains("what was begun is taken back"),
        "{said:?}"
    );
    rig.scenario.assert_original(&rig.name, &id);
}

#[test]
fn an_interrupt_leaves_to_refit_what_refit_does() {
    let rig = Rig::new("command-left");
    let id = rig.scenario.run(&["--name", &rig.name, BEFORE]);
    let side = rig.scenario.through();
    let said = interrupted(&rig, &side, "3s");
    assert!(said.err().contains("Refit goes on"), "{said:?}");
    rig.scenario
        .until("it is committed", |scenario| !scenario.exists(&id));
    let history = rig.upgrade(&side, &["--history", &rig.name]).said();
    assert!(history.out().contains(&id[..12]), "{history:?}");
}

#[test]
fn what_a_killed_command_left_is_recovered() {
    let rig = Rig::new("command-killed");
    let side = rig.scenario.directly();
    for pause in [0, 20, 60, 120, 250, 400] {
        let id = rig
            .scenario
            .run(&["--name", &rig.name, "--restart", "always", BEFORE]);
        let running = rig
            .refit(
                &side,
                &["upgrade", "--image", AFTER, "--monitor", "2s", &rig.name],
            )
            .start();
        rig.scenario.until("it has begun", |scenario| {
            scenario.exists(&format!("{}.refit-new", rig.name))
                || !scenario.exists(&id)
                || scenario.text(&rig.name, "/Id") != id
        });
        thread::sleep(Duration::from_millis(pause));
        // By SIGKILL.
        drop(running);
        let dry = rig.upgrade(&side, &["--recover", "--dry-run"]).said();
        assert!(dry.out().contains(&rig.name), "{pause} ms: {dry:?}");
        let said = rig.upgrade(&side, &["--recover"]).said();
        assert_eq!(said.code, Some(0), "{pause} ms: {said:?}");
        let names = rig.scenario.docker(&[
            "ps",
            "-a",
            "--filter",
            &format!("name={}", rig.name),
            "--format",
            "{{.Names}} {{.State}}",
        ]);
        assert_eq!(
            names,
            format!("{} running", rig.name),
            "{pause} ms: {said:?}"
        );
        rig.scenario.docker(&["rm", "-fv", &rig.name]);
    }
}

#[test]
fn it_goes_back_and_forth_and_tells_its_history() {
    let rig = Rig::new("command-back");
    for side in rig.sides() {
        let name = rig.name.as_str();
        let first = rig
            .scenario
            .run(&["--name", name, "-e", "MINE=1", "-m", "32m", BEFORE]);
        let none = rig.upgrade(&side, &["--rollback", name]).said();
        assert_eq!(none.code, Some(1), "{none:?}");
        assert!(none.err().contains("was never upgraded"), "{none:?}");
        let options = [
            "--image", AFTER, "-m", "64m", "-e", "MINE=2", "-l", "tier=x",
        ];
        let options = [&options[..], &["--monitor", "0s", name]].concat();
        assert_eq!(rig.upgrade(&side, &options).said().code, Some(0));

        let dry = rig
            .upgrade(&side, &["--rollback", "--dry-run", name])
            .said();
        assert_eq!(dry.code, Some(0), "{dry:?}");
        let change = "~ HostConfig.Memory  67108864 -> 33554432  (from the generation before)";
        assert!(dry.out().contains(change), "{dry:?}");
        let back = rig
            .upgrade(&side, &["--rollback", "--monitor", "0s", name])
            .said();
        assert_eq!(back.code, Some(0), "{back:?}");
        let line = format!("{name} upgraded: {AFTER} -> {BEFORE}, down for");
        assert!(back.out().starts_with(&line), "{back:?}");
        assert_eq!(rig.scenario.inspect(name, "/HostConfig/Memory"), 32 << 20);
        assert_eq!(rig.scenario.text(name, "/Config/Labels/tier"), "");
        let env = rig.scenario.inspect(name, "/Config/Env");
        assert!(
            env.as_array().expect("a list").contains(&"MINE=1".into()),
            "{env}"
        );

        let history = rig.upgrade(&side, &["--history", name]).said();
        assert_eq!(history.code, Some(0), "{history:?}");
        let rows: Vec<_> = history.out().lines().skip(2).map(str::to_owned).collect();
        assert_eq!(rows.len(), 3, "{history:?}");
        for (row, (number, image)) in
            rows.iter()
                .zip([("current", BEFORE), ("1", AFTER), ("2", BEFORE)])
        {
            assert!(
                row.starts_with(number) && row.contains(image),
                "{history:?}"
            );
        }
        assert!(rows[2].contains(&first[..12]), "{history:?}");

        let forth = rig
            .upgrade(&side, &["--rollback", "--monitor", "0s", name])
            .said();
        assert_eq!(forth.code, Some(0), "{forth:?}");
        assert_eq!(rig.scenario.inspect(name, "/HostConfig/Memory"), 64 << 20);
        rig.scenario.docker(&["rm", "-fv", name]);
    }
}

/// The steps that were told, one a line.
fn steps_of(told: &str) -> Vec<&str> {
    let lines = told.lines().filter(|line| line.starts_with(' '));
    lines
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect()
}

fn is_direct(rig: &Rig, side: &Side<'_>) -> bool {
    side.address() == rig.scenario.engine()
}
