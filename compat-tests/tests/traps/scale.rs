//! Thousands of streams that idle, and what else goes on meanwhile.

use std::{
    thread,
    time::{Duration, Instant},
};

use compat_tests::{Scenario, process::Vitals};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::wire::{Wire, head};

/// How many attachments idle.
const STREAMS: usize = 5000;

/// How many clients attach at once; dockerd takes its time for each.
const AT_ONCE: usize = 8;

/// How much memory each may take, in bytes.
const MOST: u64 = 8 << 10;

/// How much goes through the one that is busy, in bytes.
const BUSY: usize = 32 << 20;

/// How many others ask meanwhile.
const PINGS: usize = 500;

/// How long a new client may wait: milliseconds, or as long as a machine takes that is busy with other
/// engines. How fast it is, is for the benchmark to tell.
const AT_THE_DOOR: Duration = Duration::from_secs(2);

/// This process holds the other end of each stream.
fn raise_own_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, all).expect("a limit");
    let needed = u64::try_from(3 * STREAMS).expect("a number");
    let is_enough = maximum.is_none_or(|maximum| maximum > needed);
    assert!(is_enough, "the hard limit of open files is {maximum:?}");
}

/// A stream of what a container prints, and to its input.
fn attached(address: &str, container: &str) -> Wire {
    let attach = format!("POST /containers/{container}/attach?stream=1&stdin=1&stdout=1");
    let attach = head(&[&attach, "Connection: Upgrade", "Upgrade: tcp"]);
    let mut wire = Wire::opened(address, attach);
    wire.until("\r\n\r\n");
    wire
}

/// Streams that idle, this many.
fn idle(address: &str, container: &str, count: usize) -> Vec<Wire> {
    let some = || -> Vec<Wire> {
        let attached = (0..count / AT_ONCE).map(|_| attached(address, container));
        attached.collect()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(some)).collect();
        let threads = threads.into_iter();
        threads
            .flat_map(|some| some.join().expect("streams"))
            .collect()
    })
}

/// Sends this much through a container that gives it back; how long that took.
fn echo(address: &str, container: &str, bytes: usize) -> Duration {
    let mut wire = attached(address, container);
    let begun = Instant::now();
    let sender = wire.sending(vec![b'x'; bytes]);
    let back = wire.skip(bytes);
    assert!(sender.join().expect("the sender"), "all of it was taken");
    assert_eq!(back, bytes);
    begun.elapsed()
}

/// How long a new client waits for its answer.
fn ping(address: &str) -> Duration {
    let begun = Instant::now();
    let mut wire = Wire::opened(address, head(&["GET /_ping"]));
    wire.until("\r\n\r\nOK");
    begun.elapsed()
}

/// Waits until Refit holds no more descriptors than at first; what it holds then.
fn let_go(scenario: &Scenario, fresh: Vitals) -> Vitals {
    scenario.until("Refit lets go", |s| {
        s.vitals_of_refit().descriptors <= fresh.descriptors
    });
    scenario.vitals_of_refit()
}

#[test]
fn thousands_of_idle_streams_are_in_nobodys_way() {
    raise_own_limit();
    let scenario = Scenario::new("scale");
    let [silent, busy] = ["silent", "busy"].map(|name| scenario.named(name));
    scenario.run(&["-i", "--name", &silent, "busybox", "sleep", "1000"]);
    // Of a terminal, what comes back is no frames; nor is it to be changed by one.
    let script = "stty raw -echo; echo ready; exec cat";
    scenario.run(&["-it", "--name", &busy, "busybox", "sh", "-c", script]);
    scenario.until("cat is ready", |s| {
        s.docker(&["logs", &busy]).contains("ready")
    });
    let address = scenario.refit();
    // What grows with the first requests of all is not to be counted.
    let fresh = scenario.vitals_of_refit();
    drop(idle(&address, &silent, AT_ONCE));
    let before = let_go(&scenario, fresh);

    let streams = idle(&address, &silent, STREAMS);
    let held = scenario.vitals_of_refit();
    let each = held.memory.saturating_sub(before.memory) / STREAMS as u64;
    let (took, mut waited) = thread::scope(|scope| {
        let echo = scope.spawn(|| echo(&address, &busy, BUSY));
        let waited: Vec<Duration> = (0..PINGS).map(|_| ping(&address)).collect();
        (echo.join().expect("an echo"), waited)
    });
    waited.sort_unstable();
    let percentile = |percent: usize| waited[PINGS * percent / 100];
    println!(
        "{STREAMS} idle streams: {each} bytes each\n\
         {} MiB there and back in {took:?}\n\
         {PINGS} pings meanwhile: median {:?}, p99 {:?}",
        BUSY >> 20,
        percentile(50),
        percentile(99)
    );
    assert!(each < MOST, "{each} bytes each: {before}, then {held}");
    assert!(held.descriptors >= before.descriptors + 2 * STREAMS);
    assert!(percentile(99) < AT_THE_DOOR, "{:?}", percentile(99));
    drop(streams);
    let_go(&scenario, fresh);
}
