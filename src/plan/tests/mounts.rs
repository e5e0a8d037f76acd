//! Every volume is attached again, by name, and none is attached twice.

use std::collections::HashSet;

use super::*;

/// A container with these `Binds` and `Mounts`; `printed` is what inspect prints as mounted.
fn case(binds: Value, mounts: Value, printed: Value) -> Case {
    Case::new()
        .host("Binds", binds)
        .host("Mounts", mounts)
        .container("/Mounts", printed)
}

/// A volume as inspect prints it.
fn volume(name: &str, target: &str) -> Value {
    json!({ "Type": "volume", "Name": name, "Source": "/var/lib/docker/volumes/_data",
        "Destination": target, "Mode": "", "RW": true, "Propagation": "" })
}

/// A folder of the host as inspect prints it.
fn folder(source: &str, target: &str) -> Value {
    json!({ "Type": "bind", "Source": source, "Destination": target,
        "Mode": "", "RW": true, "Propagation": "rprivate" })
}

fn with(mut mount: Value, key: &str, value: Value) -> Value {
    mount[key] = value;
    mount
}

fn binds(case: &Case) -> Value {
    case.create("/HostConfig/Binds")
}

fn mounts(case: &Case) -> Value {
    case.create("/HostConfig/Mounts")
}

#[test]
fn named_binds_stay_but_for_nocopy() {
    for (bind, sent) in [
        ("data:/data", "data:/data:nocopy"),
        ("data:/data:ro,z", "data:/data:ro,z,nocopy"),
        ("data:/data:nocopy", "data:/data:nocopy"),
        ("data:/data/:rw", "data:/data/:rw,nocopy"),
        ("/srv:/data:ro,rslave,z", "/srv:/data:ro,rslave,z"),
        ("/srv/:/data/", "/srv/:/data/"),
    ] {
        for printed in [volume("data", "/data"), folder("/srv", "/data")] {
            let case = case(json!([bind]), Value::Null, json!([printed]));
            assert_eq!(binds(&case), json!([sent]), "{bind}");
        }
    }
}

/// Where a mount has no options, the engine shares the volume's label among containers; with
/// nocopy, it has one.
#[test]
fn a_volume_stays_shared_under_selinux() {
    let printed = json!([
        volume("a", "/a"),
        volume("b", "/b"),
        volume("c", "/c"),
        volume("d", "/d"),
        folder("/srv", "/srv"),
    ]);
    let asked = json!(["a:/a", "b:/b:ro", "/c", "/srv:/srv"]);
    let case = case(asked, Value::Null, printed);
    let case = case.container(
        "/MountLabel",
        json!("system_u:object_r:container_file_t:s0:c1,c2"),
    );
    let sent = [
        "a:/a:z,nocopy",
        "b:/b:ro,nocopy",
        "c:/c:z,nocopy",
        "/srv:/srv",
        "d:/d:z,nocopy",
    ];
    assert_eq!(binds(&case), json!(sent));
}

#[test]
fn named_mounts_stay_but_for_nocopy() {
    let no_copy = json!({ "NoCopy": true });
    let data = json!({ "Type": "volume", "Source": "data", "Target": "/data", "ReadOnly": true,
        "VolumeOptions": { "Subpath": "a/b", "NoCopy": false } });
    let more = json!({ "Type": "volume", "Source": "more", "Target": "/more/" });
    let srv = json!({ "Type": "bind", "Source": "/srv", "Target": "/srv",
        "BindOptions": { "Propagation": "rslave" } });
    let tmpfs = json!({ "Type": "tmpfs", "Target": "/tmp" });
    let printed = json!([
        volume("data", "/data"), volume("more", "/more"), folder("/srv", "/srv"),
        { "Type": "tmpfs", "Destination": "/tmp", "RW": true },
    ]);
    let case = case(Value::Null, json!([data, more, srv, tmpfs]), printed);
    let options = json!({ "Subpath": "a/b", "NoCopy": true });
    let data = with(data, "VolumeOptions", options);
    let more = with(more, "VolumeOptions", no_copy);
    assert_eq!(mounts(&case), json!([data, more, srv, tmpfs]));
    assert_eq!(binds(&case), Value::Null);
}

/// Left as it is it would be a new volume; beside itself, a "duplicate mount point".
#[test]
fn an_anonymous_volume_is_attached_by_its_name() {
    let printed = || json!([volume("f00d", "/data")]);
    let by_name = json!(["f00d:/data:nocopy"]);
    for target in ["/data", "/data/", "//data", "/x/../data", "/./data"] {
        let case = |binds, mounts| case(binds, mounts, printed());
        let bind = case(json!([target]), Value::Null);
        assert_eq!(binds(&bind), by_name, "{target}");
        for source in [Value::Null, json!("")] {
            let mount = json!({ "Type": "volume", "Source": source, "Target": target });
            let case = case(Value::Null, json!([mount]));
            let mount = with(mount, "Source", json!("f00d"));
            let mount = with(mount, "VolumeOptions", json!({ "NoCopy": true }));
            assert_eq!(mounts(&case), json!([mount]));
            assert_eq!(binds(&case), Value::Null, "{target}");
        }
    }
    // The image's VOLUME, or `Config.Volumes` of the request.
    for config in [Value::Null, json!({ "/data": {} })] {
        let case = case(Value::Null, Value::Null, printed()).mine("Volumes", config);
        assert_eq!(binds(&case), by_name);
    }
}

#[test]
fn volumes_from_become_the_mounts_themselves() {
    let printed = json!([
        volume("own", "/own"),
        with(volume("logs", "/logs"), "RW", json!(false)),
        with(volume("conf", "/conf"), "Mode", json!("z")),
        folder("/srv", "/srv"),
        with(folder("/etc/x", "/etc/x"), "Propagation", json!("rslave")),
    ]);
    let case = case(json!(["own:/own"]), Value::Null, printed);
    let case = case.host("VolumesFrom", json!(["store:ro"]));
    assert_eq!(
        binds(&case),
        json!([
            "own:/own:nocopy",
            // In the order of the targets.
            "conf:/conf:z,nocopy",
            "/etc/x:/etc/x:rslave",
            "logs:/logs:ro,nocopy",
            "/srv:/srv",
        ])
    );
    assert_eq!(case.create("/HostConfig/VolumesFrom"), Value::Null);
}

/// Also across `Binds`, `Mounts` and `Tmpfs`, so that nothing is mounted twice. What no entry of
/// the original's own asked for, here `/cache`, stays unless something else is mounted there.
#[test]
fn a_patch_merges_mounts_by_target() {
    let printed = json!([
        volume("data", "/data"),
        folder("/srv", "/srv"),
        volume("more", "/more"),
        volume("old", "/cache"),
    ]);
    let more = json!([{ "Type": "volume", "Source": "more", "Target": "/more" }]);
    // The last row is for the engine to refuse.
    for [patch, binds, mounts, tmpfs] in table(
        r#"
        {}                                                 | ["data:/data:nocopy", "/srv:/srv", "old:/cache:nocopy"]             | ["/more"]            | ["/run"]
        { "Binds": ["new:/new", "other:/data/:ro"] }       | ["/srv:/srv", "new:/new", "other:/data/:ro", "old:/cache:nocopy"]   | ["/more"]            | ["/run"]
        { "Binds": ["/h:/more", "/h:/run", "/h:/srv"] }    | ["data:/data:nocopy", "/h:/more", "/h:/run", "/h:/srv", "old:/cache:nocopy"] | []           | []
        { "Mounts": [{ "Target": "/cache/" }] }            | ["data:/data:nocopy", "/srv:/srv"]                                  | ["/more", "/cache/"] | ["/run"]
        { "Tmpfs": { "/cache": "", "/srv": "", "/more": "" } } | ["data:/data:nocopy"]                                           | []                   | ["/run", "/cache", "/srv", "/more"]
        { "Binds": null, "Mounts": null, "Tmpfs": null }   | ["old:/cache:nocopy"]                                               | []                   | []
        { "Binds": ["a:/a"], "Mounts": [{ "Target": "/a" }] } | ["data:/data:nocopy", "/srv:/srv", "a:/a", "old:/cache:nocopy"]  | ["/more", "/a"]      | ["/run"]
        "#,
    ) {
        let binds_before = json!(["data:/data", "/srv:/srv"]);
        let case = case(binds_before, more.clone(), printed.clone());
        let case = case.host("Tmpfs", json!({ "/run": "" }));
        let host = case
            .patch(json!({ "HostConfig": patch }))
            .create("/HostConfig");
        let list = |field: &str| host[field].as_array().into_iter().flatten();
        let at: Value = list("Mounts").map(|m| m["Target"].clone()).collect();
        let in_memory = host["Tmpfs"].as_object().into_iter().flatten();
        let in_memory: Value = in_memory.map(|(at, _)| at.clone()).collect();
        let sent = [host["Binds"].clone(), at, in_memory];
        assert_eq!(sent, [binds, mounts, tmpfs], "{patch}");
    }
}

/// Each stays where it is, and another takes its place; none that has a name is touched.
#[test]
fn renewed_volumes_become_anonymous_again() {
    let [kept, image, bound, mounted] = [1, 2, 3, 4].map(|digit| digit.to_string().repeat(64));
    let printed = json!([
        volume("data", "/data"),
        volume(&kept, "/kept"),
        volume(&image, "/image"),
        with(volume(&bound, "/bound"), "RW", json!(false)),
        volume(&mounted, "/mounted"),
    ]);
    let binds_of = json!(["data:/data", "/kept", format!("{bound}:/bound:ro,nocopy")]);
    let by_name = json!({ "Type": "volume", "Source": mounted, "Target": "/mounted",
        "VolumeOptions": { "NoCopy": true, "Labels": { "a": "b" } } });
    let mut case = case(binds_of, json!([by_name]), printed);
    let anonymous = anonymous_volumes(&case.container);
    assert_eq!(
        HashSet::from_iter(&anonymous),
        HashSet::from([&kept, &image, &bound, &mounted])
    );
    // Another container has it, too.
    case.renewed = anonymous.into_iter().filter(|name| *name != kept).collect();
    let binds_sent = json!(["data:/data:nocopy", format!("{kept}:/kept:nocopy")]);
    assert_eq!(binds(&case), binds_sent);
    let by_none = json!({ "Type": "volume", "Target": "/mounted",
        "VolumeOptions": { "Labels": { "a": "b" } } });
    assert_eq!(
        mounts(&case),
        json!([
            by_none,
            { "Type": "volume", "Target": "/bound", "ReadOnly": true },
            { "Type": "volume", "Target": "/image" },
        ])
    );
    let plan = case.plan();
    assert!(plan.changed);
    for name in [&image, &bound, &mounted] {
        let about = plan.warnings.iter().filter(|w| w.contains(name.as_str()));
        assert_eq!(about.count(), 1, "{name}");
    }
    case.renewed.push(kept);
    assert_eq!(binds(&case), json!(["data:/data:nocopy", "/kept"]));
}

#[test]
fn an_anonymous_entry_is_renewed_as_it_was_asked_for() {
    let name = "f".repeat(64);
    let asked = json!({ "Type": "volume", "Target": "/data", "VolumeOptions": { "NoCopy": true } });
    let mut case = case(Value::Null, json!([asked]), json!([volume(&name, "/data")]));
    case.renewed = vec![name];
    assert_eq!(mounts(&case), json!([asked]));
    assert_eq!(binds(&case), Value::Null);
}

/// It has no name to ask for it again.
#[test]
fn no_patch_loses_an_anonymous_volume() {
    let name = "e".repeat(64);
    let by_name = format!("{name}:/v:nocopy");
    for (binds_of, mounts_of) in [
        // VOLUME; and the same after an upgrade.
        (Value::Null, Value::Null),
        (json!([by_name]), Value::Null),
        (json!(["/v"]), Value::Null),
        (Value::Null, json!([{ "Type": "volume", "Target": "/v" }])),
    ] {
        let mut case = case(
            binds_of.clone(),
            mounts_of.clone(),
            json!([volume(&name, "/v")]),
        );
        for patch in [
            json!({ "Binds": null }),
            json!({ "Mounts": null }),
            json!({ "Binds": null, "Mounts": null }),
            json!({ "Tmpfs": { "/v": null } }),
        ] {
            case.patch = json!({ "HostConfig": patch });
            let sent = case.create("/HostConfig").to_string();
            assert!(
                sent.contains(&name),
                "{patch} {binds_of} {mounts_of}: {sent}"
            );
            // A new one takes its place; or there was none to speak of by name.
            let mut case = case.clone();
            case.renewed = vec![name.clone()];
            let [binds, mounts] =
                ["Binds", "Mounts"].map(|f| case.create(&format!("/HostConfig/{f}")));
            let sent = format!("{binds}{mounts}");
            assert!(
                sent.contains("/v\"") && !sent.contains(&name),
                "{patch}: {sent}"
            );
        }
    }
}

#[test]
fn a_tmpfs_that_is_taken_away_takes_no_volume_with_it() {
    let mut case = case(
        json!(["data:/data"]),
        Value::Null,
        json!([volume("data", "/data")]),
    );
    case.patch = json!({ "HostConfig": { "Tmpfs": { "/data": null } } });
    assert_eq!(binds(&case), json!(["data:/data:nocopy"]));
}

/// Create would copy an image's files into it while it is empty, and the original runs on it.
#[test]
fn a_volume_that_is_asked_for_again_stays_nocopy() {
    let printed = || json!([volume("data", "/data")]);
    let mut by_bind = case(json!(["data:/data"]), Value::Null, printed());
    by_bind.patch = json!({ "HostConfig": { "Binds": ["data:/elsewhere:ro", "other:/other"] } });
    let sent = json!([
        "data:/data:nocopy",
        "data:/elsewhere:ro,nocopy",
        "other:/other"
    ]);
    assert_eq!(binds(&by_bind), sent);
    let asked = json!([{ "Type": "volume", "Source": "data", "Target": "/data" }]);
    by_bind.patch = json!({ "HostConfig": { "Mounts": asked } });
    let no_copy = with(asked[0].clone(), "VolumeOptions", json!({ "NoCopy": true }));
    assert_eq!(mounts(&by_bind), json!([no_copy]));
    assert_eq!(binds(&by_bind), json!([]));
}

#[test]
fn a_volume_is_renewed_with_its_driver() {
    let name = "d".repeat(64);
    let mut case = case(Value::Null, Value::Null, json!([volume(&name, "/v")]));
    case = case.host("VolumeDriver", json!("nfs"));
    case.renewed = vec![name];
    let options = json!({ "DriverConfig": { "Name": "nfs" } });
    let fresh = json!([{ "Type": "volume", "Target": "/v", "VolumeOptions": options }]);
    assert_eq!(mounts(&case), fresh);
}
