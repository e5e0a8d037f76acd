//! `docker upgrade`, typed: as a plugin of a real docker CLI, in front of a real engine, through Refit and
//! without one.

mod kinds;
mod rig;
mod screen;
mod several;

use std::fs;

use compat_tests::{Scenario, variable};
use serde_json::Value;

use rig::{AFTER, BEFORE, Rig};

#[test]
fn it_is_a_plugin_like_its_siblings() {
    let rig = Rig::new("command-plugin");
    let info = rig
        .docker(&["info", "--format", "{{json .ClientInfo.Plugins}}"])
        .said();
    let plugins: Value = serde_json::from_slice(&info.stdout).expect("JSON");
    let mut plugins = plugins.as_array().expect("a list").iter();
    let plugin = plugins
        .find(|plugin| plugin["Name"] == "upgrade")
        .expect("it is found");
    assert_eq!(plugin["ShortDescription"], "Upgrade a container in place");
    assert_eq!(plugin["Err"], Value::Null, "{plugin}");

    let help = rig.docker(&["upgrade", "--help"]).said();
    assert!(
        help.out()
            .starts_with("Usage:  docker upgrade [OPTIONS] CONTAINER"),
        "{help:?}"
    );
    assert_eq!(help.code, Some(0));
    assert_eq!(rig.docker(&["help", "upgrade"]).said(), help);
    let listed = rig.docker(&["--help"]).said().out();
    assert!(listed.contains("upgrade*"), "{listed}");

    let completed = rig.docker(&["__complete", "upgrade", "--dry"]).said().out();
    assert!(completed.starts_with("--dry-run\tOnly show"), "{completed}");
    rig.scenario.run(&["--name", &rig.name, BEFORE]);
    // The CLI hands no -H on to the completion of a plugin.
    let host = rig.scenario.refit();
    let completed = rig
        .at_no_host(&["__complete", "upgrade", &rig.name])
        .env("DOCKER_HOST", &host)
        .said()
        .out();
    assert_eq!(completed, format!("{}\n:4\n", rig.name));
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_done() {
    let rig = Rig::new("command-mistakes");
    let id = rig.scenario.run(&["--name", &rig.name, BEFORE]);
    let name = rig.name.as_str();
    for (arguments, code, told) in [
        (&[][..], 64, "requires at least 1 argument"),
        (&["--nonsense", name], 64, "--nonsense"),
        (&["-m", "1x", "--cpus", "z", name], 64, "\"1x\""),
        (&["--rollback", "--image", AFTER, name], 64, "--image"),
        (
            &["command-mistakes-none"],
            1,
            "No such container: command-mistakes-none",
        ),
        (&["--image", "UPPER CASE", name], 64, "UPPER CASE"),
        (&[name, "--dry-run"], 64, "stand before the CONTAINER"),
        (
            &[name, "command-mistakes-none", name],
            64,
            "is a container and",
        ),
        (&["--filter", "name", name], 64, "bad format of filter"),
        (
            &["--signal", "NONSENSE", "--image", AFTER, name],
            64,
            "NONSENSE",
        ),
        (
            &["--image", "127.0.0.1:5000/nothing:1", name],
            1,
            "nothing was touched",
        ),
    ] {
        for side in rig.sides() {
            let said = rig.upgrade(&side, arguments).said();
            assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
            assert!(said.err().contains(told), "{arguments:?}: {said:?}");
            assert!(said.stdout.is_empty(), "{arguments:?}: {said:?}");
        }
    }
    assert_eq!(rig.scenario.text(name, "/Id"), id);
    // The second is carried by the docker CLI: it is called as the user calls it all the same. Why it fails,
    // that CLI says, if a broken pipe does not come first.
    for host in [
        "unix:///nonexistent/docker.sock",
        "ssh://nobody@127.0.0.1:1",
    ] {
        let said = rig.at_no_host(&["-H", host, "upgrade", name]).said();
        assert_eq!(said.code, Some(69), "{said:?}");
        let told = format!("Cannot connect to the Docker daemon at {host}.");
        assert!(said.err().contains(&told), "{said:?}");
    }
}

#[test]
fn credentials_are_those_of_docker_login() {
    let rig = Rig::new("command-credentials");
    let registry = variable("REFIT_PRIVATE_REGISTRY");
    let image = format!("{registry}/private/redis:8.0");
    let id = rig.scenario.run(&["--name", &rig.name, "redis:7.0"]);
    for side in rig.sides() {
        let arguments = [
            "--image",
            &image,
            "--pull",
            "always",
            "--monitor",
            "1s",
            &rig.name,
        ];
        let refused = rig.upgrade(&side, &arguments).said();
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.err().contains("docker login"), "{refused:?}");
    }
    assert_eq!(rig.scenario.text(&rig.name, "/Id"), id);
    rig.log_in(&registry, "refit:secret");
    for side in rig.sides() {
        let arguments = [
            "--image",
            &image,
            "--pull",
            "always",
            "--monitor",
            "1s",
            "--force",
            &rig.name,
        ];
        let said = rig.upgrade(&side, &arguments).said();
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    rig.scenario.forget_image(&image);
}

#[test]
fn the_engine_is_the_one_that_the_docker_cli_means() {
    let mut scenario = Scenario::without_refit("command-hosts");
    let port = rig::free_port();
    let tcp = format!("tcp://127.0.0.1:{port}");
    let (engine, unix) = (scenario.engine(), scenario.refit());
    scenario.start_refit_with(&["--engine", &engine, "--listen", &tcp, "--insecure-tcp"]);
    let rig = Rig::of(scenario);
    rig.scenario.run(&["--name", &rig.name, BEFORE]);
    let upgrade = |before: &[&str], variables: &[(&str, &str)]| {
        let words = [
            before,
            &["upgrade", "--dry-run", "--image", AFTER, &rig.name],
        ]
        .concat();
        let ask = rig.at_no_host(&words);
        let ask = variables
            .iter()
            .fold(ask, |ask, (name, value)| ask.env(name, value));
        let said = ask.said();
        assert_eq!(said.code, Some(0), "{before:?} {variables:?}: {said:?}");
        assert!(said.out().contains("would be upgraded"), "{said:?}");
        assert!(!said.err().contains("no Refit"), "{said:?}");
    };
    for (context, host) in [("refit-unix", &unix), ("refit-tcp", &tcp)] {
        let host = format!("host={host}");
        let made = rig
            .at_no_host(&["context", "create", context, "--docker", &host])
            .said();
        assert_eq!(made.code, Some(0), "{made:?}");
        upgrade(&["--context", context], &[]);
        upgrade(&["-c", context], &[("DOCKER_HOST", "unix:///nonexistent")]);
        upgrade(&[], &[("DOCKER_CONTEXT", context)]);
        rig.use_context(context);
        upgrade(&[], &[]);
        upgrade(&["-H", &unix], &[("DOCKER_CONTEXT", "none")]);
        rig.use_context("default");
    }
    for host in [&unix, &tcp] {
        upgrade(&["-H", host], &[("DOCKER_HOST", "unix:///nonexistent")]);
        upgrade(&["--host", host], &[]);
        upgrade(&[], &[("DOCKER_HOST", host), ("DOCKER_CONTEXT", "none")]);
        upgrade(&["--context", "default"], &[("DOCKER_HOST", host)]);
    }
    let config = rig.config().display().to_string();
    upgrade(
        &["--config", &config, "-H", &unix],
        &[("DOCKER_CONFIG", "/nonexistent")],
    );
    let both = rig.at_no_host(&["-H", &unix, "--context", "refit-tcp", "upgrade", &rig.name]);
    assert_ne!(both.said().code, Some(0));
}

#[test]
fn refit_itself_has_the_command_too() {
    let rig = Rig::new("command-refit");
    rig.scenario.run(&["--name", &rig.name, BEFORE]);
    for side in rig.sides() {
        let refit = rig
            .refit(
                &side,
                &["upgrade", "--image", AFTER, "--dry-run", &rig.name],
            )
            .said();
        let docker = rig
            .upgrade(&side, &["--image", AFTER, "--dry-run", &rig.name])
            .said();
        assert_eq!(refit.out(), docker.out());
    }
    let link = rig.scenario.folder().join("docker-upgrade");
    assert!(fs::symlink_metadata(&link).is_err());
}
