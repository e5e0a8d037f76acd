//! The plan, on documents as engines print them.

mod back;
mod config;
mod diff;
mod fields;
mod health;
mod laws;
mod mounts;
mod networks;
mod patch;
mod ports;
mod snapshots;
mod warnings;

use serde_json::{Value, json};

use super::*;

/// Docker 28.
const NEW_API: ApiVersion = ApiVersion {
    major: 1,
    minor: 51,
};

/// Docker 20.10.
const OLD_API: ApiVersion = ApiVersion {
    major: 1,
    minor: 41,
};

const ID: &str = "4cf5a1f9d8b3c2e7a6f5d4c3b2a1908f7e6d5c4b3a29180f7e6d5c4b3a291807";

/// A container with the images before and after.
#[derive(Debug, Clone)]
struct Case {
    api: ApiVersion,
    container: Value,
    old_image: Option<Value>,
    new_image: Value,
    reference: &'static str,
    patch: Value,
    renewed: Vec<String>,
}

impl Case {
    /// `nginx:1.27` → `nginx:1.28`, started with `docker run --name web -p 8080:80`.
    fn new() -> Self {
        Self {
            api: NEW_API,
            container: container(),
            old_image: Some(image("sha256:old", "1.27")),
            new_image: image("sha256:new", "1.28"),
            reference: "nginx:1.28",
            patch: json!({}),
            renewed: Vec::new(),
        }
    }

    /// Sets a value in the container's document.
    fn container(mut self, pointer: &str, value: Value) -> Self {
        set(&mut self.container, pointer, value);
        self
    }

    /// Sets a value in the container's `Config`.
    fn mine(self, field: &str, value: Value) -> Self {
        self.container(&format!("/Config/{field}"), value)
    }

    /// Sets a value in the container's `HostConfig`.
    fn host(self, field: &str, value: Value) -> Self {
        self.container(&format!("/HostConfig/{field}"), value)
    }

    /// Sets a value in the old image's `Config`.
    fn base(mut self, field: &str, value: Value) -> Self {
        let image = self.old_image.as_mut().expect("it has one");
        image["Config"][field] = value;
        self
    }

    fn patch(mut self, patch: Value) -> Self {
        self.patch = patch;
        self
    }

    fn api(mut self, api: ApiVersion) -> Self {
        self.api = api;
        self
    }

    fn compute(&self) -> Result<Plan, Refusal> {
        let patch = check_patch(self.patch.as_object().expect("an object").clone())?;
        compute(&Inputs {
            api: self.api,
            container: &self.container,
            old_image: self.old_image.as_ref(),
            new_image: &self.new_image,
            reference: self.reference,
            patch: &patch,
            renewed: &self.renewed,
        })
    }

    fn plan(&self) -> Plan {
        self.compute().expect("a plan")
    }

    /// A value of the create body; null where it is left out.
    fn create(&self, pointer: &str) -> Value {
        let create = self.plan().create;
        create.pointer(pointer).cloned().unwrap_or_default()
    }
}

/// Sets a value, and makes the objects on the way.
fn set(document: &mut Value, pointer: &str, value: Value) {
    let keys = pointer.trim_start_matches('/').split('/');
    *keys.fold(document, |object, key| &mut object[key]) = value;
}

/// The rows of a table whose cells are JSON, between bars; lines of comment stand between.
fn table<const CELLS: usize>(text: &str) -> Vec<[Value; CELLS]> {
    let cell = |text: &str| serde_json::from_str(text).expect("JSON");
    let row = |line: &str| line.split('|').map(cell).collect::<Vec<Value>>();
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    let rows: Vec<_> = lines.map(|l| row(l).try_into().expect(l)).collect();
    assert!(!rows.is_empty());
    rows
}

fn image(id: &str, version: &str) -> Value {
    json!({
        "Id": id,
        "Config": {
            "Env": ["PATH=/usr/bin:/bin", format!("NGINX_VERSION={version}")],
            "Entrypoint": ["/docker-entrypoint.sh"],
            "Cmd": ["nginx", "-g", "daemon off;"],
            "ExposedPorts": { "80/tcp": {} },
            "Labels": { "maintainer": "NGINX", "version": version },
            "StopSignal": "SIGQUIT",
            "WorkingDir": "",
        },
    })
}

fn container() -> Value {
    let mut config = image("sha256:old", "1.27")["Config"].take();
    for (field, value) in [
        ("Hostname", json!("4cf5a1f9d8b3")),
        ("User", json!("")),
        ("Tty", json!(false)),
        ("Image", json!("nginx:1.27")),
        ("Volumes", Value::Null),
    ] {
        config[field] = value;
    }
    json!({
        "Id": ID,
        "Name": "/web",
        "Image": "sha256:old",
        "Config": config,
        "HostConfig": {
            "Binds": null,
            "NetworkMode": "bridge",
            "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] },
            "VolumesFrom": null,
            "Links": null,
            "UTSMode": "",
            "Memory": 0,
            "MaskedPaths": ["/proc/asound", "/proc/acpi"],
        },
        "Mounts": [],
        "NetworkSettings": {
            "Networks": {
                "bridge": {
                    "IPAMConfig": null, "Links": null, "Aliases": null, "GwPriority": 0,
                    "NetworkID": "b1", "MacAddress": "02:42:ac:11:00:02", "IPAddress": "172.17.0.2",
                },
            },
        },
    })
}

#[test]
fn only_what_a_person_chose_is_sent() {
    let create = json!({
        "Hostname": "4cf5a1f9d8b3", "User": "", "Tty": false, "Volumes": null, "Env": [],
        "ExposedPorts": { "80/tcp": {} },
        "Image": "nginx:1.28",
        "HostConfig": container()["HostConfig"],
        "NetworkingConfig": { "EndpointsConfig": {} },
    });
    let diff = Case::new().plan().diff;
    let expected = Plan {
        create,
        connect: vec![],
        networks: vec!["b1".to_owned()],
        pinned: vec![],
        healthy_deadline: Duration::from_secs(5 * 60),
        changed: true,
        diff,
        warnings: vec![],
        unmet: vec![],
        asked: Object::new(),
    };
    assert_eq!(Case::new().plan(), expected);
}

#[test]
fn a_plan_knows_whether_it_changes_anything() {
    for [patch, changed] in table(
        r#"
        {}                                                              | false
        { "Image": "nginx:1.28" }                                       | false
        { "StopSignal": null, "HostConfig": { "Memory": 0 } }           | false
        { "HostConfig": { "Memory": 67108864 } }                        | true
        { "Env": ["TZ=UTC"] }                                           | true
        // What is so already, by whatever default.
        { "Cmd": ["nginx", "-g", "daemon off;"] }                       | false
        { "Labels": { "version": "1.27" }, "User": "" }                 | false
        { "Env": ["NGINX_VERSION=1.27"], "Tty": false }                 | false
        { "HostConfig": { "CapAdd": [], "CpuShares": 0 } }              | false
        { "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": "8080" }] } } } | false
        { "HostConfig": { "Binds": ["data:/data"] } }                   | false
        { "HostConfig": { "RestartPolicy": { "Name": "always" } } }     | false
        { "NetworkingConfig": { "EndpointsConfig": { "bridge": { "Aliases": [], "GwPriority": 0 } } } } | false
        { "HostConfig": { "Binds": ["data:/data:ro"] } }                | true
        { "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": "8081" }] } } } | true
        { "HostConfig": { "Tmpfs": { "/scratch": "" } } }               | true
        // Zero, or nothing, says something here.
        { "HostConfig": { "MaskedPaths": null } }                       | true
        { "StopTimeout": 0 }                                            | true
        { "HostConfig": { "Init": false } }                             | true
        { "NetworkingConfig": { "EndpointsConfig": { "other": {} } } }  | true
        "#,
    ) {
        for api in [OLD_API, NEW_API] {
            let mut case = Case::new()
                .api(api)
                .host("Binds", json!(["data:/data", "/srv:/srv"]))
                .host(
                    "RestartPolicy",
                    json!({ "Name": "always", "MaximumRetryCount": 0 }),
                )
                .host("MaskedPaths", json!([]))
                .container(
                    "/Mounts",
                    json!([{ "Type": "volume", "Name": "data", "Destination": "/data" }]),
                )
                .patch(patch.clone());
            case.new_image = image("sha256:old", "1.27");
            let plan = case.plan();
            assert_eq!(json!(plan.changed), changed, "{patch} {api}");
            // What is changed is told.
            let told = plan.diff.iter().any(|change| change.path != "Image");
            assert!(told || changed == false, "{patch} {api}");
        }
    }
}

#[test]
fn of_an_old_image_that_is_gone_everything_is_kept_with_a_warning() {
    let mut case = Case::new();
    case.old_image = None;
    let plan = case.plan();
    let [warning] = plan.warnings.as_slice() else {
        panic!("one warning: {:?}", plan.warnings);
    };
    assert!(warning.contains("is gone"), "{warning}");
    for field in ["Env", "Entrypoint", "Cmd", "Labels", "StopSignal"] {
        let mine = &case.container["Config"][field];
        assert_eq!(&plan.create[field], mine, "{field}");
    }
}

#[test]
fn a_document_without_its_parts_is_refused() {
    for part in ["Config", "HostConfig"] {
        let case = Case::new().container(&format!("/{part}"), Value::Null);
        let refusal = case.compute().expect_err("a refusal");
        assert_eq!(refusal, Refusal::Malformed(part));
        assert!(refusal.to_string().contains(part));
    }
}

#[test]
fn a_label_is_set_where_there_are_none() {
    for mut body in [
        json!({}),
        json!({ "Labels": null }),
        json!({ "Labels": {} }),
    ] {
        set_label(&mut body, "a.b", "c");
        assert_eq!(body, json!({ "Labels": { "a.b": "c" } }));
    }
}
