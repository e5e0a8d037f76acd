//! The examples and the binary, as a new user runs them.

use std::{fs, path::Path, process::Command};

use compat_tests::{Scenario, variable};

#[test]
fn the_binary_runs_in_an_image_from_scratch() {
    let scenario = Scenario::new("scratch");
    let image = scenario.named("image");
    let context = scenario.folder().join("context");
    fs::create_dir(&context).unwrap();
    fs::copy(variable("REFIT_BIN"), context.join("refit")).unwrap();
    let dockerfile = "FROM scratch\nCOPY refit /refit\nENTRYPOINT [\"/refit\"]\n";
    fs::write(context.join("Dockerfile"), dockerfile).unwrap();
    let context = context.to_str().unwrap();
    scenario.docker(&["build", "-q", &scenario.label(), "-t", &image, context]);
    let version = scenario.docker(&["run", "--rm", &image, "--version"]);
    assert!(version.starts_with("refit "), "{version}");
}

#[test]
fn the_quickstart_upgrades_and_rolls_back() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(root.join("examples/quickstart.sh"))
        .env("DOCKER_HOST", variable("REFIT_ENGINE"))
        .output()
        .expect("run it");
    let (shown, log) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{shown}{log}");
    // In this order: the new version with every key, then the failure, and every key again.
    let mut rest = &*shown;
    for expected in [
        "\"Changed\":true",
        "redis_version:8.",
        "\n10000\n",
        "/no/such/module.so",
        "\"Rollback\":\"restored\"",
        "redis:8.0",
        "\n10000\n",
    ] {
        let at = rest.find(expected);
        assert!(at.is_some(), "{expected} is missing from: {rest}");
        rest = &rest[at.unwrap_or_default() + expected.len()..];
    }
}
