//! What a plan warns of, and what it does not.

use super::*;

/// The warnings that contain a text.
fn about(case: &Case, text: &str) -> Vec<String> {
    let warnings = case.plan().warnings.into_iter();
    warnings.filter(|warning| warning.contains(text)).collect()
}

fn theirs(mut case: Case, field: &str, value: Value) -> Case {
    case.new_image["Config"][field] = value;
    case
}

fn volume_at(name: &str, target: &str) -> Value {
    json!({ "Type": "volume", "Name": name, "Destination": target, "Mode": "", "RW": true })
}

#[test]
fn an_ordinary_upgrade_warns_of_nothing() {
    assert_eq!(Case::new().plan().warnings, [""; 0]);
}

/// The engine puts the image's variables behind those that were given.
#[test]
fn a_variable_that_was_given_with_the_old_default_is_named() {
    let image_env = |version: &str| json!(["PATH=/bin", format!("VERSION={version}"), "TZ=UTC"]);
    for [mine, named] in table(
        r#"
        ["PATH=/bin", "VERSION=1", "TZ=UTC"]                 | []
        ["MINE=1", "PATH=/bin", "VERSION=1", "TZ=UTC"]       | []
        ["VERSION=2", "PATH=/bin", "TZ=UTC"]                 | []
        ["VERSION=1", "PATH=/bin", "TZ=UTC"]                 | ["Env.VERSION"]
        ["VERSION=1", "MINE=1", "PATH=/bin", "TZ=UTC"]       | ["Env.VERSION"]
        // All of them given by a tool that reads and writes them back; only one changes.
        ["PATH=/bin", "VERSION=1", "TZ=UTC", "MINE=1"]       | ["Env.VERSION"]
        // The same in the new image.
        ["TZ=UTC", "PATH=/bin", "VERSION=1"]                 | []
        "#,
    ) {
        let case = Case::new()
            .mine("Env", mine.clone())
            .base("Env", image_env("1"));
        let case = theirs(case, "Env", image_env("2"));
        let warnings = about(&case, "on purpose");
        let told = warnings
            .iter()
            .filter_map(|warning| Some(warning.split_once(':')?.0));
        assert_eq!(json!(told.collect::<Vec<_>>()), named, "{mine}");
        let set = case.patch(json!({ "Env": ["VERSION=1"] }));
        assert_eq!(about(&set, "on purpose"), [""; 0], "{mine}");
    }
}

#[test]
fn a_whole_value_that_equals_the_old_default_and_changes_is_named() {
    let case = Case::new()
        .mine("User", json!("web"))
        .base("User", json!("web"))
        .mine("WorkingDir", json!("/srv"))
        .base("WorkingDir", json!("/srv"));
    let case = theirs(
        theirs(case, "User", json!("www")),
        "WorkingDir",
        json!("/srv"),
    );
    let case = theirs(case, "Cmd", json!(["other"]));
    let [warning] = about(&case, "on purpose").try_into().expect("one");
    assert!(warning.starts_with("Cmd, User: "), "{warning}");
    let case = case.patch(json!({ "User": "web", "Cmd": null }));
    assert_eq!(about(&case, "on purpose"), [""; 0]);
}

#[test]
fn another_user_is_told_where_there_are_files() {
    let case = theirs(Case::new(), "User", json!("me"));
    assert_eq!(about(&case, "the user"), [""; 0], "nothing is mounted");
    let with_data = case
        .clone()
        .host("Binds", json!(["data:/data"]))
        .container("/Mounts", json!([volume_at("data", "/data")]));
    let [warning] = about(&with_data, "the user").try_into().expect("one");
    assert!(warning.contains("was root, and is me"), "{warning}");
    let kept = with_data.patch(json!({ "User": "0" }));
    assert_eq!(about(&kept, "the user"), [""; 0]);
}

#[test]
fn another_set_of_volumes_is_told() {
    let case = Case::new()
        .base("Volumes", json!({ "/old": {}, "/both": {}, "/never": {} }))
        .mine("Volumes", json!({ "/old": {}, "/both": {} }))
        .host("Binds", json!(["named:/taken/"]))
        .container(
            "/Mounts",
            json!([
                volume_at("a", "/old"),
                volume_at("b", "/both"),
                volume_at("named", "/taken")
            ]),
        );
    let volumes = json!({ "/both": {}, "/new": {}, "/taken": {} });
    let mut case = theirs(case, "Volumes", volumes);
    assert_eq!(
        about(&case, "VOLUME"),
        [
            "the new image declares a VOLUME at /new: a new volume is mounted there",
            "the new image declares no VOLUME at /old: what is mounted there stays",
        ]
    );
    case.old_image = None;
    assert_eq!(about(&case, "VOLUME"), [""; 0], "nothing to compare with");
}

#[test]
fn a_folder_of_the_host_inside_a_volume_is_told() {
    for [binds, told] in table(
        r#"
        ["data:/data", "/srv/conf:/data/conf:ro"]   | true
        ["data:/data", "/srv/conf:/database"]       | false
        ["data:/data/in", "/srv/conf:/data"]        | false
        ["/srv:/data", "/srv/conf:/data/conf"]      | false
        "#,
    ) {
        let case = Case::new().host("Binds", binds.clone());
        let warnings = about(&case, "no part of the volume");
        assert_eq!(json!(!warnings.is_empty()), told, "{binds}");
    }
}

#[test]
fn another_set_of_exposed_ports_is_told_where_all_are_published() {
    let case = theirs(Case::new(), "ExposedPorts", json!({ "81/tcp": {} }));
    assert_eq!(about(&case, "expose"), [""; 0]);
    let case = case.host("PublishAllPorts", json!(true));
    assert_eq!(
        about(&case, "expose"),
        [
            "the new image exposes port 81/tcp: -P publishes it, at a port that the engine chooses",
            "the new image does not expose port 80/tcp: it stays published",
        ]
    );
    let case = case.host("PortBindings", json!({}));
    let [_, gone] = about(&case, "expose").try_into().expect("two");
    assert!(gone.ends_with("-P publishes it no more"), "{gone}");
}

#[test]
fn compose_is_told_of_where_its_file_says_something_else() {
    let labels = json!({ "com.docker.compose.service": "web" });
    let case = Case::new().mine("Labels", labels);
    let back = "compose up will go back";
    assert_eq!(about(&case, back).len(), 1);
    assert_eq!(about(&case, "compose knows nothing"), [""; 0]);
    let same = case.mine("Image", json!("nginx:1.28"));
    assert_eq!(same.plan().warnings, [""; 0]);
    let patched = same.patch(json!({ "Image": "nginx:1.28", "Env": ["A=1"] }));
    assert_eq!(about(&patched, "compose knows nothing").len(), 1);
    assert_eq!(about(&Case::new(), "compose"), [""; 0]);
}

/// Create adds back what the image has.
#[test]
fn what_only_an_image_can_leave_out_is_told() {
    let patch = json!({
        "Labels": { "version": null, "tier": null, "maintainer": "me" },
        "Healthcheck": { "Interval": null },
    });
    let case = Case::new().mine("Labels", json!({ "version": "1.27", "tier": "web" }));
    let case = theirs(case, "Healthcheck", json!({ "Interval": 1 }));
    let [unmet] = case.patch(patch).plan().unmet.try_into().expect("one");
    assert!(unmet.starts_with("Labels.version: "), "{unmet}");
}

#[test]
fn what_the_engine_adds_back_is_told() {
    let case = theirs(Case::new(), "User", json!("web")).host("PublishAllPorts", json!(true));
    let patch = json!({ "User": "", "HostConfig": { "PortBindings": { "80/tcp": null } } });
    let unmet = case.patch(patch).plan().unmet;
    let fields: Vec<_> = unmet
        .iter()
        .filter_map(|told| told.split_once(": "))
        .collect();
    let fields: Vec<&str> = fields.into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["User", "HostConfig.PortBindings.80/tcp"]);
}

#[test]
fn an_entrypoint_shuts_out_the_command_without_a_warning() {
    let plan = Case::new().patch(json!({ "Entrypoint": ["/x"] })).plan();
    assert_eq!(plan.warnings, [""; 0]);
    let of_cmd = plan.diff.iter().find(|change| change.path == "Cmd");
    let because = of_cmd.map(|change| change.because);
    assert_eq!(because, Some(Because::FromRequest));
}

#[test]
fn another_platform_is_told() {
    let mut case = Case::new();
    case.new_image["Os"] = json!("linux");
    case.new_image["Architecture"] = json!("arm64");
    assert_eq!(case.plan().warnings, [""; 0], "the old image says nothing");
    let old = case.old_image.as_mut().expect("it has one");
    old["Os"] = json!("linux");
    old["Architecture"] = json!("amd64");
    let expected = "the new image is for linux/arm64, and the old one for linux/amd64";
    assert_eq!(case.plan().warnings, [expected]);
}
