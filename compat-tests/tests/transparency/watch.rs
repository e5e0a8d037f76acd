//! events, stats and wait.

use std::time::{SystemTime, UNIX_EPOCH};

use compat_tests::{
    Scenario,
    same::{Side, mask, same},
};
use serde_json::Value;

/// Now, as `events` takes it.
fn now() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time");
    format!("{}.{:09}", now.as_secs(), now.subsec_nanos())
}

/// Runs a container of this name to its end.
fn run_through(at: &Side, name: &str) {
    let said = at
        .run(&["--name", name, "busybox", "sh", "-c", "exit 3"])
        .said();
    assert_eq!(said.code, Some(3), "{said:?}");
}

#[test]
fn events_of_the_past_come_filtered_and_bounded() {
    let scenario = Scenario::new("events");
    let (name, other) = (scenario.named("box"), scenario.named("other"));
    let (all, json) = same(&scenario, |at| {
        let since = now();
        run_through(at, &name);
        run_through(at, &other);
        let until = now();
        run_through(at, &name);
        let filter = format!("container={name}");
        let of = [
            "events", "--since", &since, "--until", &until, "--filter", &filter,
        ];
        let all = at.docker(&of).said().masked();
        let json = ["--filter", "event=die", "--format", "json"];
        let json = at.docker(&[&of[..], &json].concat()).said().masked();
        (all, json)
    });
    assert_eq!(all.code, Some(0), "{all:?}");
    let actions: Vec<String> = all
        .out()
        .lines()
        .map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" "))
        .collect();
    for action in ["create", "attach", "start", "die", "destroy"] {
        let expected = format!("<time> container {action}");
        assert_eq!(
            actions.iter().filter(|line| **line == expected).count(),
            1,
            "{all:?}"
        );
    }
    assert!(!all.out().contains(&other), "{all:?}");
    assert_eq!(json.out().lines().count(), 1, "{json:?}");
    assert!(json.out().contains(r#""exitCode":"3""#), "{json:?}");
}

#[test]
fn events_come_as_they_happen() {
    let scenario = Scenario::new("events-live");
    let name = scenario.named("box");
    let said = same(&scenario, |at| {
        let filter = format!("container={name}");
        let of = [
            "events",
            "--since",
            &now(),
            "--filter",
            &filter,
            "--filter",
            "event=die",
        ];
        let mut events = at.docker(&of).start();
        for turn in 1..=3 {
            run_through(at, &name);
            events.until_times("\n", turn);
            assert!(events.runs());
        }
        events.interrupt();
        events.end().masked()
    });
    assert_eq!(said.out().lines().count(), 3, "{said:?}");
    assert!(
        said.out().lines().all(|line| line.contains("exitCode=3")),
        "{said:?}"
    );
}

#[test]
fn stats_come_once_and_as_a_stream() {
    let scenario = Scenario::new("stats");
    let (name, stopped) = (scenario.named("box"), scenario.named("stopped"));
    let (once, none) = same(&scenario, |at| {
        at.run_detached(&name, &["busybox", "sleep", "1000"]);
        at.run_detached(&stopped, &["busybox", "true"]);
        at.docker(&["wait", &stopped]).said();
        let stream = ["stats", "--format", "{{.Name}}", &name, &stopped];
        let mut stream = at.docker(&stream).start();
        let format = ["--format", "{{.Name}} {{.PIDs}}"];
        let once = [&["stats", "--no-stream"], &format[..], &[&name]].concat();
        let once = at.docker(&once).said();
        let none = at
            .docker(&["stats", "--no-stream", "no-such-container"])
            .said();
        stream.until_times(&name, 2);
        stream.until_times(&stopped, 2);
        // It ends by no signal that it could heed: the end of this scope kills it.
        assert!(stream.runs());
        at.remove(&name);
        at.remove(&stopped);
        (once, none)
    });
    assert_eq!(once.out(), format!("{name} 1\n"));
    assert!(
        none.code == Some(1) && none.err().contains("no-such-container"),
        "{none:?}"
    );
}

#[test]
fn stats_of_the_api_come_sample_by_sample() {
    let scenario = Scenario::new("stats-api");
    let name = scenario.named("box");
    let (head, samples) = same(&scenario, |at| {
        at.run_detached(&name, &["busybox", "sleep", "1000"]);
        let stream = at.curl(&[], &format!("/containers/{name}/stats")).start();
        // The second sample is whole when its line is.
        stream.until("\r\n\r\n");
        let head_lines = stream
            .so_far()
            .split("\r\n\r\n")
            .next()
            .map(|h| h.lines().count());
        stream.until_times("\n", head_lines.expect("a head") + 1 + 2);
        let said = stream.so_far();
        at.remove(&name);
        let (head, body) = said.split_once("\r\n\r\n").expect("a head");
        let samples: Vec<Vec<String>> = body
            .lines()
            .take(2)
            .map(|line| {
                let sample: Value = serde_json::from_str(line).expect("a sample");
                let fields = sample.as_object().expect("an object").iter();
                fields
                    .map(|(key, value)| match key.as_str() {
                        "name" | "num_procs" => format!("{key}={value}"),
                        _ => key.clone(),
                    })
                    .collect()
            })
            .collect();
        (mask(head), samples)
    });
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(samples.len(), 2);
    for sample in samples {
        assert!(sample.contains(&format!("name=\"/{name}\"")), "{sample:?}");
        assert!(sample.len() > 8, "{sample:?}");
    }
}

#[test]
fn wait_says_the_exit_code_when_the_container_ends() {
    let scenario = Scenario::new("wait");
    let name = scenario.named("box");
    let script = "n=0; until [ -e /go ] || [ $n = 600 ]; do sleep 0.1; n=$((n + 1)); done; exit 37";
    let (cli, api, removed) = same(&scenario, |at| {
        at.run_detached(&name, &["busybox", "sh", "-c", script]);
        let mut cli = at.docker(&["wait", &name]).start();
        let wait = format!("/containers/{name}/wait?condition=");
        let mut api = at.curl(&["-XPOST"], &format!("{wait}next-exit")).start();
        let removed = at.curl(&["-XPOST"], &format!("{wait}removed")).start();
        // The heads come when the engine waits; nothing else may come before the end.
        api.until("\r\n\r\n");
        removed.until("\r\n\r\n");
        assert!(api.so_far().ends_with("\r\n\r\n") && api.runs() && cli.runs());
        let go = at.docker(&["exec", &name, "touch", "/go"]).said();
        assert_eq!(go.code, Some(0), "{go:?}");
        let (cli, api) = (cli.end(), api.end().masked());
        assert!(
            removed.so_far().ends_with("\r\n\r\n"),
            "{}",
            removed.so_far()
        );
        at.remove(&name);
        (cli, api, removed.end().masked())
    });
    assert_eq!((cli.code, cli.out().as_str()), (Some(0), "37\n"));
    for api in [api, removed] {
        assert!(api.out().contains(r#""StatusCode":37"#), "{api:?}");
    }
}
