//! Which image it is: pulled or not, of a platform, moved by its tag.

use std::{fs, path::Path, process::Command};

use compat_tests::{Scenario, patch, variable};
use serde_json::{Value, json};

/// The ID of an image.
fn id_of(scenario: &Scenario, image: &str) -> Value {
    json!(scenario.docker(&["image", "inspect", "-f", "{{.Id}}", image]))
}

/// The ID of the image that a container runs.
fn image_of(scenario: &Scenario, name: &str) -> Value {
    scenario.inspect(name, "/Image")
}

/// Pulls an image, and returns a name of this scenario's for it.
fn pulled(scenario: &Scenario, image: &str) -> String {
    let name = scenario.named("pulled");
    scenario.docker(&["pull", "-q", image]);
    scenario.docker(&["tag", image, &name]);
    name
}

#[test]
fn a_tag_that_moved_is_followed_where_it_is_asked_for() {
    let scenario = Scenario::new("moved-tag");
    let name = scenario.named("db");
    let image = format!("{}/redis:8.0", variable("REFIT_REGISTRY"));
    let [old, new] = ["redis:7.0", &pulled(&scenario, &image)].map(|i| id_of(&scenario, i));
    // From here on, the name has another image here than in the registry.
    scenario.docker(&["tag", "redis:7.0", &image]);
    scenario.run(&["--name", &name, &image]);
    let upgrade = |pull: &str| {
        let path = format!("/containers/{name}/upgrade?t=5&pull={pull}");
        let body = r#"{"UpgradeConfig": {"Monitor": 500000000}}"#;
        let answer = scenario.post(&path, body);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["Changed"].clone()
    };
    for pull in ["never", "missing"] {
        assert_eq!(upgrade(pull), false, "{pull}");
        assert_eq!(image_of(&scenario, &name), old);
    }
    assert_eq!(upgrade("always"), true);
    assert_eq!(image_of(&scenario, &name), new);
    assert_eq!(scenario.inspect(&name, "/Config/Image"), json!(image));
    scenario.docker(&["rm", "-f", &name]);
    scenario.forget_image(&image);
}

#[test]
fn what_the_registry_does_not_have_is_told_and_touches_nothing() {
    let scenario = Scenario::new("unpulled");
    let name = scenario.named("db");
    scenario.run(&["--name", &name, "redis:7.0"]);
    let started = scenario.inspect(&name, "/State/StartedAt");
    let image = format!("{}/redis:no-such-tag", variable("REFIT_REGISTRY"));
    for pull in ["never", "missing", "always"] {
        let path = format!("/containers/{name}/upgrade?pull={pull}");
        let answer = scenario.post(&path, &patch(&image));
        assert!((400..=599).contains(&answer.status), "{}", answer.text);
        assert_eq!(answer.text_of("Step"), "pull", "{pull}");
        assert_eq!(answer.text_of("Rollback"), "not needed");
        assert!(
            answer.text_of("message").contains(&image),
            "{}",
            answer.text
        );
        assert_eq!(scenario.inspect(&name, "/State/StartedAt"), started);
    }
}

/// Loads busybox as an image for arm64; its programs are still this machine's.
fn load_for_arm64(scenario: &Scenario, name: &str) {
    let folder = scenario.folder().join("image");
    fs::create_dir(&folder).expect("a folder");
    let tar = |arguments: &[&str]| {
        let ran = Command::new("tar")
            .arg("-C")
            .arg(&folder)
            .args(arguments)
            .status();
        assert!(ran.expect("tar").success());
    };
    let file = scenario.folder().join("image.tar");
    let file = file.to_str().expect("UTF-8");
    scenario.docker(&["save", "-o", file, "busybox"]);
    tar(&["-xf", file]);
    let edit = |path: &Path, change: &dyn Fn(&mut Value)| {
        let read = fs::read(path).expect("a file");
        let mut document = serde_json::from_slice(&read).expect("JSON");
        change(&mut document);
        fs::write(path, document.to_string()).expect("write it");
        document
    };
    let manifest = edit(&folder.join("manifest.json"), &|manifest| {
        manifest[0]["RepoTags"] = json!([format!("{name}:latest")]);
    });
    let config = manifest[0]["Config"].as_str().expect("a path");
    edit(&folder.join(config), &|config| {
        config["architecture"] = json!("arm64");
        config["config"]["Cmd"] = json!(["sleep", "1000"]);
    });
    // The older description says nothing else; without it the newer one is not looked at.
    tar(&[
        "--exclude=repositories",
        "--exclude=index.json",
        "--exclude=oci-layout",
        "-cf",
        file,
        ".",
    ]);
    scenario.docker(&["load", "-i", file]);
}

#[test]
fn an_image_of_another_platform_is_not_the_one() {
    let scenario = Scenario::new("platform");
    let name = scenario.named("box");
    let image = scenario.named("image");
    load_for_arm64(&scenario, &image);
    scenario.run(&["--name", &name, "-t", "busybox"]);
    let before = scenario.inspect(&name, "/State/StartedAt");
    let upgrade = |platform: &str| {
        let path = format!("/containers/{name}/upgrade?pull=never&t=1&platform={platform}");
        scenario.post(&path, &patch(&image))
    };
    let other = upgrade("linux/amd64");
    assert_eq!(other.status, 404, "{}", other.text);
    let message = other.text_of("message");
    assert!(message.contains("linux/arm64"), "{message}");
    let wrong = upgrade("linux//v8");
    assert_eq!(wrong.status, 400, "{}", wrong.text);
    assert_eq!(scenario.inspect(&name, "/State/StartedAt"), before);
    let upgraded = upgrade("linux/arm64");
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    let warnings = upgraded.json()["Warnings"].to_string();
    assert!(warnings.contains("linux/arm64"), "{warnings}");
    // Back, though the name of the image is another's here.
    let path = format!("/containers/{name}/upgrade?pull=never&t=1&platform=linux/amd64");
    let back = scenario.post(&path, &patch("busybox"));
    assert_eq!(back.status, 200, "{}", back.text);
    scenario.docker(&["rm", "-f", &name]);
    scenario.forget_image(&image);
}

#[test]
fn a_platform_that_is_missing_is_pulled_for() {
    let scenario = Scenario::new("pull-platform");
    let name = scenario.named("db");
    let image = format!("{}/redis:8.0", variable("REFIT_REGISTRY"));
    let arm = scenario.named("image");
    load_for_arm64(&scenario, &arm);
    let pulled = pulled(&scenario, &image);
    scenario.docker(&["tag", &arm, &image]);
    scenario.run(&["--name", &name, "redis:7.0"]);
    let upgrade = |platform: &str| {
        let path = format!("/containers/{name}/upgrade?t=5&platform={platform}");
        scenario.post(&path, &patch(&image))
    };
    let upgraded = upgrade("linux/amd64");
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    assert_eq!(image_of(&scenario, &name), id_of(&scenario, &pulled));
    // The registry has no other.
    let started = scenario.inspect(&name, "/State/StartedAt");
    let missing = upgrade("linux/riscv64");
    assert!(missing.status >= 400, "{}", missing.text);
    assert_eq!(missing.text_of("Step"), "pull", "{}", missing.text);
    assert_eq!(scenario.inspect(&name, "/State/StartedAt"), started);
    scenario.docker(&["rm", "-f", &name]);
    for image in [image, arm, pulled] {
        scenario.forget_image(&image);
    }
}

/// `rmi -f` takes even the image of a stopped container.
#[test]
fn of_an_image_that_is_gone_everything_is_kept_and_it_is_said() {
    let scenario = Scenario::new("image-gone");
    let name = scenario.named("job");
    let image = scenario.build(
        "image",
        &[],
        "ENV FROM_IMAGE=1\nLABEL from=image\nCMD sleep 1000",
    );
    scenario.docker(&[
        "create",
        &scenario.label(),
        "--name",
        &name,
        "-e",
        "MINE=1",
        &image,
    ]);
    scenario.docker(&["rmi", "-f", &image]);
    let path = format!("/containers/{name}/upgrade?pull=never");
    let dry = scenario.post(&format!("{path}&dryRun=1"), &patch("redis:8.0"));
    let upgraded = scenario.post(&path, &patch("redis:8.0"));
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    let warnings = upgraded.warnings();
    assert!(
        warnings.iter().any(|warning| warning.contains("is gone")),
        "{warnings:?}"
    );
    assert_eq!(dry.warnings(), warnings);
    let env = scenario.inspect(&name, "/Config/Env").to_string();
    for variable in ["MINE=1", "FROM_IMAGE=1", "REDIS_VERSION=8.0"] {
        assert!(env.contains(variable), "{variable}: {env}");
    }
    assert_eq!(scenario.inspect(&name, "/Config/Labels/from"), "image");
    assert_eq!(scenario.inspect(&name, "/Config/Image"), "redis:8.0");
    // Its own image can't be resolved again.
    let again = scenario.post(&path, &patch(&image));
    assert_eq!(again.status, 404, "{}", again.text);
}
