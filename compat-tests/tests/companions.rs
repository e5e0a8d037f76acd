//! What depends on a container that is upgraded is recreated with it, and comes back with it.

use std::{thread::sleep, time::Duration};

use compat_tests::{Answer, Scenario, answer, docker, repeat};
use serde_json::{Value, json};

/// The image that a leader has in the round of this number.
fn image(round: usize) -> &'static str {
    ["refit-test/before", "refit-test/after"][round % 2]
}

fn upgrade_to(scenario: &Scenario, name: &str, image: &str) -> Answer {
    scenario.upgrade_with(name, &json!({ "Image": image }))
}

/// A leader, and all sorts of others around it.
struct Around {
    /// On a network of its own.
    leader: String,
    /// Serves its own name at port 8080 of the leader's network.
    network: String,
    /// Joins the network of that, and serves at port 8081.
    nested: String,
    /// Sees the leader's processes.
    processes: String,
    /// Has the leader's volumes, and depends on nothing else of it.
    volumes: String,
    /// On the leader's network.
    neighbour: String,
}

impl Around {
    fn new(scenario: &Scenario) -> Self {
        let around = Self {
            leader: scenario.named("vpn"),
            network: scenario.named("app"),
            nested: scenario.named("nested"),
            processes: scenario.named("monitor"),
            volumes: scenario.named("backup"),
            neighbour: scenario.named("neighbour"),
        };
        let net = scenario.named("net");
        scenario.docker(&["network", "create", &net]);
        let join = |name: &str| format!("container:{name}");
        let (leader, app) = (join(&around.leader), join(&around.network));
        let run = |name: &str, options: &[&str]| {
            let fixed = [
                "--name",
                name,
                "--restart",
                "unless-stopped",
                "--stop-signal",
                "KILL",
            ];
            scenario.run(&[&fixed[..], options].concat());
        };
        run(&around.leader, &["--network", &net, image(0)]);
        run(
            &around.network,
            &[
                "--network",
                &leader,
                "-v",
                "/kept",
                "busybox",
                "sh",
                "-c",
                &serve(&around.network, 8080),
            ],
        );
        run(
            &around.nested,
            &[
                "--network",
                &app,
                "busybox",
                "sh",
                "-c",
                &serve(&around.nested, 8081),
            ],
        );
        run(
            &around.processes,
            &[
                "--pid",
                &leader,
                "--stop-signal=KILL",
                "busybox",
                "sleep",
                "100000",
            ],
        );
        run(
            &around.volumes,
            &[
                "--volumes-from",
                &around.leader,
                "busybox",
                "sleep",
                "100000",
            ],
        );
        run(
            &around.neighbour,
            &[
                "--network",
                &net,
                "--stop-signal=KILL",
                "busybox",
                "sleep",
                "100000",
            ],
        );
        around
    }

    fn companions(&self) -> [&str; 3] {
        [&self.network, &self.nested, &self.processes]
    }

    /// Everybody runs, and finds whom it depends on.
    fn assert_on_line(&self, scenario: &Scenario) {
        let leader = scenario.text(&self.leader, "/Id");
        let address = networks(&scenario.inspect(&self.leader, "/NetworkSettings/Networks"));
        for (name, port) in [(&self.network, 8080), (&self.nested, 8081)] {
            let url = format!("http://{address}:{port}/name");
            scenario.until(&format!("{name} serves"), |s| {
                let fetch = [
                    "exec",
                    &self.neighbour,
                    "timeout",
                    "2",
                    "wget",
                    "-qO-",
                    &url,
                ];
                let fetched = docker(&s.engine(), &fetch, b"");
                String::from_utf8_lossy(&fetched.stdout).trim() == name
            });
        }
        let first = ["exec", &self.processes, "cat", "/proc/1/comm"];
        assert_eq!(
            scenario.docker(&first),
            "stay",
            "the leader's first process"
        );
        for (name, mode, of) in [
            (&self.network, "NetworkMode", &leader),
            (
                &self.nested,
                "NetworkMode",
                &scenario.text(&self.network, "/Id"),
            ),
            (&self.processes, "PidMode", &leader),
        ] {
            assert_eq!(scenario.text(name, "/State/Status"), "running");
            let joined = scenario.text(name, &format!("/HostConfig/{mode}"));
            assert_eq!(joined, format!("container:{of}"), "{name}");
        }
        for name in self.companions().into_iter().chain([self.leader.as_str()]) {
            for left in [".refit-new", ".refit-old"] {
                assert!(!scenario.exists(&format!("{name}{left}")), "{name}{left}");
            }
            assert_eq!(
                scenario.text(name, "/HostConfig/RestartPolicy/Name"),
                "unless-stopped"
            );
        }
    }

    fn started_at(&self, scenario: &Scenario) -> [String; 2] {
        [&self.volumes, &self.neighbour].map(|name| scenario.text(name, "/State/StartedAt"))
    }

    fn ids(&self, scenario: &Scenario) -> Vec<String> {
        let members = [self.leader.as_str()].into_iter().chain(self.companions());
        members.map(|name| scenario.text(name, "/Id")).collect()
    }

    /// The anonymous volume of the companion on the network.
    fn volume(&self, scenario: &Scenario) -> Value {
        scenario.inspect(&self.network, "/Mounts/0/Name")
    }
}

/// A shell's script that serves a name at `/name`.
fn serve(name: &str, port: u16) -> String {
    format!("mkdir /www; echo {name} > /www/name; exec httpd -f -p {port} -h /www")
}

/// The address on the only network.
fn networks(networks: &Value) -> String {
    let networks = networks.as_object().expect("networks");
    let only = networks.values().next().expect("a network");
    only["IPAddress"].as_str().expect("an address").to_owned()
}

#[test]
fn whoever_depends_on_a_container_is_recreated_with_it() {
    let scenario = Scenario::new("companions");
    let around = Around::new(&scenario);
    around.assert_on_line(&scenario);
    let (untouched, volume) = (around.started_at(&scenario), around.volume(&scenario));
    let address = networks(&scenario.inspect(&around.leader, "/NetworkSettings/Networks"));
    for round in 1..=repeat() {
        let before = around.ids(&scenario);
        let upgraded = upgrade_to(&scenario, &around.leader, image(round));
        assert_eq!(upgraded.status, 200, "{}", upgraded.text);
        let after = around.ids(&scenario);
        assert!(
            before.iter().all(|id| !after.contains(id)),
            "{before:?} {after:?}"
        );
        let told = upgraded.json()["Companions"].take();
        let told: Vec<(Value, Value, Value)> = told
            .as_array()
            .expect("a list")
            .iter()
            .map(|c| {
                (
                    c["Name"].clone(),
                    c["Previous"]["Id"].clone(),
                    c["Id"].clone(),
                )
            })
            .collect();
        assert_eq!(told.len(), 3);
        for ((name, before), after) in around
            .companions()
            .iter()
            .zip(&before[1..])
            .zip(&after[1..])
        {
            assert!(
                told.contains(&(json!(name), json!(before), json!(after))),
                "{told:?}"
            );
        }
        around.assert_on_line(&scenario);
        assert_eq!(around.volume(&scenario), volume);
        let now = networks(&scenario.inspect(&around.leader, "/NetworkSettings/Networks"));
        assert_eq!(now, address);
    }
    assert_eq!(
        around.started_at(&scenario),
        untouched,
        "who does not depend is not touched"
    );
}

#[test]
fn a_rollback_brings_all_back() {
    let scenario = Scenario::new("companions-back");
    let around = Around::new(&scenario);
    let (untouched, ids) = (around.started_at(&scenario), around.ids(&scenario));
    for _ in 0..repeat() {
        let failed =
            scenario.upgrade_in_vain(&around.leader, &json!({ "Image": "refit-test/exits" }));
        assert_eq!(failed.status, 500, "{}", failed.text);
        assert_eq!(failed.text_of("Rollback"), "restored");
        assert!(
            failed
                .text_of("message")
                .contains("cannot read the configuration"),
            "{}",
            failed.text
        );
        assert_eq!(around.ids(&scenario), ids);
        around.assert_on_line(&scenario);
    }
    assert_eq!(around.started_at(&scenario), untouched);
}

/// The companion, not the leader, is what fails.
#[test]
fn a_companion_that_does_not_come_up_takes_all_back() {
    let scenario = Scenario::new("companions-fail");
    let [leader, companion] = ["vpn", "app"].map(|what| scenario.named(what));
    let id = scenario.run(&["--name", &leader, image(0)]);
    let join = format!("container:{leader}");
    // Its replacement has not what the original was given since.
    let script = "sleep 5; [ -e /given ] || { echo nothing given >&2; exit 7; }; exec sleep 100000";
    let named = [
        "--name",
        &companion,
        "--network",
        &join,
        "--stop-signal=KILL",
    ];
    let companion_id = scenario.run(&[&named[..], &["busybox", "sh", "-c", script]].concat());
    scenario.docker(&["exec", &companion, "touch", "/given"]);
    let body = json!({ "Image": image(1), "UpgradeConfig": { "Monitor": 15_000_000_000_u64 } });
    let path = format!("/containers/{leader}/upgrade?pull=never&t=1");
    let failed = scenario.post(&path, &body.to_string());
    assert_eq!(failed.status, 500, "{}", failed.text);
    assert_eq!(failed.text_of("Step"), "verify");
    assert_eq!(failed.text_of("Rollback"), "restored");
    let message = failed.text_of("message");
    assert!(message.contains(&companion), "{message}");
    assert!(message.contains("nothing given"), "{message}");
    for (name, id) in [(&leader, id), (&companion, companion_id)] {
        assert_eq!(scenario.text(name, "/Id"), id);
        assert_eq!(scenario.text(name, "/State/Status"), "running");
    }
}

#[test]
fn a_link_follows_and_every_run_state_is_kept() {
    let scenario = Scenario::new("companions-link");
    let [leader, linked, stopped, paused] =
        ["db", "web", "stopped", "paused"].map(|what| scenario.named(what));
    scenario.run(&["--name", &leader, image(0)]);
    let link = format!("{leader}:db");
    scenario.run(&[
        "--name",
        &linked,
        "--link",
        &link,
        "--stop-signal=KILL",
        "busybox",
        "sleep",
        "100000",
    ]);
    let join = format!("container:{leader}");
    for name in [&stopped, &paused] {
        let joined = ["--name", name, "--network", &join, "--stop-signal=KILL"];
        scenario.run(&[&joined[..], &["busybox", "sleep", "100000"]].concat());
    }
    scenario.docker(&["stop", "-t", "0", &stopped]);
    scenario.docker(&["pause", &paused]);
    let printed = format!("/{leader}:/{linked}/db");
    let of_linked = networks(&scenario.inspect(&linked, "/NetworkSettings/Networks"));
    for round in 1..=repeat() {
        let upgraded = upgrade_to(&scenario, &leader, image(round));
        assert_eq!(upgraded.status, 200, "{}", upgraded.text);
        assert_eq!(
            scenario.inspect(&linked, "/HostConfig/Links"),
            json!([printed])
        );
        let address = networks(&scenario.inspect(&leader, "/NetworkSettings/Networks"));
        let hosts = scenario.docker(&["exec", &linked, "cat", "/etc/hosts"]);
        let of_leader = hosts
            .lines()
            .find(|line| line.split_whitespace().any(|word| word == "db"));
        assert!(
            of_leader.is_some_and(|line| line.starts_with(&format!("{address}\t"))),
            "{hosts}"
        );
        assert_eq!(
            networks(&scenario.inspect(&linked, "/NetworkSettings/Networks")),
            of_linked
        );
        for (name, status) in [
            (&linked, "running"),
            (&stopped, "created"),
            (&paused, "paused"),
        ] {
            assert_eq!(scenario.text(name, "/State/Status"), status, "{name}");
        }
        assert_eq!(
            scenario.text(&stopped, "/HostConfig/NetworkMode"),
            format!("container:{}", scenario.text(&leader, "/Id"))
        );
    }
    scenario.docker(&["restart", "-t", "0", &linked]);
}

#[test]
fn shared_memory_is_shared_again_across_projects() {
    let scenario = Scenario::new("companions-ipc");
    let [leader, companion] = ["db", "stats"].map(|what| scenario.named(what));
    let of = |project: &str| format!("--label=com.docker.compose.project={project}");
    let named = ["--name", &leader, "--ipc", "shareable", &of("one")];
    scenario.run(&[&named[..], &[image(0)]].concat());
    let joined = format!("container:{leader}");
    let named = ["--name", &companion, "--ipc", &joined, &of("two")];
    let sleeps = ["--stop-signal", "KILL", "busybox", "sleep", "100000"];
    scenario.run(&[&named[..], &sleeps].concat());
    for round in 1..=repeat() {
        let answer = upgrade_to(&scenario, &leader, image(round));
        assert_eq!(answer.status, 200, "{}", answer.text);
        let companions = &answer.json()["Companions"];
        assert_eq!(companions[0]["Name"], json!(companion), "{companions}");
        let said = format!("round {round}");
        let write = format!("echo {said} >/dev/shm/word");
        scenario.docker(&["exec", &leader, "sh", "-c", &write]);
        let read = scenario.docker(&["exec", &companion, "cat", "/dev/shm/word"]);
        assert_eq!(read, said);
    }
}

#[test]
fn what_could_not_come_back_is_refused_before_anything_is_touched() {
    let scenario = Scenario::new("companions-refused");
    let leader = scenario.named("vpn");
    let id = scenario.run(&["--name", &leader, image(0)]);
    let join = format!("container:{leader}");
    let companion = scenario.named("app");
    let joined = ["--name", companion.as_str(), "--network", join.as_str()];
    let own = scenario.build("own", &[], "CMD [\"sleep\", \"100000\"]");
    let refused = |why: &str| {
        let refused = upgrade_to(&scenario, &leader, image(1));
        assert_eq!(refused.status, 409, "{}", refused.text);
        assert_eq!(refused.text_of("Rollback"), "not needed");
        let message = refused.text_of("message");
        assert!(
            message.contains(&companion) && message.contains(why),
            "{message}"
        );
        assert_eq!(scenario.text(&leader, "/Id"), id);
    };
    scenario.run(
        &[
            &joined[..],
            &["--rm", "--stop-signal=KILL", "busybox", "sleep", "100000"],
        ]
        .concat(),
    );
    refused("--rm");
    scenario.docker(&["rm", "-f", &companion]);
    scenario.run(&[&joined[..], &[&own]].concat());
    scenario.docker(&["stop", "-t", "0", &companion]);
    scenario.docker(&["rmi", "-f", &own]);
    refused("is gone");
    scenario.docker(&["rm", "-f", &companion]);
    // An upgrade of the companion itself is under way.
    scenario.run(
        &[
            &joined[..],
            &["--stop-signal=KILL", "busybox", "sleep", "100000"],
        ]
        .concat(),
    );
    let body = json!({ "Env": ["A=1"], "UpgradeConfig": { "Monitor": 8_000_000_000_u64 } });
    let path = format!("/containers/{companion}/upgrade?pull=never&t=0");
    let under_way = scenario.spawn_post(&path, &body.to_string(), &[]);
    scenario.until("it is verified", |s| {
        s.ask_refit("GET", &format!("/containers/{companion}/upgrade"))
            .text_of("Step")
            == "verify"
    });
    let refused = upgrade_to(&scenario, &leader, image(1));
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert_eq!(scenario.text(&leader, "/Id"), id);
    let upgraded = answer(&under_way.wait_with_output().expect("curl"));
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    // The leader does not run, and it does.
    scenario.docker(&["stop", "-t", "0", &leader]);
    let refused = upgrade_to(&scenario, &leader, image(1));
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(
        refused.text_of("message").contains("it runs and"),
        "{}",
        refused.text
    );
}

/// Whenever it dies: each round a little later.
#[test]
fn a_refit_that_dies_leaves_all_on_one_side() {
    let mut scenario = Scenario::new("companions-dead");
    let around = Around::new(&scenario);
    let mut ways = [0, 0];
    for round in 0..repeat() as u64 {
        let before = around.ids(&scenario);
        let to = image(usize::from(
            scenario.text(&around.leader, "/Config/Image") == image(0),
        ));
        let body = json!({ "Image": to, "UpgradeConfig": { "Monitor": 500_000_000 } });
        let path = format!("/containers/{}/upgrade?pull=never&t=1", around.leader);
        let mut upgrade = scenario.spawn_post(&path, &body.to_string(), &[]);
        sleep(Duration::from_millis(400 + 300 * (round % 10)));
        scenario.kill_refit();
        upgrade.wait().expect("curl");
        // What it had asked the engine for may yet be done.
        sleep(Duration::from_secs(2));
        scenario.start_refit();
        around.assert_on_line(&scenario);
        let after = around.ids(&scenario);
        let kept = before.iter().zip(&after).filter(|(b, a)| b == a).count();
        assert!([0, before.len()].contains(&kept), "{before:?} {after:?}");
        ways[usize::from(kept == 0)] += 1;
    }
    println!(
        "{} rolled back or never begun, {} committed",
        ways[0], ways[1]
    );
}
