//! New anonymous volumes, where they are asked for.

use std::collections::BTreeMap;

use compat_tests::{Scenario, patch};

/// The names of a container's volumes, by target.
fn volumes(scenario: &Scenario, name: &str) -> BTreeMap<String, String> {
    let mounts = scenario.inspect(name, "/Mounts");
    let mounts = mounts.as_array().expect("a list").iter();
    let text = |mount: &serde_json::Value, key: &str| mount[key].as_str().map(str::to_owned);
    mounts
        .filter_map(|mount| Some((text(mount, "Destination")?, text(mount, "Name")?)))
        .collect()
}

#[test]
fn anonymous_volumes_are_renewed_and_the_old_ones_left() {
    let scenario = Scenario::new("renew");
    let (name, other, named) = (
        scenario.named("db"),
        scenario.named("other"),
        scenario.named("vol"),
    );
    scenario.run(&[
        "--name", &other, "-v", "/shared", "busybox", "sleep", "1000",
    ]);
    let from = format!("--volumes-from={other}");
    let bind = format!("{named}:/named");
    scenario.run(&[
        "--name",
        &name,
        "-v",
        "/asked",
        "-v",
        &bind,
        "--mount=type=volume,target=/long",
        &from,
        "redis:7.0",
    ]);
    let write = |to: &str| {
        scenario.docker(&["exec", &name, "sh", "-c", &format!("echo kept > {to}/file")]);
    };
    let first = volumes(&scenario, &name);
    let targets: Vec<&str> = first.keys().map(String::as_str).collect();
    // /data is a VOLUME of the image.
    assert_eq!(targets, ["/asked", "/data", "/long", "/named", "/shared"]);
    for target in &targets {
        write(target);
    }
    let upgrade = |query: &str| {
        let path = format!("/containers/{name}/upgrade?pull=never&t=5{query}");
        let answer = scenario.post(&path, &patch("redis:8.0"));
        assert_eq!(answer.status, 200, "{}", answer.text);
        (
            answer.json()["Changed"] == true,
            answer.json()["Warnings"].to_string(),
        )
    };
    // Attached by their names from here on, as the one of --volumes-from is.
    assert!(upgrade("").0);
    assert_eq!(volumes(&scenario, &name), first);
    let (changed, warnings) = upgrade("&renewVolumes=1");
    assert!(changed);
    let renewed = volumes(&scenario, &name);
    for (target, volume) in &first {
        let is_own = ["/asked", "/data", "/long"].contains(&target.as_str());
        assert_eq!(renewed[target] != *volume, is_own, "{target}");
        assert_eq!(warnings.contains(volume), is_own, "{target}: {warnings}");
        let file = [
            "run",
            "--rm",
            "-v",
            &format!("{volume}:/v"),
            "busybox",
            "cat",
            "/v/file",
        ];
        assert_eq!(scenario.docker(&file), "kept", "{target}");
    }
    for target in &targets {
        let file = format!("test -e {target}/file || echo none");
        let said = scenario.docker(&["exec", &name, "sh", "-c", &file]);
        assert_eq!(
            said == "none",
            renewed[*target] != first[*target],
            "{target}"
        );
    }
    // Once more, without asking for it.
    assert!(!upgrade("").0);
    let (_, warnings) = upgrade("&force=1");
    assert!(!warnings.contains("mounted no more"), "{warnings}");
    assert_eq!(volumes(&scenario, &name), renewed);
    for volume in first.values() {
        scenario.forget_volume(volume);
    }
}
