//! What is installed works as it is installed: the image, the compose file, the systemd units, the
//! completions and the man pages.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use compat_tests::{
    Scenario,
    direct::{exchange, socket},
    docker_program, variable,
};

const BEFORE: &str = "refit-test/before";
const AFTER: &str = "refit-test/after";

/// A file of the project's.
fn of_project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Runs a command that must succeed; its output.
fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_image_serves_an_upgrade_of_another_container() {
    let scenario = Scenario::without_refit("packaging");
    let (image, project) = (scenario.named("image"), scenario.named("project"));
    // Beside the engine's socket, in the folder that both sides see.
    let engine = scenario.engine();
    let listener = socket(&engine)
        .parent()
        .expect("a folder")
        .join("packaging-socket");
    drop(fs::remove_dir_all(&listener));
    let docker = docker_program();
    let built = Command::new(of_project("docker/build.sh"))
        .arg(&image)
        .env("DOCKER", &docker)
        .env("DOCKER_HOST", &engine)
        .output()
        .expect("it runs");
    assert!(built.status.success(), "{built:?}");

    let file = of_project("docker/compose.yaml");
    let compose = |arguments: &[&str]| {
        succeed(
            Command::new(&docker)
                .args(["-H", &engine, "compose", "-p", &project, "-f"])
                .arg(&file)
                .args(arguments)
                .env("REFIT_IMAGE", &image)
                .env("REFIT_ENGINE_FOLDER", "/run/refit")
                .env("REFIT_FOLDER", "/run/refit/packaging-socket"),
        )
    };
    // Until it is healthy.
    compose(&["up", "-d", "--wait", "--wait-timeout", "60"]);
    let refit = compose(&["ps", "-q", "refit"]);
    let refit = refit.trim();
    assert_eq!(scenario.inspect(refit, "/HostConfig/ReadonlyRootfs"), true);
    assert_eq!(scenario.inspect(refit, "/HostConfig/CapDrop/0"), "ALL");
    assert_eq!(scenario.text(refit, "/HostConfig/NetworkMode"), "none");

    let name = scenario.named("db");
    let id = scenario.run(&["--name", &name, BEFORE]);
    let address = format!("unix://{}", listener.join("docker.sock").display());
    let body = format!(r#"{{"Image": "{AFTER}", "UpgradeConfig": {{"Monitor": 1000000000}}}}"#);
    let path = format!("/containers/{name}/upgrade");
    let answer = exchange(&address, "POST", &path, &body).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["Previous"]["Id"], id.as_str());
    assert_eq!(scenario.text(&name, "/Config/Image"), AFTER);

    compose(&["down", "--timeout", "20"]);
    drop(fs::remove_dir_all(&listener));
    scenario.forget_image(&image);
}

#[test]
fn what_is_installed_is_whole() {
    let root = tempfile::tempdir().expect("a folder");
    let installed =
        succeed(Command::new(of_project("docker/install.sh")).env("DESTDIR", root.path()));
    let mut paths: Vec<_> = installed
        .lines()
        .map(|line| {
            line.strip_prefix(root.path().to_str().expect("text"))
                .expect(line)
        })
        .collect();
    paths.sort_unstable();
    let expected = [
        "/usr/local/bin/refit",
        "/usr/local/lib/docker/cli-plugins/docker-upgrade",
        "/usr/local/lib/systemd/system/refit.service",
        "/usr/local/lib/systemd/system/refit.socket",
        "/usr/local/share/bash-completion/completions/refit",
        "/usr/local/share/fish/vendor_completions.d/refit.fish",
        "/usr/local/share/man/man1/docker-upgrade.1",
        "/usr/local/share/man/man1/refit-healthcheck.1",
        "/usr/local/share/man/man1/refit-recover.1",
        "/usr/local/share/man/man1/refit-serve.1",
        "/usr/local/share/man/man1/refit.1",
        "/usr/local/share/zsh/site-functions/_refit",
    ];
    assert_eq!(paths, expected);
    let at = |path: &str| root.path().join(path.trim_start_matches('/'));
    let plugin = at("/usr/local/lib/docker/cli-plugins/docker-upgrade");
    let told = succeed(Command::new(&plugin).arg("docker-cli-plugin-metadata"));
    assert!(told.contains("SchemaVersion"), "{told}");

    let bash = at("/usr/local/share/bash-completion/completions/refit");
    succeed(Command::new("bash").arg("-n").arg(&bash));
    // The line that follows names the program where it is on this machine.
    let units = at("/usr/local/lib/systemd/system");
    let service = units.join("refit.service");
    let text = fs::read_to_string(&service).expect("the unit");
    let text = text.replace("/usr/local/bin/refit", &variable("REFIT_BIN"));
    fs::write(&service, text).expect("the unit");
    for unit in ["refit.service", "refit.socket"] {
        let verified = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(units.join(unit))
            .output()
            .expect("systemd-analyze");
        let told = String::from_utf8_lossy(&verified.stderr);
        let ours: Vec<_> = told.lines().filter(|line| line.contains("refit")).collect();
        assert!(
            verified.status.success() && ours.is_empty(),
            "{unit}: {told}"
        );
    }
}
