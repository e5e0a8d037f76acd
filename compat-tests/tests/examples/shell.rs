//! Those for a shell: curl, the docker CLI, and the job that deploys.

use std::fs;

use compat_tests::same::Said;

use crate::{AFTER, BEFORE, EXITS, PATCH, Service, WHY, at_refit, example};

#[test]
fn curl_shows_the_steps_and_why_an_image_does_not_run() {
    let service = Service::new("curl");
    let script = example("curl.sh");
    let run = |image: &str| {
        let arguments = [service.name.as_str(), image, PATCH];
        let program = script.to_str().expect("a path");
        at_refit(&service.scenario, program, &arguments).said()
    };
    let said = run(AFTER);
    assert_eq!(said.code, Some(0), "{said:?}");
    for expected in ["\"verify\"", "{\"aux\":", "\"Changed\":true"] {
        assert!(said.out().contains(expected), "{said:?}");
    }
    service.assert_runs(AFTER);
    let id = service.id();
    let said = run(EXITS);
    assert_eq!(said.code, Some(1), "{said:?}");
    for expected in [WHY, "\"Rollback\":\"restored\""] {
        assert!(said.out().contains(expected), "{said:?}");
    }
    service.assert_original(&id);
}

fn docker_cli(service: &Service, arguments: &[&str]) -> Said {
    let script = example("docker-cli.sh");
    let arguments = [&[service.name.as_str()], arguments].concat();
    at_refit(
        &service.scenario,
        script.to_str().expect("a path"),
        &arguments,
    )
    .said()
}

#[test]
fn the_docker_cli_upgrades_and_shows_the_history() {
    let service = Service::new("docker-cli");
    let said = docker_cli(&service, &[AFTER, "grep", "-q", "after", "/which"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    // The dry run, and the history.
    let expected = format!("{BEFORE} -> {AFTER}");
    assert!(said.out().contains(&expected), "{said:?}");
    assert!(said.out().contains("nothing was touched"), "{said:?}");
    assert!(said.out().contains("REPLACED"), "{said:?}");
    service.assert_runs(AFTER);
    // There is nothing to go back from, whatever the check says.
    let id = service.id();
    let said = docker_cli(&service, &[AFTER, "false"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    service.assert_original(&id);
}

#[test]
fn the_docker_cli_goes_back_where_the_check_fails() {
    let service = Service::new("docker-cli-check");
    let said = docker_cli(&service, &[AFTER, "grep", "-q", "before", "/which"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let expected = "the check has failed: grep -q before /which";
    assert!(said.err().contains(expected), "{said:?}");
    service.assert_runs(BEFORE);
}

#[test]
fn the_docker_cli_tells_why_an_image_does_not_run() {
    let service = Service::new("docker-cli-fails");
    let id = service.id();
    let said = docker_cli(&service, &[EXITS, "true"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err().contains(WHY), "{said:?}");
    service.assert_original(&id);
}

/// The variables and the script of the job's step, and what its expressions stand for.
fn step() -> (Vec<(String, String)>, String) {
    let file = fs::read_to_string(example("ci/deploy.yml")).expect("the job");
    let indent = |line: &str| line.len() - line.trim_start().len();
    // The lines below a key, which are indented deeper.
    let below = |key: &str| {
        let mut lines = file.lines().skip_while(|line| line.trim_start() != key);
        let of = indent(lines.next().expect("the key"));
        let lines = lines.take_while(move |line| line.is_empty() || indent(line) > of);
        lines.map(str::trim).collect::<Vec<_>>()
    };
    let variables = below("env:").into_iter().filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        (!name.starts_with('#')).then(|| (name.to_owned(), value.to_owned()))
    });
    (variables.collect(), below("run: |").join("\n"))
}

fn deploy(service: &Service, image: &str) -> Said {
    let (variables, script) = step();
    let own = ["REFIT_SOCKET", "CONTAINER", "IMAGE", "REGISTRY_AUTH"];
    let names = variables.iter().map(|(name, _)| name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), own, "{variables:?}");
    // As the runner starts it.
    let bash = ["--noprofile", "--norc", "-eo", "pipefail", "-c", &script];
    at_refit(&service.scenario, "bash", &bash)
        .env("CONTAINER", &service.name)
        .env("IMAGE", image)
        // A secret that is not set.
        .env("REGISTRY_AUTH", "")
        .said()
}

#[test]
fn the_job_deploys_with_one_curl() {
    let service = Service::new("deploy");
    let said = deploy(&service, AFTER);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out().contains("\"Changed\":true"), "{said:?}");
    service.assert_runs(AFTER);
}

#[test]
fn the_job_fails_with_the_message_where_the_upgrade_fails() {
    let service = Service::new("deploy-fails");
    let id = service.id();
    let said = deploy(&service, EXITS);
    // That of curl's --fail-with-body.
    assert_eq!(said.code, Some(22), "{said:?}");
    for expected in [WHY, "\"Rollback\":\"restored\""] {
        assert!(said.out().contains(expected), "{said:?}");
    }
    service.assert_original(&id);
}
