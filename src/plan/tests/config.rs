//! `Config`: variables, labels, commands, health checks, host names.

use super::*;

/// What the old image has, what the container has, the patch, and what is sent.
#[test]
fn fields_are_merged() {
    for [field, base, mine, patch, sent] in table(
        r#"
        // By variable. A bare name suppresses the image's variable, and stays.
        "Env" | ["A=1", "B=1"] | ["B=1", "A=2", "C="] | {}                            | ["A=2", "C="]
        "Env" | ["A=1"]        | ["A"]                | {}                            | ["A"]
        "Env" | ["A=1"]        | ["A=1"]              | { "Env": ["A"] }              | ["A"]
        "Env" | []             | ["A=1", "B=2"]       | { "Env": ["A=b=c", "C=", "D"] } | ["A=b=c", "B=2", "C=", "D"]
        "Env" | ["A=1"]        | ["A=2", "B=1"]       | { "Env": null }               | null
        // Of a variable that stands there twice the last entry counts.
        "Env" | []             | ["A=1", "B=1", "A=2"] | { "Env": ["A=3"] }           | ["A=3", "B=1"]
        "Env" | ["A=1"]        | ["A=2", "A=1"]       | {}                            | []
        "Env" | []             | ["A=1"]              | { "Env": ["A=2", "A=3"] }     | ["A=3"]
        // By key.
        "Labels"       | { "a": "1", "b": "1" } | { "a": "1", "b": "2", "c": "3" } | {}                                        | { "b": "2", "c": "3" }
        "Labels"       | { "a": "1" }           | { "a": "2", "c": "3" }           | { "Labels": { "c": null, "d": "4" } }     | { "a": "2", "d": "4" }
        "Labels"       | { "a": "1" }           | { "a": "2" }                     | { "Labels": null }                        | null
        "ExposedPorts" | { "1/tcp": {} }        | { "1/tcp": {}, "2/tcp": {} }     | {}                                        | { "2/tcp": {} }
        "ExposedPorts" | null                   | { "2/tcp": {} }                  | { "ExposedPorts": { "2/tcp": null, "3/tcp": {} } } | { "3/tcp": {} }
        "Volumes"      | { "/a": {} }           | { "/a": {}, "/b": {} }           | {}                                        | { "/b": {} }
        "Volumes"      | { "/a": {} }           | { "/a": {} }                     | { "Volumes": { "/c": {} } }               | { "/c": {} }
        // By value.
        "User"       | "nginx" | "nginx" | {}                        | null
        "User"       | "nginx" | "me"    | {}                        | "me"
        "User"       | "nginx" | "me"    | { "User": "nginx" }       | "nginx"
        "User"       | "nginx" | "me"    | { "User": null }          | null
        "WorkingDir" | "/app"  | "/app"  | {}                        | null
        "WorkingDir" | "/app"  | "/srv"  | {}                        | "/srv"
        "StopSignal" | "TERM"  | "TERM"  | {}                        | null
        "StopSignal" | "TERM"  | "QUIT"  | {}                        | "QUIT"
        // Create does not take it from the image (moby `daemon/commit.go`, `merge`).
        "Shell"      | ["sh"]  | ["sh"]  | {}                        | ["sh"]
        "#,
    ) {
        let name = field.as_str().expect("a name");
        let case = Case::new().base(name, base).mine(name, mine).patch(patch);
        let case = case.host("PortBindings", json!({}));
        assert_eq!(case.create(&format!("/{name}")), sent, "{case:?}");
    }
}

/// Entrypoint and Cmd of the old image, of the container, of the patch, and what is sent.
#[test]
fn entrypoint_and_cmd() {
    for [e, c, my_e, my_c, patch, to_e, to_c, why] in table(
        r#"
        ["e"] | ["c"] | ["e"] | ["c"] | {}                                   | null  | null  | "both from the image"
        ["e"] | ["c"] | ["e"] | ["d"] | {}                                   | null  | ["d"] | "a Cmd of one's own"
        ["e"] | ["c"] | ["f"] | null  | {}                                   | ["f"] | null  | "one's own Entrypoint shuts out the image's Cmd"
        ["e"] | ["c"] | ["f"] | ["c"] | {}                                   | ["f"] | ["c"] | "so a Cmd beside it was given, though it equals the image's"
        ["e"] | ["c"] | ["e"] | null  | {}                                   | ["e"] | null  | "no Cmd over a set one: the Entrypoint was given"
        ["e"] | ["c"] | ["e"] | []    | {}                                   | ["e"] | []    | "the same of an empty one"
        ["e"] | ["c"] | null  | ["d"] | {}                                   | [""]  | ["d"] | "a cleared Entrypoint shows as null"
        ["e"] | ["c"] | null  | ["c"] | {}                                   | [""]  | ["c"] | "a Cmd beside it had to be given"
        ["e"] | ["c"] | []    | ["c"] | {}                                   | []    | null  | "an empty Entrypoint lets the image's Cmd through"
        ["e"] | ["c"] | []    | ["d"] | {}                                   | []    | ["d"] | "an empty Entrypoint, a Cmd of one's own"
        null  | ["c"] | null  | ["c"] | {}                                   | null  | null  | "an image without an Entrypoint"
        null  | ["c"] | ["f"] | ["c"] | {}                                   | ["f"] | ["c"] | "an Entrypoint where the image has none"
        ["e"] | null  | ["e"] | ["d"] | {}                                   | null  | ["d"] | "a Cmd where the image has none"
        ["e"] | ["c"] | ["e"] | ["d"] | { "Cmd": ["p"] }                     | null  | ["p"] | "the patch's Cmd comes first"
        ["e"] | ["c"] | ["e"] | ["d"] | { "Entrypoint": ["p"] }              | ["p"] | ["d"] | "the patch's Entrypoint leaves a Cmd of one's own"
        ["e"] | ["c"] | ["e"] | ["c"] | { "Entrypoint": ["p"] }              | ["p"] | null  | "but shuts out the image's"
        ["e"] | ["c"] | ["f"] | ["d"] | { "Entrypoint": [""] }               | [""]  | ["d"] | "the patch clears the Entrypoint"
        ["e"] | ["c"] | ["f"] | ["d"] | { "Entrypoint": null, "Cmd": null }  | null  | null  | "null goes back to the image"
        ["e"] | ["c"] | ["f"] | ["d"] | { "Entrypoint": "p", "Cmd": "q" }    | ["p"] | ["q"] | "one text is a list of one"
        "#,
    ) {
        let case = Case::new().base("Entrypoint", e).base("Cmd", c);
        let case = case.mine("Entrypoint", my_e).mine("Cmd", my_c).patch(patch);
        let sent = [case.create("/Entrypoint"), case.create("/Cmd")];
        assert_eq!(sent, [to_e, to_c], "{why}");
    }
}

#[test]
fn a_health_check_is_merged_by_sub_field() {
    let theirs = json!({
        "Test": ["CMD", "true"], "Interval": 1, "Timeout": 2, "StartPeriod": 3, "StartInterval": 4,
        "Retries": 5,
    });
    for (field, same) in theirs.as_object().expect("an object") {
        let case = |mine: &Value| {
            let case = Case::new().base("Healthcheck", theirs.clone());
            let case = case.mine("Healthcheck", theirs.clone());
            case.mine(&format!("Healthcheck/{field}"), mine.clone())
        };
        assert_eq!(case(same).create("/Healthcheck"), Value::Null, "{field}");
        let mine = json!("mine");
        assert_eq!(case(&mine).create("/Healthcheck"), json!({ field: mine }));
        let patched = case(&mine).patch(json!({ "Healthcheck": { field: 7 } }));
        assert_eq!(patched.create("/Healthcheck"), json!({ field: 7 }));
    }
}

#[test]
fn a_host_name_is_left_out_where_the_engine_refuses_it() {
    for [patch, sent] in table(
        r#"
        {}                                                    | "broker-1"
        { "HostConfig": { "NetworkMode": "host" } }           | "broker-1"
        { "HostConfig": { "NetworkMode": "container:abc" } }  | null
        { "HostConfig": { "UTSMode": "host" } }               | null
        "#,
    ) {
        let mut original = Case::new();
        for (key, mode) in patch["HostConfig"].as_object().into_iter().flatten() {
            original = original.host(key, mode.clone());
        }
        for case in [original, Case::new().patch(patch)] {
            let case = case.mine("Hostname", json!("broker-1"));
            let case = case.mine("Domainname", json!("broker-1"));
            assert_eq!(case.create("/Hostname"), sent, "{case:?}");
            assert_eq!(case.create("/Domainname"), sent, "{case:?}");
        }
    }
    // A name in the patch is for the engine to refuse.
    let patch = json!({ "Hostname": "new", "HostConfig": { "UTSMode": "host" } });
    assert_eq!(Case::new().patch(patch).create("/Hostname"), json!("new"));
}

/// Docker 20.10 cleans a container's, and not an image's.
#[test]
fn a_working_directory_is_compared_as_a_path() {
    let case = Case::new()
        .mine("WorkingDir", json!("/usr/src/app"))
        .base("WorkingDir", json!("/usr/src/app/"));
    assert_eq!(case.plan().create.get("WorkingDir"), None);
    let set = case.mine("WorkingDir", json!("/usr/src/other"));
    assert_eq!(set.create("/WorkingDir"), json!("/usr/src/other"));
}

#[test]
fn labels_about_the_image_are_made_anew() {
    let [compose, project] = ["com.docker.compose.image", "com.docker.compose.project"];
    for base in [Value::Null, json!({ "maintainer": "NGINX" })] {
        let labels = json!({ compose: "sha256:old", project: "shop", MARKER_LABEL: "{}" });
        let case = Case::new().base("Labels", base).mine("Labels", labels);
        let sent = json!({ compose: "sha256:new", project: "shop" });
        assert_eq!(case.create("/Labels"), sent);
    }
}
