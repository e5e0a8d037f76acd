//! Those for a client library.

use std::process::Command;

use compat_tests::{
    Scenario, engines,
    same::{Ask, Said},
};

use crate::{AFTER, EXITS, PATCH, Service, WHY, at_refit, example};

/// The Python to run, and the folder of the JavaScript, where what they need is installed.
fn prepared() -> [String; 2] {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples.sh");
    let said = Command::new(script).output().expect("examples.sh");
    let error = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{error}");
    let out = String::from_utf8(said.stdout).expect("a text");
    let lines: Vec<_> = out.lines().map(str::to_owned).collect();
    lines.try_into().expect("two lines")
}

/// Upgrades a container with an example, lets it fail, and asks for what is not there. Returns what
/// each time was said.
fn upgrade_and_fail(name: &str, program: &[&str]) -> [Said; 3] {
    let service = Service::new(name);
    let run = |container: &str, image: &str| {
        let further = [&program[1..], &[container, image, PATCH]].concat();
        at_refit(&service.scenario, program[0], &further).said()
    };

    let upgraded = run(&service.name, AFTER);
    assert_eq!(upgraded.code, Some(0), "{upgraded:?}");
    let expected = format!("{} is {AFTER} now", service.name);
    assert!(upgraded.out().contains(&expected), "{upgraded:?}");
    service.assert_runs(AFTER);

    let id = service.id();
    let failed = run(&service.name, EXITS);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    for expected in ["not upgraded: ", WHY, "is running under its name again"] {
        assert!(failed.err().contains(expected), "{failed:?}");
    }
    service.assert_original(&id);

    let nobody = run(&service.scenario.named("nobody"), AFTER);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.err().contains("No such container"), "{nobody:?}");
    [upgraded, failed, nobody]
}

/// It shows the steps, and what became of the container.
fn assert_streamed([upgraded, failed, _]: &[Said; 3]) {
    assert!(upgraded.out().contains("verify"), "{upgraded:?}");
    assert!(failed.err().contains("(rollback: restored)"), "{failed:?}");
}

#[test]
fn docker_py_upgrades_and_raises() {
    let [python, _] = prepared();
    let script = example("docker_py.py");
    let program = [python.as_str(), "-B", script.to_str().expect("a path")];
    assert_streamed(&upgrade_and_fail("docker-py", &program));
}

#[test]
fn dockerode_upgrades_and_throws() {
    let [_, folder] = prepared();
    let script = format!("{folder}/upgrade.mjs");
    assert_streamed(&upgrade_and_fail("dockerode", &["node", &script]));
}

#[test]
fn bollard_upgrades_and_fails() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    // Built before: it would be long for a command of a scenario.
    let of = [
        "--quiet",
        "--manifest-path",
        manifest,
        "--example",
        "bollard",
    ];
    let built = Command::new(env!("CARGO")).arg("build").args(of).status();
    assert!(built.expect("cargo").success());
    let program = [&[env!("CARGO"), "run"], &of[..], &["--"]].concat();
    upgrade_and_fail("bollard", &program);
}

/// The integration test that is an example, on these images.
fn testcontainers(scenario: &Scenario, further: &[&str], image: &str) -> Said {
    let [python, _] = prepared();
    let volumes = scenario.docker(&["volume", "ls", "-q"]);
    let folder = example("testcontainers");
    let pytest = ["-B", "-m", "pytest", "-p", "no:cacheprovider"];
    let folder = [folder.to_str().expect("a path")];
    let home = scenario.folder().to_string_lossy();
    let ask: Ask = at_refit(scenario, &python, &[&pytest[..], &folder, further].concat())
        .env("HOME", &home)
        .env("TO_IMAGE", image)
        // What removes the containers of a killed process is an image of its own.
        .env("TESTCONTAINERS_RYUK_DISABLED", "true")
        .env("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1");
    // Published ports are where the engine is.
    let said = engines::in_network(|| ask.said());
    // By the IDs that they had before the upgrade.
    let left = ["ps", "-aq", "--filter", "label=org.testcontainers=true"];
    assert_eq!(scenario.docker(&left), "", "{said:?}");
    let kept = scenario.docker(&["volume", "ls", "-q"]);
    assert_eq!(kept, volumes, "{said:?}");
    said
}

#[test]
fn testcontainers_try_an_upgrade() {
    let scenario = Scenario::new("testcontainers");
    let said = testcontainers(&scenario, &[], "redis:8.0");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out().contains("2 passed"), "{said:?}");
    let said = testcontainers(&scenario, &["-k", "reads_the_data"], EXITS);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out().contains("1 failed"), "{said:?}");
    assert!(said.out().contains(WHY), "{said:?}");
}
