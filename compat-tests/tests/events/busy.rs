//! Streams that never rest: what of ours stands in them is whole, in order, and nothing else is
//! changed.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use compat_tests::{Scenario, recorder::Recorder, repeat};
use serde_json::Value;

use super::{IMAGES, events, fail, is_ours, ours, run, upgrade, without_ours};

/// Has a container make events all the time while `work` is done.
fn while_busy(scenario: &Scenario, container: &str, work: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // It does not heed it.
                scenario.ask(
                    "POST",
                    &format!("/containers/{container}/kill?signal=WINCH"),
                );
                thread::sleep(Duration::from_millis(2));
            }
        });
        // Over also where it fails.
        let _over = Over(&is_over);
        work();
    });
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The part of a stream before the line of this container's creation.
fn up_to(stream: &str, container: &str) -> String {
    let marked = format!(r#""name":"{container}""#);
    let at = stream.find(&marked).expect("it was seen");
    let line = stream[..at].rfind('\n').expect("it is not the first line");
    stream[..=line].to_owned()
}

#[test]
fn among_many_events_ours_are_whole_and_in_order_and_the_engines_as_they_were() {
    let mut scenario = Scenario::without_refit("events-busy");
    let recorder = Recorder::start(&scenario.folder().join("engine.sock"), &scenario.engine());
    scenario.start_refit_at(&recorder.address());
    let [name, noise, end] = ["web", "noise", "end"].map(|what| scenario.named(what));
    run(&scenario, &name);
    scenario.run(&["--name", &noise, "busybox", "sleep", "100000"]);
    // The second is the client of an old program: no chunks.
    let side = scenario.through();
    let curl = |further: &[&str], path| {
        let always = ["--raw", "--max-time", "600"];
        side.curl(&[&always, further].concat(), path).start()
    };
    let streams = [
        (curl(&[], "/v1.41/events"), true),
        (curl(&["-0"], "/v1.40/events"), false),
    ];
    for (stream, _) in &streams {
        stream.until("\r\n\r\n");
    }
    while_busy(&scenario, &noise, || {
        for round in 1..=repeat() {
            upgrade(&scenario, &name, IMAGES[round % 2]);
            fail(&scenario, &name);
        }
        let label = scenario.label();
        scenario.docker(&["create", "--name", &end, &label, "busybox"]);
        for (stream, _) in &streams {
            stream.until_times(r#""Action":"upgrade"#, 2 * repeat());
            stream.until(&end);
        }
    });
    for ((stream, has_chunks), version) in streams.iter().zip(["41", "40"]) {
        let through = up_to(&stream.so_far(), &end);
        let said = recorder.said_to(&format!("GET /v1.{version}/events"));
        assert_eq!(said.len(), 1, "{said:?}");
        let direct = up_to(&said[0], &end);
        assert!(
            without_ours(&through, *has_chunks) == direct,
            "{through}\nnot\n{direct}"
        );
        assert!(!direct.lines().any(is_ours));
        let told = ours(&stream.so_far());
        assert_eq!(told.len(), 2 * repeat(), "{told:?}");
        assert_in_order(&events(&stream.so_far()), &told);
    }
}

/// None of ours stands behind what happened later, nor before the last that the engine tells of the
/// same upgrade.
fn assert_in_order(all: &[Value], ours: &[Value]) {
    let time = |event: &Value| event["timeNano"].as_i64().expect("a time");
    assert!(all.len() > 100, "the engine had nothing to tell");
    for event in ours {
        let at = all.iter().position(|e| e == event).expect("it is there");
        let later = all[..at].iter().find(|before| time(before) > time(event));
        assert!(later.is_none(), "{later:?} before {event}");
        let gone = &event["Actor"]["Attributes"]["oldId"];
        let is_last = |e: &Value| e["Action"] == "destroy" && e["id"] == *gone;
        assert!(all[..at].iter().any(is_last), "no destroy before {event}");
    }
}
