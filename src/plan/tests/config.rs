//! `Config`: variables, labels, commands, health checks, host names.

use super::*;

/// A row per case: the container's variables, the patch's, and what is sent. The image has
/// `PATH=/usr/bin:/bin` and `NGINX_VERSION=1.27`.
#[test]
fn env_is_merged_by_variable() {
    for (mine, patch, sent) in [
        (
            "NGINX_VERSION=1.27 PATH=/mine TZ=UTC",
            "",
            "PATH=/mine TZ=UTC",
        ),
        // A bare name suppresses the image's variable, and stays.
        ("PATH=/mine NGINX_VERSION", "", "PATH=/mine NGINX_VERSION"),
        // The patch sets, and removes by the bare name, since an image to come may have it.
        ("A=1 B=2 C=3", "B=a=b C D= GONE", "A=1 B=a=b C D= GONE"),
        ("NGINX_VERSION=1.27", "NGINX_VERSION", "NGINX_VERSION"),
        // Of a variable that stands there twice the last entry counts.
        ("A=1 B=1 A=2", "A=3", "A=3 B=1"),
        ("NGINX_VERSION=mine NGINX_VERSION=1.27", "", ""),
        ("A=1", "A=2 A=3", "A=3"),
    ] {
        let list = |text: &str| text.split_whitespace().collect::<Value>();
        let case = Case::new().mine("Env", list(mine));
        let case = case.patch(json!({ "Env": list(patch) }));
        assert_eq!(case.create("/Env"), list(sent), "{mine} + {patch}");
    }
    let case = Case::new().mine("Env", json!(["PATH=/mine"]));
    let case = case.patch(json!({ "Env": null }));
    assert_eq!(case.create("/Env"), Value::Null);
}

#[test]
fn objects_are_merged_by_key() {
    for (field, theirs, mine) in [
        ("Labels", json!("image"), json!("person")),
        ("ExposedPorts", json!({}), json!({})),
        ("Volumes", json!({}), json!({})),
    ] {
        let case = Case::new()
            .base(field, json!({ "both": theirs, "changed": "image" }))
            .mine(
                field,
                json!({ "both": theirs, "changed": "person", "mine": mine }),
            );
        let kept = json!({ "changed": "person", "mine": mine });
        assert_eq!(case.create(&format!("/{field}")), kept, "{field}");
        let case = case.patch(json!({ field: { "mine": null, "new": mine } }));
        let patched = json!({ "changed": "person", "new": mine });
        assert_eq!(case.create(&format!("/{field}")), patched, "{field}");
    }
}

#[test]
fn values_follow_the_image_unless_a_person_set_them() {
    for (field, theirs, mine) in [
        ("User", "nginx", "1000:1000"),
        ("WorkingDir", "/app", "/srv"),
        ("StopSignal", "SIGQUIT", "SIGINT"),
    ] {
        let case = |value: &str| {
            let case = Case::new().base(field, json!(theirs));
            case.mine(field, json!(value))
        };
        let sent = |case: Case| case.create(&format!("/{field}"));
        assert_eq!(sent(case(theirs)), Value::Null, "{field}");
        assert_eq!(sent(case(mine)), json!(mine), "{field}");
        let patched = |value: Value| sent(case(mine).patch(json!({ field: value })));
        assert_eq!(patched(Value::Null), Value::Null, "{field}");
        assert_eq!(patched(json!(theirs)), json!(theirs), "{field}");
    }
    // Create does not take it from the image (moby `daemon/commit.go`, `merge`).
    let shell = json!(["/bin/bash", "-c"]);
    let case = Case::new().base("Shell", shell.clone());
    assert_eq!(case.mine("Shell", shell.clone()).create("/Shell"), shell);
}

/// Of a pair, `-` is null (for the patch) or left out (where sent), `.` untouched, `[]` the empty
/// list, `""` the list of one empty text, and a name the list of that name.
#[test]
fn entrypoint_and_cmd() {
    const TABLE: &str = r#"
        e1 c2 | e1 c2 | . .   | - -   | both from the image
        e1 c2 | e1 c1 | . .   | - c1  | a Cmd of one's own
        e1 c2 | e2 -  | . .   | e2 -  | one's own Entrypoint shuts out the image's Cmd
        e1 c2 | e2 c2 | . .   | e2 c2 | so a Cmd beside it was given, though it equals the image's
        e1 c2 | e1 -  | . .   | e1 -  | no Cmd over a set one: the Entrypoint was given
        e1 c2 | e1 [] | . .   | e1 [] | an empty Cmd over a set one: the same
        e1 c2 | - c1  | . .   | "" c1 | a cleared Entrypoint shows as null
        e1 c2 | - c2  | . .   | "" c2 | a Cmd beside it had to be given
        e1 c2 | [] c2 | . .   | [] -  | an empty one lets the image's Cmd through
        e1 c2 | [] c1 | . .   | [] c1 | an empty one with a Cmd of one's own
        -  c2 | -  c2 | . .   | - -   | an image without an Entrypoint
        -  c2 | e2 c2 | . .   | e2 c2 | an Entrypoint where the image has none
        e1 -  | e1 c1 | . .   | - c1  | a Cmd where the image has none
        e1 c2 | e1 c1 | . c3  | - c3  | the patch's Cmd comes first
        e1 c2 | e1 c1 | e3 .  | e3 c1 | the patch's Entrypoint leaves a Cmd of one's own
        e1 c2 | e1 c2 | e3 .  | e3 -  | but shuts out the image's
        e1 c2 | e2 c1 | - -   | - -   | null goes back to the image
        e1 c2 | e2 c1 | "" .  | "" c1 | the patch clears the Entrypoint
    "#;
    let value = |token: &str| match token {
        "-" => Value::Null,
        "[]" => json!([]),
        token => json!([token.trim_matches('"')]),
    };
    let mut rows = 0;
    for row in TABLE.lines().filter(|row| !row.trim().is_empty()) {
        let pairs: Vec<Vec<&str>> = row
            .split('|')
            .map(|p| p.split_whitespace().collect())
            .collect();
        let mut case = Case::new();
        let mut patch = Object::new();
        for (at, field) in ["Entrypoint", "Cmd"].into_iter().enumerate() {
            let case_of_field = case.base(field, value(pairs[0][at]));
            case = case_of_field.mine(field, value(pairs[1][at]));
            if pairs[2][at] != "." {
                patch.insert(field.to_owned(), value(pairs[2][at]));
            }
        }
        let case = case.patch(Value::Object(patch));
        let sent = [case.create("/Entrypoint"), case.create("/Cmd")];
        assert_eq!(sent, [value(pairs[3][0]), value(pairs[3][1])], "{row}");
        rows += 1;
    }
    assert_eq!(rows, 18);
    let case = Case::new().patch(json!({ "Entrypoint": "sh", "Cmd": "-l" }));
    assert_eq!(
        case.create("/Entrypoint"),
        json!(["sh"]),
        "one text is a list of one"
    );
    assert_eq!(case.create("/Cmd"), json!(["-l"]));
}

#[test]
fn a_health_check_is_merged_by_sub_field() {
    let theirs = json!({
        "Test": ["CMD", "curl", "-f", "localhost"], "Interval": 1, "Timeout": 2,
        "StartPeriod": 3, "StartInterval": 4, "Retries": 5,
    });
    let case = |field: &str, mine: &Value| {
        let case = Case::new().base("Healthcheck", theirs.clone());
        let case = case.mine("Healthcheck", theirs.clone());
        case.mine(&format!("Healthcheck/{field}"), mine.clone())
    };
    for (field, same) in theirs.as_object().expect("an object") {
        assert_eq!(
            case(field, same).create("/Healthcheck"),
            Value::Null,
            "{field}"
        );
        let mine = if field == "Test" {
            json!(["NONE"])
        } else {
            json!(9)
        };
        let changed = case(field, &mine);
        assert_eq!(changed.create("/Healthcheck"), json!({ field: mine }));
        let patched = changed.patch(json!({ "Healthcheck": { field: 7 } }));
        assert_eq!(patched.create("/Healthcheck"), json!({ field: 7 }));
    }
}

#[test]
fn a_host_name_is_left_out_where_the_engine_refuses_it() {
    let mode = |key: &str, mode: &str| json!({ "HostConfig": { key: mode } });
    for (patch, sent) in [
        (json!({}), json!("broker-1")),
        (mode("NetworkMode", "host"), json!("broker-1")),
        (mode("NetworkMode", "container:abc"), Value::Null),
        (mode("UTSMode", "host"), Value::Null),
    ] {
        let case = |case: Case| case.mine("Hostname", json!("broker-1"));
        let patched = case(Case::new()).patch(patch.clone());
        assert_eq!(patched.create("/Hostname"), sent, "{patch}");
        let mut original = Case::new();
        for (key, mode) in patch["HostConfig"].as_object().into_iter().flatten() {
            original = original.host(key, mode.clone());
        }
        assert_eq!(case(original).create("/Hostname"), sent, "{patch}");
    }
    // A name in the patch is for the engine to refuse.
    let patch = json!({ "Hostname": "new", "HostConfig": { "UTSMode": "host" } });
    assert_eq!(Case::new().patch(patch).create("/Hostname"), json!("new"));
}

#[test]
fn labels_about_the_image_are_made_anew() {
    let label = "com.docker.compose.image";
    let case = |value: &str| {
        let labels =
            json!({ label: value, "com.docker.compose.project": "shop", MARKER_LABEL: "{}" });
        Case::new().mine("Labels", labels)
    };
    let sent = json!({ label: "sha256:new", "com.docker.compose.project": "shop" });
    assert_eq!(case("sha256:old").create("/Labels"), sent);
    assert_eq!(
        case("sha256:old")
            .base("Labels", Value::Null)
            .create("/Labels"),
        sent
    );
    assert_eq!(Case::new().create("/Labels"), Value::Null);
}
