//! Over many upgrades, over Refit's own end, and at every moment.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use compat_tests::{Scenario, repeat};

use super::{Lineage, through};

/// How many generations.
const MANY: usize = 20;

/// All earlier IDs, in all their forms, mean the container.
fn assert_all(lineage: &Lineage<'_>) {
    let scenario = lineage.scenario;
    for generation in 0..lineage.earlier.len() {
        for old in lineage.references(generation) {
            let inspected = scenario.ask_refit("GET", &format!("/containers/{old}/json"));
            assert_eq!(inspected.text_of("Id"), lineage.current, "{old}");
            let filters = format!("/containers/json?all=1&filters={{\"id\":[\"{old}\"]}}");
            let listed = scenario.ask_refit("GET", &filters).json();
            assert_eq!(listed[0]["Id"], lineage.current.as_str(), "{old}: {listed}");
            let report = scenario.ask_refit("GET", &format!("/containers/{old}/upgrade"));
            assert_eq!(report.text_of("Id"), lineage.current, "{}", report.text);
        }
    }
}

#[test]
fn after_twenty_upgrades_and_a_restart_every_id_is_valid() {
    let mut scenario = Scenario::new("twenty");
    let name = scenario.named("web");
    let earlier = {
        let mut lineage = Lineage::new(&scenario, "web", &[]);
        for generation in 0..MANY {
            // By any of the IDs that it had.
            if generation == 0 {
                lineage.upgrade();
            } else {
                let old = lineage.references(generation / 2)[generation % 3].to_owned();
                lineage.upgrade_by(&old);
            }
        }
        assert_all(&lineage);
        assert_eq!(
            through(
                &scenario,
                &["exec", &lineage.earlier[0][..12], "echo", "hi"]
            ),
            "hi"
        );
        lineage.earlier
    };
    for round in 0..repeat() {
        if round % 2 == 0 {
            scenario.kill_refit();
        } else {
            scenario.terminate_refit();
        }
        scenario.start_refit();
        let current = scenario.text(&name, "/Id");
        let lineage = Lineage {
            scenario: &scenario,
            name: name.clone(),
            earlier: earlier.clone(),
            current,
        };
        assert_all(&lineage);
    }
}

#[test]
fn what_depends_on_it_and_is_recreated_keeps_its_ids_too() {
    let mut scenario = Scenario::new("depends");
    let side = scenario.named("side");
    let name = scenario.named("web");
    let ids = {
        let mut lineage = Lineage::new(&scenario, "web", &[]);
        let joined = format!("container:{name}");
        let options = [
            "--name",
            &side,
            "--network",
            &joined,
            "--stop-signal",
            "KILL",
        ];
        let mut ids = vec![scenario.run(&[&options[..], &["busybox", "sleep", "1000"]].concat())];
        for _ in 0..repeat() {
            lineage.upgrade();
            ids.push(scenario.text(&side, "/Id"));
        }
        // By the leader's earlier ID, it is the same network.
        let joined = format!("container:{}", lineage.earlier[0]);
        let fixed = ["run", "--rm", "--network", &joined, "busybox"];
        let links = |link: &[&str]| through(&scenario, &[&fixed[..], link].concat());
        let exec = ["exec", &side, "readlink", "/proc/self/ns/net"];
        assert_eq!(
            links(&["readlink", "/proc/self/ns/net"]),
            scenario.docker(&exec)
        );
        ids
    };
    let current = ids.last().expect("the present one").clone();
    for _ in 0..2 {
        for earlier in &ids[..ids.len() - 1] {
            assert_ne!(*earlier, current);
            let format = ["inspect", "--format", "{{.Id}}", &earlier[..12]];
            assert_eq!(through(&scenario, &format), current);
        }
        scenario.kill_refit();
        scenario.start_refit();
    }
}

#[test]
fn what_another_refit_upgraded_keeps_its_first_id() {
    let first = Scenario::new("first");
    let second = Scenario::new("second");
    let mut lineage = Lineage::new(&first, "web", &[]);
    lineage.upgrade();
    // The second one learns of it where it is asked for its upgrade.
    let report = |scenario: &Scenario, old: &str| {
        let report = scenario.ask_refit("GET", &format!("/containers/{old}/upgrade"));
        report.text_of("Id")
    };
    assert_eq!(report(&second, &lineage.earlier[0]), lineage.current);
    for _ in 0..repeat() {
        lineage.upgrade();
        let old = &lineage.earlier[0][..12];
        let inspected = second.ask_refit("GET", &format!("/containers/{old}/json"));
        assert_eq!(inspected.text_of("Id"), lineage.current);
    }
}

#[test]
fn at_every_moment_of_an_upgrade_the_first_id_means_a_container() {
    let scenario = Scenario::new("moment");
    let mut lineage = Lineage::new(&scenario, "web", &[]);
    let path = format!("/containers/{}/json", lineage.current);
    let is_over = AtomicBool::new(false);
    let asked = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !is_over.load(Ordering::Relaxed) {
                let answer = scenario.ask_refit("GET", &path);
                assert_eq!(answer.status, 200, "at {asked}: {}", answer.text);
                asked += 1;
            }
            asked
        });
        for _ in 0..repeat() {
            lineage.upgrade();
        }
        is_over.store(true, Ordering::Relaxed);
        asking.join().expect("every answer is a container")
    });
    assert!(asked > 10, "only {asked} times");
}

#[test]
fn the_id_of_what_was_just_upgraded_is_never_missing() {
    let scenario = Scenario::new("just");
    let mut lineage = Lineage::new(&scenario, "web", &[]);
    for _ in 0..repeat() {
        let path = format!("/containers/{}/json", lineage.current);
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let asking = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = scenario.ask_refit("GET", &path);
                    assert_eq!(answer.status, 200, "{}", answer.text);
                }
            });
            lineage.upgrade();
            is_over.store(true, Ordering::Relaxed);
            asking.join().expect("every answer is a container");
        });
    }
}
