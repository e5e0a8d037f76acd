//! What a helper is created as: the same program, with the same access to the engine, and nothing else
//! of the container that Refit runs in. Pure.

use serde_json::{Value, json};

use super::{HELPER_LABEL, Program, errand::Errand};
use crate::plan::Object;

/// What it takes of the configuration to run the program.
const CONFIG: [&str; 3] = ["User", "WorkingDir", "Env"];

/// What it takes of `HostConfig` to reach what the program reaches: files, and who may read them.
const HOST: [&str; 17] = [
    "Binds",
    "Mounts",
    "Tmpfs",
    "ReadonlyRootfs",
    "Privileged",
    "CapAdd",
    "CapDrop",
    "SecurityOpt",
    "MaskedPaths",
    "ReadonlyPaths",
    "GroupAdd",
    "UsernsMode",
    "Runtime",
    "CgroupParent",
    "Dns",
    "DnsSearch",
    "ExtraHosts",
];

/// The body of `POST /containers/create` for a helper, of the one that the container which Refit runs
/// in would be created again with, and of the image of this ID: its name may be another's by now.
pub(super) fn body(own: &Value, image_id: &str, program: &Program, errand: &Errand) -> Value {
    let (executable, arguments) = program.command.split_at(program.command.len().min(1));
    let mut host = taken(&own["HostConfig"], &HOST);
    let mut body = taken(own, &CONFIG);
    body.insert("Image".to_owned(), Value::from(image_id));
    body.insert("Entrypoint".to_owned(), json!(executable));
    let arguments: Vec<&String> = arguments.iter().chain([&errand.transaction]).collect();
    body.insert("Cmd".to_owned(), json!(arguments));
    // The image may have others.
    body.insert("Healthcheck".to_owned(), json!({ "Test": ["NONE"] }));
    body.insert("StopSignal".to_owned(), Value::from("SIGTERM"));
    body.insert(
        "Labels".to_owned(),
        json!({ HELPER_LABEL: errand.to_label() }),
    );
    // Whatever ends it half-way, it is to come back: nothing may be running meanwhile.
    host.insert(
        "RestartPolicy".to_owned(),
        json!({ "Name": "on-failure", "MaximumRetryCount": 0 }),
    );
    // What it tells must be readable on every engine.
    host.insert(
        "LogConfig".to_owned(),
        json!({ "Type": "json-file", "Config": {} }),
    );
    if program.needs_network {
        host.insert(
            "NetworkMode".to_owned(),
            own["HostConfig"]["NetworkMode"].clone(),
        );
        let endpoints = own["NetworkingConfig"]["EndpointsConfig"].as_object();
        let bare = endpoints
            .into_iter()
            .flatten()
            .map(|(network, _)| (network.clone(), json!({})));
        let bare: Object = bare.collect();
        body.insert(
            "NetworkingConfig".to_owned(),
            json!({ "EndpointsConfig": bare }),
        );
    } else {
        // No address, of which an engine would give it the lowest that is free.
        host.insert("NetworkMode".to_owned(), Value::from("none"));
    }
    body.insert("HostConfig".to_owned(), Value::Object(host));
    Value::Object(body)
}

/// The fields of these names, where there is something in them.
fn taken(of: &Value, names: &[&str]) -> Object {
    let field = |name: &&str| Some(((*name).to_owned(), of.get(*name)?.clone()));
    let fields = names.iter().filter_map(field);
    fields.filter(|(_, value)| !value.is_null()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::{helper::errand::Task, outcome::Step};

    fn errand() -> Errand {
        Errand {
            transaction: "one".to_owned(),
            leader: "id".to_owned(),
            name: "refit".to_owned(),
            own: "refit".to_owned(),
            owner: None,
            task: Task::Recover(Step::Stop),
        }
    }

    fn program(needs_network: bool) -> Program {
        let command = ["/refit", "helper", "--engine", "unix:///run/docker.sock"];
        Program {
            command: command.map(str::to_owned).to_vec(),
            needs_network,
        }
    }

    fn own() -> Value {
        json!({
            "Image": "refit:1", "User": "1000", "Env": ["A=1"], "WorkingDir": null,
            "Hostname": "refit", "Domainname": "d", "Tty": true, "OpenStdin": true,
            "Entrypoint": ["/sbin/init"], "Cmd": ["serve"], "StopSignal": "SIGQUIT",
            "Healthcheck": { "Test": ["CMD", "true"] }, "ExposedPorts": { "80/tcp": {} },
            "Labels": { "com.docker.compose.project": "p", "io.refit.upgrade": "{}" },
            "MacAddress": "02:42:ac:11:00:02",
            "HostConfig": {
                "Binds": ["/run:/run:nocopy"], "Mounts": [{ "Type": "volume", "Target": "/d" }],
                "PortBindings": { "80/tcp": [{ "HostPort": "80" }] }, "PublishAllPorts": true,
                "RestartPolicy": { "Name": "always" }, "AutoRemove": true, "Init": true,
                "NetworkMode": "app", "PidMode": "host", "IpcMode": "container:x",
                "LogConfig": { "Type": "none" }, "Links": ["db:db"], "Privileged": true,
                "GroupAdd": ["998"], "Memory": 1,
            },
            "NetworkingConfig": { "EndpointsConfig": { "app": {
                "Aliases": ["refit"], "IPAMConfig": { "IPv4Address": "10.0.0.7" },
            } } },
        })
    }

    #[test]
    fn a_helper_has_the_access_of_the_own_container_and_nothing_that_others_know_it_by() {
        let expected = json!({
            "Image": "sha256:1", "User": "1000", "Env": ["A=1"],
            "Entrypoint": ["/refit"],
            "Cmd": ["helper", "--engine", "unix:///run/docker.sock", "one"],
            "Healthcheck": { "Test": ["NONE"] }, "StopSignal": "SIGTERM",
            "Labels": { "io.refit.helper": errand().to_label() },
            "HostConfig": {
                "Binds": ["/run:/run:nocopy"], "Mounts": [{ "Type": "volume", "Target": "/d" }],
                "Privileged": true, "GroupAdd": ["998"],
                "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 0 },
                "LogConfig": { "Type": "json-file", "Config": {} },
                "NetworkMode": "none",
            },
        });
        let body = body(&own(), "sha256:1", &program(false), &errand());
        assert_eq!(body, expected);
    }

    #[test]
    fn one_that_needs_a_network_has_an_address_of_its_own_there() {
        let body = body(&own(), "sha256:1", &program(true), &errand());
        assert_eq!(body["HostConfig"]["NetworkMode"], "app");
        let endpoints = json!({ "EndpointsConfig": { "app": {} } });
        assert_eq!(body["NetworkingConfig"], endpoints);
    }
}
