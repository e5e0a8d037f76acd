//! A task's container is the Swarm's: an upgrade of it is refused, and the message says what to use
//! instead.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use compat_tests::{PATIENCE, Scenario, docker};
use serde_json::{Value, json};

/// A swarm of one node. Dropping it leaves it, with all its services, and takes away what that leaves
/// behind.
struct Swarm<'a>(&'a Scenario);

impl<'a> Swarm<'a> {
    fn init(scenario: &'a Scenario) -> Self {
        let swarm = Self(scenario);
        // An earlier test may have been killed.
        swarm.leave();
        let local = "127.0.0.1:2377";
        let options = ["--advertise-addr", local, "--listen-addr", local];
        // An engine gives it 20 seconds, which a slow one may not keep to.
        let begins = |_| {
            let init = [&["swarm", "init"][..], &options].concat();
            let is_begun = docker(&scenario.engine(), &init, b"").status.success();
            if !is_begun {
                swarm.leave();
            }
            is_begun
        };
        assert!((0..3).any(begins), "no swarm");
        swarm
    }

    fn leave(&self) {
        self.bounded(&["swarm", "leave", "--force"]);
        self.bounded(&["network", "rm", "docker_gwbridge"]);
    }

    /// A command that may fail, and that is killed if it takes too long.
    fn bounded(&self, arguments: &[&str]) {
        let mut running = self.0.directly().docker(arguments).start();
        let deadline = Instant::now() + PATIENCE;
        while running.runs() && Instant::now() < deadline {
            sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Swarm<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The ID and the name of the service's only task container that runs this image, once there is one.
fn task(scenario: &Scenario, service: &str, image: &str) -> (String, String) {
    let of_service = format!("label=com.docker.swarm.service.name={service}");
    let of_image = format!("ancestor={image}");
    let format = "{{.ID}} {{.Names}}";
    let list = [
        "ps",
        "--no-trunc",
        "--filter",
        &of_service,
        "--filter",
        &of_image,
        "--format",
        format,
    ];
    scenario.until("the task runs", |s| s.docker(&list).lines().count() == 1);
    let listed = scenario.docker(&list);
    let (id, name) = listed.split_once(' ').expect("an ID and a name");
    (id.to_owned(), name.to_owned())
}

#[test]
fn a_tasks_container_is_refused_by_name_and_by_id_and_is_not_touched() {
    let scenario = Scenario::new("swarm");
    let _swarm = Swarm::init(&scenario);
    let service = scenario.named("web");
    let create = [
        "service",
        "create",
        "--detach",
        "--no-resolve-image",
        "--name",
        &service,
    ];
    scenario.docker(&[&create[..], &["refit-test/before"]].concat());
    let (id, name) = task(&scenario, &service, "refit-test/before");
    assert!(name.starts_with(&format!("{service}.1.")), "{name}");
    let before = scenario.document(&name);

    let body = json!({ "Image": "refit-test/after" }).to_string();
    let upgrade = |reference: &str, query: &str| {
        let path = format!("/containers/{reference}/upgrade?pull=never{query}");
        scenario.post(&path, &body)
    };
    for reference in [name.as_str(), &id, &id[..12]] {
        for query in ["", "&force=1", "&dryRun=1"] {
            let refused = upgrade(reference, query);
            assert_eq!(refused.status, 409, "{}", refused.text);
            assert_eq!(refused.text_of("Rollback"), "not needed");
            let message = refused.text_of("message");
            let instead = format!("docker service update --image IMAGE {service}");
            assert!(message.contains(&name), "{message}");
            assert!(message.contains(&instead), "{message}");
        }
    }
    assert_eq!(scenario.document(&name), before);
    let all = scenario.docker(&["ps", "-a", "--format", "{{.Names}}"]);
    assert!(!all.contains(&format!("{name}.refit-")), "{all}");
    let tasks = scenario.docker(&["service", "ps", "-q", &service]);
    assert_eq!(tasks.lines().count(), 1, "{tasks}");

    // What the message says works, through Refit, too.
    let update = [
        "service",
        "update",
        "--detach",
        "--no-resolve-image",
        "--image",
    ];
    let update = [&update[..], &["refit-test/after", &service]].concat();
    let updated = scenario.through().docker(&update).said();
    assert_eq!(updated.code, Some(0), "{updated:?}");
    let (after, _) = task(&scenario, &service, "refit-test/after");
    assert_ne!(after, id);
    assert_eq!(
        scenario.inspect(&after, "/Config/Image"),
        Value::from("refit-test/after:latest")
    );
}
