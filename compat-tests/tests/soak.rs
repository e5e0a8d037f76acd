//! Upgrades and rollbacks back to back, of eight containers at once, leave nothing over: neither in
//! the engine nor in Refit's process.
//!
//! Nothing else may be at work on the engine meanwhile.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use compat_tests::{Answer, Scenario, process::Vitals};
use serde_json::{Value, json};

/// How many containers there are, each of which is upgraded by a thread of its own.
const CONTAINERS: usize = 8;

/// How many upgrades there are.
const UPGRADES: usize = 420;

/// After how many the first sample is taken: until then, a process grows by right, for it remembers
/// the last 256 events, and each container its last ten generations.
const WARM_UP: usize = 260;

/// The number of the network that half of them share.
const SHARED: usize = 100;

const IMAGES: [&str; 2] = ["refit-test/before", "refit-test/after"];

/// A container, with what must stay of it.
struct Subject<'a> {
    scenario: &'a Scenario,
    name: String,
    /// Its network, and its address there, if it has one of its own.
    network: String,
    address: Option<String>,
    /// How many upgrades were tried.
    tries: AtomicUsize,
}

impl<'a> Subject<'a> {
    /// The containers of even numbers have networks of their own, the others share one; of both, every
    /// second one has a static address.
    fn run(scenario: &'a Scenario, number: usize) -> Self {
        let net = if number.is_multiple_of(2) {
            number
        } else {
            SHARED
        };
        let network = scenario.named(&format!("net-{net}"));
        let address = (number % 4 < 2).then(|| format!("10.214.{net}.{}", 100 + number));
        let name = scenario.named(&number.to_string());
        let volume = format!("{}:/named", scenario.named(&format!("data-{number}")));
        let options = ["--name", &name, "--network", &network, "-v", &volume];
        let of_address = address.iter().flat_map(|address| ["--ip", address]);
        let policy = ["--restart", ["no", "always", "unless-stopped"][number % 3]];
        let options: Vec<&str> = options
            .into_iter()
            .chain(of_address)
            .chain(policy)
            .collect();
        scenario.run(&[&options, &IMAGES[..1]].concat());
        // `/data` is an anonymous volume.
        let write = format!("echo {name} | tee /data/file > /named/file");
        scenario.docker(&["exec", &name, "sh", "-c", &write]);
        Self {
            scenario,
            name,
            network,
            address,
            tries: AtomicUsize::new(0),
        }
    }

    fn create_network(scenario: &Scenario, net: usize) {
        let (name, subnet) = (format!("net-{net}"), format!("10.214.{net}.0/24"));
        scenario.docker(&[
            "network",
            "create",
            "--subnet",
            &subnet,
            &scenario.named(&name),
        ]);
    }

    /// By turns a good upgrade, one whose process ends, a good one, one that cannot be started.
    fn upgrade(&self) {
        let before = self.scenario.document(&self.name);
        let image = match before["Config"]["Image"].as_str() {
            Some(image) if image == IMAGES[0] => IMAGES[1],
            _ => IMAGES[0],
        };
        let (mut body, monitor, fails_at) = match self.tries.fetch_add(1, Ordering::Relaxed) % 4 {
            1 => (json!({ "Cmd": ["false"] }), 10_000, Some("verify")),
            3 => (json!({ "Entrypoint": ["/no/such"] }), 100, Some("start")),
            _ => (json!({}), 100, None),
        };
        body["Image"] = json!(image);
        body["UpgradeConfig"] = json!({ "Monitor": monitor * 1_000_000_u64 });
        let path = format!("/containers/{}/upgrade?pull=never", self.name);
        let answer = self.scenario.post(&path, &body.to_string());
        let after = self.scenario.document(&self.name);
        match fails_at {
            Some(step) => assert_restored(&answer, step, &before, &after),
            None => assert_upgraded(&answer, image, &before, &after),
        }
        assert_eq!(after["State"]["Status"], "running", "{}", answer.text);
        let policy = "/HostConfig/RestartPolicy";
        assert_eq!(after.pointer(policy), before.pointer(policy));
        if let Some(address) = &self.address {
            let network = &after["NetworkSettings"]["Networks"][&self.network];
            assert_eq!(network["IPAddress"], *address, "{}", answer.text);
        }
    }

    /// How many of its upgrades were to fail: every second one.
    fn failed(&self) -> usize {
        self.tries.load(Ordering::Relaxed) / 2
    }

    fn assert_data(&self) {
        let read = self
            .scenario
            .docker(&["exec", &self.name, "cat", "/data/file", "/named/file"]);
        assert_eq!(read, format!("{0}\n{0}", self.name));
    }
}

fn assert_upgraded(answer: &Answer, image: &str, before: &Value, after: &Value) {
    let told = answer.json();
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        (&told["Changed"], &told["Running"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        (&told["Id"], &told["Previous"]["Id"]),
        (&after["Id"], &before["Id"])
    );
    assert_eq!(
        (&told["Image"], &after["Config"]["Image"]),
        (&json!(image), &json!(image))
    );
}

fn assert_restored(answer: &Answer, step: &str, before: &Value, after: &Value) {
    assert_eq!(answer.status, 500, "{}", answer.text);
    assert_eq!(answer.text_of("Step"), step, "{}", answer.text);
    assert_eq!(answer.text_of("Rollback"), "restored", "{}", answer.text);
    assert_eq!(before["Id"], after["Id"], "{}", answer.text);
}

/// The containers, volumes, networks and images of an engine.
type Inventory = [BTreeSet<String>; 4];

/// Everything that the engine has.
fn inventory(scenario: &Scenario) -> Inventory {
    let commands: [&[&str]; 4] = [
        &["ps", "-a", "--format", "{{.Names}}"],
        &["volume", "ls", "-q"],
        &["network", "ls", "-q"],
        &["images", "-aq", "--no-trunc"],
    ];
    commands.map(|command| {
        scenario
            .docker(command)
            .lines()
            .map(str::to_owned)
            .collect()
    })
}

fn assert_same(before: &Inventory, after: &Inventory) {
    let changes = before.iter().zip(after).flat_map(|(before, after)| {
        let lost = before
            .difference(after)
            .map(|name| format!("{name} is lost"));
        let left = after.difference(before);
        lost.chain(left.map(|name| format!("{name} is left over")))
    });
    assert_eq!(changes.collect::<Vec<_>>(), [""; 0]);
}

/// Goes on with the upgrades, one after the other of each container, until there were so many.
fn upgrade_until(subjects: &[Subject<'_>], begun: &AtomicUsize, end: usize) {
    thread::scope(|scope| {
        for subject in subjects {
            scope.spawn(|| {
                let next = |n| (n < end).then_some(n + 1);
                while begun
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
                    .is_ok()
                {
                    subject.upgrade();
                }
            });
        }
    });
}

/// What Refit holds at rest: no connection, and no more threads than at first.
fn at_rest(scenario: &Scenario, fresh: Vitals) -> Vitals {
    scenario.until("Refit is at rest", |s| {
        let now = s.vitals_of_refit();
        // One more: the source of random numbers, once it was used.
        now.descriptors <= fresh.descriptors + 1 && now.threads <= fresh.threads
    });
    scenario.vitals_of_refit()
}

#[test]
fn many_upgrades_and_rollbacks_leave_nothing_over() {
    let scenario = Scenario::new("soak");
    let fresh = scenario.vitals_of_refit();
    for net in (0..CONTAINERS).step_by(2).chain([SHARED]) {
        Subject::create_network(&scenario, net);
    }
    let numbers = 0..CONTAINERS;
    let subjects: Vec<Subject<'_>> = numbers.map(|n| Subject::run(&scenario, n)).collect();
    let before = inventory(&scenario);
    let begin = Instant::now();
    let tried = AtomicUsize::new(0);
    upgrade_until(&subjects, &tried, WARM_UP);
    let warm = at_rest(&scenario, fresh);
    upgrade_until(&subjects, &tried, UPGRADES);
    let took = begin.elapsed().as_secs();
    let end = at_rest(&scenario, fresh);

    let [containers, volumes, networks, images] = before.each_ref().map(BTreeSet::len);
    let failed: usize = subjects.iter().map(Subject::failed).sum();
    println!(
        "{UPGRADES} upgrades of {CONTAINERS} containers in {took} s, {failed} of them rolled back\n\
         at first: {fresh}\nafter {WARM_UP}: {warm}\nat the end: {end}\n\
         {containers} containers, {volumes} volumes, {networks} networks, {images} images"
    );
    assert!(failed > UPGRADES / 3, "{failed} were rolled back");
    for subject in &subjects {
        subject.assert_data();
    }
    assert_same(&before, &inventory(&scenario));
    assert_eq!(end.descriptors, warm.descriptors);
    assert!(
        end.memory <= warm.memory / 10 * 11 + (1 << 20),
        "{warm}, then {end}"
    );
}
