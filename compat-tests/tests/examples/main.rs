//! The examples and the binary, as a new user runs them.

mod clients;
mod compose;
mod shell;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use compat_tests::{Scenario, same::Ask, variable};

/// Each of these says which of the two it is, in a file; both keep `/data` on a volume.
const BEFORE: &str = "refit-test/before";
const AFTER: &str = "refit-test/after";

/// A short `Monitor`.
const PATCH: &str = r#"{"UpgradeConfig": {"Monitor": 3000000000}}"#;

/// Ends at once, and says why.
const EXITS: &str = "refit-test/exits";
const WHY: &str = "cannot read the configuration";

/// A container that is upgraded by an example.
struct Service {
    scenario: Scenario,
    name: String,
}

impl Service {
    fn new(name: &str) -> Self {
        let scenario = Scenario::new(name);
        let name = scenario.named("web");
        let volume = format!("{}:/data", scenario.named("data"));
        let options = ["--name", &name, "--restart", "always", "-v", &volume];
        scenario.run(&[&options[..], &[BEFORE]].concat());
        scenario.docker(&["exec", &name, "sh", "-c", "echo kept >/data/word"]);
        Self { scenario, name }
    }

    fn id(&self) -> String {
        self.scenario.text(&self.name, "/Id")
    }

    /// It runs on this image, with its data.
    fn assert_runs(&self, image: &str) {
        let said = self
            .scenario
            .docker(&["exec", &self.name, "cat", "/which", "/data/word"]);
        assert_eq!(format!("refit-test/{said}"), format!("{image}\nkept"));
        assert_eq!(self.scenario.text(&self.name, "/Config/Image"), image);
    }

    /// It is the same container as before, and nothing else is left.
    fn assert_original(&self, id: &str) {
        self.scenario.assert_original(&self.name, id);
    }
}

/// A file of the examples.
fn example(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(file)
}

/// A program where everything leads to the scenario's Refit, and a docker CLI is that has the plugin.
fn at_refit(scenario: &Scenario, program: &str, arguments: &[&str]) -> Ask {
    let config = scenario.folder().join("config");
    let plugins = config.join("cli-plugins");
    if !plugins.exists() {
        fs::create_dir_all(&plugins).expect("a folder");
        symlink(variable("REFIT_BIN"), plugins.join("docker-upgrade")).expect("the plugin");
        let compose = Path::new(&variable("DOCKER_CONFIG")).join("cli-plugins/docker-compose");
        symlink(compose, plugins.join("docker-compose")).expect("the plugin");
        // docker-py looks for contexts where none is named.
        fs::write(config.join("config.json"), "{}").expect("a configuration");
    }
    let docker = PathBuf::from(compat_tests::docker_program());
    let tools = docker.parent().expect("its folder").to_string_lossy();
    let path = format!("{tools}:{}", variable("PATH"));
    let refit = scenario.refit();
    Ask::new(program, arguments)
        .env("DOCKER_HOST", &refit)
        .env("REFIT_SOCKET", refit.trim_start_matches("unix://"))
        .env("DOCKER_CONFIG", &config.to_string_lossy())
        .env("PATH", &path)
        .env("MONITOR", "3s")
}

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
        "nothing was touched",
        "upgraded: redis:7.0 -> redis:8.0",
        "redis_version:8.",
        "\n10000\n",
        "--loadmodule /no/such/module.so",
        "redis:8.0",
        "\n10000\n",
    ] {
        let at = rest.find(expected);
        assert!(at.is_some(), "{expected} is missing from: {rest}");
        rest = &rest[at.unwrap_or_default() + expected.len()..];
    }
    for expected in ["verify failed", "is running under its name again"] {
        assert!(log.contains(expected), "{expected} is missing from: {log}");
    }
}
