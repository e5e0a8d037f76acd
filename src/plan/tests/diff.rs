//! The diff: each value that will be another, with its reason.

use super::*;

/// The diff as rows of path, from, to and reason, in the order of the paths.
fn rows(case: &Case) -> Vec<[Value; 4]> {
    let row = |change: Change| {
        let because = change.because.to_string();
        [json!(change.path), change.from, change.to, json!(because)]
    };
    sorted(case.plan().diff.into_iter().map(row).collect())
}

fn sorted(mut rows: Vec<[Value; 4]>) -> Vec<[Value; 4]> {
    rows.sort_by_key(|[path, ..]| path.to_string());
    rows
}

#[test]
fn what_the_new_image_says_replaces_what_the_old_one_said() {
    let expected = sorted(table(
        r#"
        "Image"             | "nginx:1.27" | "nginx:1.28" | "new image default"
        "ImageId"           | "sha256:old" | "sha256:new" | "new image default"
        "Env.NGINX_VERSION" | "1.27"       | "1.28"       | "new image default"
        "Labels.version"    | "1.27"       | "1.28"       | "new image default"
        "#,
    ));
    assert_eq!(rows(&Case::new()), expected);
}

#[test]
fn what_the_new_image_does_not_say_goes_and_what_it_adds_comes() {
    let mut case = Case::new().host("PortBindings", json!({}));
    case.new_image = json!({ "Id": "sha256:old", "Config": {
        "Env": ["PATH=/bin", "NEW=1"], "Cmd": ["serve"], "Volumes": { "/data": {} },
        "ExposedPorts": { "81/tcp": {} }, "Labels": {}, "User": "me",
    } });
    case.container["Config"]["Image"] = json!("nginx:1.28");
    let expected = sorted(table(
        r#"
        "Env.PATH"           | "/usr/bin:/bin"             | "/bin" | "new image default"
        "Env.NGINX_VERSION"  | "1.27"                      | null   | "new image default"
        "Env.NEW"            | null                        | "1"    | "new image default"
        "Entrypoint"         | ["/docker-entrypoint.sh"]   | null   | "new image default"
        "Cmd"                | ["nginx", "-g", "daemon off;"] | ["serve"] | "new image default"
        "ExposedPorts.80/tcp" | {}                         | null   | "new image default"
        "ExposedPorts.81/tcp" | null                       | {}     | "new image default"
        "Labels.maintainer"  | "NGINX"                     | null   | "new image default"
        "Labels.version"     | "1.27"                      | null   | "new image default"
        "StopSignal"         | "SIGQUIT"                   | null   | "new image default"
        "User"               | ""                          | "me"   | "new image default"
        "Volumes./data"      | null                        | {}     | "new image default"
        "#,
    ));
    assert_eq!(rows(&case), expected);
}

#[test]
fn what_a_person_set_is_no_difference() {
    let case = Case::new()
        .mine("Env", json!(["NGINX_VERSION=mine", "TZ=UTC"]))
        .mine("Labels", json!({ "version": "mine", "tier": "web" }))
        .mine("User", json!("me"))
        .host("Memory", json!(1));
    let paths: Vec<Value> = rows(&case).into_iter().map(|[path, ..]| path).collect();
    assert_eq!(
        paths,
        ["Env.PATH", "Image", "ImageId", "Labels.maintainer"],
        "the two that the person had taken away"
    );
}

#[test]
fn what_the_request_says_is_told_so() {
    let case = Case::new().patch(json!({
        "Image": "nginx:1.28", "Env": ["TZ=UTC", "PATH"], "Labels": { "version": null, "tier": "web" },
        "User": "me",
        "HostConfig": { "Memory": 64, "PortBindings": { "80/tcp": null }, "Binds": ["new:/new"] },
        "NetworkingConfig": { "EndpointsConfig": { "front": { "Aliases": ["www"] } } },
    }));
    let because = json!("from the request");
    let mut requested = rows(&case);
    requested.retain(|[.., reason]| *reason == because);
    let expected = sorted(table(
        r#"
        "Image"   | "nginx:1.27"    | "nginx:1.28"  | "from the request"
        "ImageId" | "sha256:old"    | "sha256:new"  | "from the request"
        "Env.PATH" | "/usr/bin:/bin" | null         | "from the request"
        "Env.TZ"  | null            | "UTC"         | "from the request"
        // The new image says something of it, too, and is heard where the request says null.
        "Labels.version" | "1.27"   | "1.28"        | "from the request"
        "Labels.tier" | null        | "web"         | "from the request"
        "User"    | ""              | "me"          | "from the request"
        "HostConfig.Binds" | null   | ["new:/new"]  | "from the request"
        "HostConfig.PortBindings.80/tcp" | [{ "HostIp": "", "HostPort": "8080" }] | null | "from the request"
        "HostConfig.Memory" | 0     | 64            | "from the request"
        "NetworkingConfig.EndpointsConfig.front" | null | { "Aliases": ["www"] } | "from the request"
        "#,
    ));
    assert_eq!(requested, expected);
}

#[test]
fn what_stays_in_another_form_is_kept() {
    let case = Case::new()
        .host("Binds", json!(["data:/data"]))
        .container(
            "/Mounts",
            json!([{ "Type": "volume", "Name": "data", "Destination": "/data" }]),
        )
        .host(
            "PortBindings",
            json!({ "80/tcp": [{ "HostIp": "", "HostPort": "" }] }),
        )
        .container(
            "/NetworkSettings/Ports",
            json!({ "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "32768" }] }),
        );
    let mut kept = rows(&case);
    kept.retain(|[.., reason]| reason == "kept: set on the container");
    let expected = sorted(table(
        r#"
        "HostConfig.Binds" | ["data:/data"] | ["data:/data:nocopy"] | "kept: set on the container"
        "HostConfig.PortBindings.80/tcp" | [{ "HostIp": "", "HostPort": "" }] | [{ "HostIp": "", "HostPort": "32768" }] | "kept: set on the container"
        "#,
    ));
    assert_eq!(kept, expected);
}

#[test]
fn nothing_to_do_is_no_difference() {
    let mut case = Case::new();
    case.new_image = image("sha256:old", "1.27");
    case.container["Config"]["Image"] = json!("nginx:1.28");
    assert_eq!(
        rows(&case),
        [[(); 4]; 0].map(|_: [(); 4]| [const { Value::Null }; 4])
    );
}
