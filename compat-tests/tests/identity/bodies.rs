//! The bodies and queries that no command of the CLI, or not every one, says.

use std::{fs, process::Command};

use compat_tests::{Answer, Scenario, answer, docker_program, repeat};
use serde_json::{Value, json};

use super::{Lineage, now};

/// `POST` of JSON through Refit, with curl.
fn post(scenario: &Scenario, path: &str, body: &str) -> Answer {
    let further = ["-H", "Content-Type: application/json"];
    let child = scenario.spawn_post(path, body, &further);
    answer(&child.wait_with_output().expect("curl"))
}

/// Creates a container with this body, through Refit; what inspect prints of it.
fn created(scenario: &Scenario, body: &str) -> Value {
    let name = scenario.named("created");
    let answer = post(scenario, &format!("/containers/create?name={name}"), body);
    assert_eq!(answer.status, 201, "{}", answer.text);
    let document = scenario.document(&name);
    scenario.remove(&name);
    document
}

#[test]
fn a_create_may_call_it_so_in_every_field() {
    let scenario = Scenario::new("create");
    let network = scenario.named("net");
    scenario.docker(&["network", "create", &network]);
    let options = ["--ipc", "shareable", "-v", "/data"];
    let mut lineage = Lineage::new(&scenario, "web", &options);
    for round in 0..repeat() {
        lineage.upgrade();
        let old = lineage.references(round / 3)[round % 3];
        let current = &lineage.current;
        let joined = format!("container:{current}");
        // Fields in any case, and in any order; a body of many pages.
        let label = |n| format!("\"filler-{n}\":\"{old}\",");
        let labels = (0..5000).map(label).collect::<Vec<_>>().concat();
        let body = format!(
            "{{ \"hostConfig\" : {{\"IpcMode\":\"container:{old}\",\n\"PIDMODE\" :\"container:{old}\",\
             \"NetworkMode\":\"container:{old}\",\"VolumesFrom\":[ \"{old}:ro\" ]}},\
             \"Image\":\"busybox\",\"Labels\":{{{labels}\"refit-test\":\"{}\"}},\
             \"Env\":[\"OLD={old}\"]}}",
            scenario.name()
        );
        let document = created(&scenario, &body);
        for field in ["IpcMode", "PidMode", "NetworkMode"] {
            assert_eq!(document["HostConfig"][field], joined.as_str(), "{field}");
        }
        let volume = scenario.text(current, "/Mounts/0/Name");
        assert_eq!(document["Mounts"][0]["Name"], volume.as_str());
        assert_eq!(document["Config"]["Labels"]["filler-4999"], old);
        let env = document["Config"]["Env"].to_string();
        assert!(env.contains(&format!("OLD={old}\"")), "{env}");

        let links = json!([format!("{old}:alias")]);
        let body = json!({
            "Image": "busybox", "Labels": { "refit-test": scenario.name() },
            "HostConfig": { "NetworkMode": network, "Links": links },
            "NetworkingConfig": { "EndpointsConfig": { &network: { "Links": links } } },
        });
        let document = created(&scenario, &body.to_string());
        let of_network = &document["NetworkSettings"]["Networks"][&network]["Links"];
        assert_eq!(*of_network, json!([format!("{current}:alias")]));
    }
}

#[test]
fn a_network_may_be_connected_with_a_link_to_it() {
    let scenario = Scenario::new("connect");
    let network = scenario.named("net");
    scenario.docker(&["network", "create", &network]);
    let mut lineage = Lineage::new(&scenario, "web", &[]);
    let other = scenario.run(&[
        "--name",
        &scenario.named("other"),
        "busybox",
        "sleep",
        "1000",
    ]);
    for round in 0..repeat() {
        lineage.upgrade();
        let old = lineage.references(round / 3)[round % 3];
        for (verb, body) in [
            ("connect", json!({ "Container": old })),
            (
                "connect",
                json!({ "container": other, "EndpointConfig": { "Links": [format!("{old}:web")] } }),
            ),
            ("disconnect", json!({ "Container": other })),
            ("disconnect", json!({ "Force": true, "Container": old })),
        ] {
            let path = format!("/networks/{network}/{verb}");
            let answer = post(&scenario, &path, &body.to_string());
            assert_eq!(answer.status, 200, "{body}: {}", answer.text);
            let of = |id: &str| scenario.inspect(id, "/NetworkSettings/Networks")[&network].clone();
            let is_linked = body.to_string().contains("Links");
            if is_linked {
                assert_eq!(
                    of(&other)["Links"],
                    json!([format!("{}:web", lineage.current)])
                );
            } else if body["Container"] == old {
                assert_eq!(of(&lineage.current).is_null(), verb == "disconnect");
            }
        }
    }
}

#[test]
fn filters_are_read_in_both_their_forms() {
    let scenario = Scenario::new("filters");
    let mut lineage = Lineage::new(&scenario, "web", &[]);
    for round in 0..repeat() {
        lineage.upgrade();
        let old = lineage.references(round / 3)[round % 3];
        for filters in [
            json!({ "id": [old] }),
            json!({ "id": { old: true } }),
            json!({ "id": ["ffff", old], "label": [format!("refit-test={}", scenario.name())] }),
        ] {
            let plain = filters.to_string();
            let encoded = plain.bytes().map(|byte| format!("%{byte:02X}"));
            let encoded = encoded.collect::<Vec<_>>().concat();
            for written in [plain, encoded] {
                let path = format!("/containers/json?all=1&filters={written}");
                let listed = scenario.ask_refit("GET", &path).json();
                assert_eq!(listed.as_array().map(Vec::len), Some(1), "{path}: {listed}");
                assert_eq!(listed[0]["Id"], lineage.current.as_str());
            }
        }
        let events = json!({ "container": { old: true }, "event": { "exec_die": true } });
        scenario.docker(&["exec", &lineage.current, "true"]);
        let path = format!("/events?since=0&until={}&filters={events}", now());
        let told = scenario.ask_refit("GET", &path).text;
        assert!(told.contains(&lineage.current), "{told}");
    }
}

#[test]
fn the_classic_builder_joins_its_network() {
    let scenario = Scenario::new("builds");
    let mut lineage = Lineage::new(&scenario, "web", &[]);
    let context = scenario.folder().join("context");
    fs::create_dir(&context).expect("a folder");
    let dockerfile = "FROM busybox\nRUN readlink /proc/self/ns/net\n";
    fs::write(context.join("Dockerfile"), dockerfile).expect("write it");
    for round in 0..repeat() {
        lineage.upgrade();
        let old = lineage.references(round / 3)[round % 3];
        let network = format!("container:{old}");
        let built = Command::new(docker_program())
            .env("DOCKER_BUILDKIT", "0")
            .args([
                "-H",
                &scenario.refit(),
                "build",
                "--no-cache",
                &scenario.label(),
            ])
            .args(["--network", &network])
            .arg(&context)
            .output()
            .expect("the docker CLI");
        let told = String::from_utf8_lossy(&built.stdout);
        let exec = ["exec", &lineage.current, "readlink", "/proc/self/ns/net"];
        let name_space = scenario.docker(&exec);
        assert!(told.contains(&name_space), "no {name_space}: {built:?}");
    }
}

#[test]
fn a_patch_of_ours_may_call_another_container_so() {
    let scenario = Scenario::new("patched");
    let mut lineage = Lineage::new(&scenario, "web", &[]);
    lineage.upgrade();
    let mut other = Lineage::new(&scenario, "other", &[]);
    for (round, old) in lineage.references(0).into_iter().enumerate() {
        let patch = json!({
            "HostConfig": { "PidMode": format!("container:{old}") },
            "Labels": { "round": round.to_string() },
        });
        let answer = scenario.upgrade_with(&other.name, &patch);
        assert_eq!(answer.status, 200, "{}", answer.text);
        other.current = answer.text_of("Id");
        let joined = format!("container:{}", lineage.current);
        assert_eq!(scenario.text(&other.current, "/HostConfig/PidMode"), joined);
    }
}

#[test]
fn a_raw_stream_is_had_by_an_earlier_id() {
    let scenario = Scenario::new("raw");
    let mut lineage = Lineage::new(&scenario, "web", &[]);
    for round in 0..repeat() {
        lineage.upgrade();
        let old = lineage.references(round / 3)[round % 3];
        let exec = json!({ "AttachStdout": true, "Cmd": ["echo", "raw"] });
        let created = post(
            &scenario,
            &format!("/containers/{old}/exec"),
            &exec.to_string(),
        );
        assert_eq!(created.status, 201, "{}", created.text);
        let id = created.text_of("Id");
        let started = post(&scenario, &format!("/exec/{id}/start"), "{}");
        assert!(started.text.contains("raw"), "{}", started.text);
        let logs = scenario.ask_refit("GET", &format!("/containers/{old}/logs?stdout=1&tail=1"));
        assert!(logs.text.contains("tick"), "{}", logs.text);
    }
}
