//! What a request asks for of the past: `since`, `until` and `filters`, as the engine takes them.

use std::{thread::sleep, time::Duration};

use compat_tests::{
    Scenario,
    same::{Side, same},
};

use super::{IMAGES, fail, now, ours, run, upgrade, without_ours};

#[test]
fn filters_let_pass_what_they_let_pass_of_the_engines() {
    let scenario = Scenario::new("events-filters");
    let name = scenario.named("web");
    let old = run(&scenario, &name);
    let since = now();
    upgrade(&scenario, &name, IMAGES[1]);
    fail(&scenario, &name);
    let until = now();
    let id = scenario.text(&name, "/Id");
    let all = ["upgrade", "upgrade-rollback"];
    let (both, one, none) = (&all[..], &all[..1], &[][..]);
    let container = |what: &str| format!("container={what}");
    let label = |what: &str| format!("label={what}");
    let transaction = |of: usize| {
        let path = format!("/events?since={since}&until={until}");
        let told = ours(&scenario.ask_refit("GET", &path).text);
        let attributes = &told[of]["Actor"]["Attributes"];
        attributes["transaction"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    let cases: Vec<(Vec<String>, &[&str])> = vec![
        (vec![], both),
        (vec!["type=container".into()], both),
        (vec!["type=network".into()], none),
        (vec!["type=network".into(), "type=container".into()], both),
        (vec!["event=upgrade".into()], one),
        (vec!["event=upgrade-rollback".into()], &all[1..]),
        (vec!["event=start".into()], none),
        (vec!["event=start".into(), "event=upgrade".into()], one),
        (vec![container(&name)], both),
        (vec![container(&name[..name.len() - 1])], both),
        (vec![container(&id)], both),
        (vec![container(&id[..12])], both),
        (vec![container("refit-no-such")], none),
        (vec!["image=refit-test/after".into()], both),
        (vec!["image=refit-test/after:latest".into()], none),
        (vec!["image=refit-test/before".into()], none),
        (vec!["image=refit-test".into()], none),
        (vec![label("app")], both),
        (vec![label("app=<shop>")], both),
        (vec![label("app=shop")], none),
        (vec![label(&format!("oldId={old}"))], one),
        (vec![label(&format!("transaction={}", transaction(0)))], one),
        (vec!["scope=local".into()], both),
        (vec!["scope=swarm".into()], none),
        (vec!["daemon=refit-no-such".into()], none),
        (vec!["network=bridge".into()], none),
        (vec!["volume=refit-no-such".into()], none),
        (
            vec![container(&name), "event=upgrade".into(), label("app")],
            one,
        ),
    ];
    let mut replayed = 0;
    for (filters, expected) in cases {
        let filters: Vec<&str> = filters
            .iter()
            .flat_map(|f| ["--filter", f.as_str()])
            .collect();
        let window = [
            "events",
            "--since",
            &since,
            "--until",
            &until,
            "--format",
            "{{json .}}",
        ];
        let arguments = [&window[..], &filters].concat();
        let [direct, through] =
            [scenario.directly(), scenario.through()].map(|side| side.docker(&arguments).said());
        assert_eq!(
            (direct.code, through.code),
            (Some(0), Some(0)),
            "{through:?}"
        );
        let told = ours(&through.out());
        let told: Vec<_> = told
            .iter()
            .map(|e| e["Action"].as_str().expect("a text"))
            .collect();
        assert_eq!(told, expected, "{filters:?}");
        // The CLI prints no chunks.
        assert_eq!(
            without_ours(&through.out(), false),
            direct.out(),
            "{filters:?}"
        );
        replayed += direct.out().lines().count();
    }
    assert!(replayed > 50, "the engine had nothing to tell");
}

#[test]
fn since_and_until_bound_the_past() {
    let scenario = Scenario::new("events-bounds");
    let name = scenario.named("web");
    run(&scenario, &name);
    let before = now();
    upgrade(&scenario, &name, IMAGES[1]);
    let between = now();
    fail(&scenario, &name);
    let after = now();
    let long_after = "4000000000";
    // The engine replays nothing of a later second than `until` only where it is past.
    sleep(Duration::from_millis(10));
    let seconds = before.split('.').next().expect("seconds");
    let filter = format!("filters={{\"container\":[\"{name}\"]}}");
    let old_filter = format!("filters={{\"container\":{{\"{name}\":true}}}}");
    for (query, expected) in [
        (format!("since={before}&until={after}&{filter}"), 2),
        (format!("since={before}&until={after}&{old_filter}"), 2),
        (format!("since={seconds}&until={after}&{filter}"), 2),
        (format!("since={before}&until={between}&{filter}"), 1),
        (format!("since={between}&until={after}&{filter}"), 1),
        (format!("since={after}&until={}&{filter}", now()), 0),
        (format!("until={after}&{filter}"), 2),
        (format!("until={before}&{filter}"), 0),
        (format!("since=0&until={between}&{filter}"), 1),
    ] {
        let path = format!("/events?{query}");
        let [direct, through] = [scenario.ask("GET", &path), scenario.ask_refit("GET", &path)];
        assert_eq!(
            (direct.status, through.status),
            (200, 200),
            "{query}: {}",
            through.text
        );
        assert_eq!(
            ours(&through.text).len(),
            expected,
            "{query}: {}",
            through.text
        );
        assert_eq!(without_ours(&through.text, false), direct.text, "{query}");
    }
    // What the engine refuses, it refuses.
    for query in [
        format!("since={long_after}&until={after}"),
        "since=yesterday".to_owned(),
        "filters=nonsense".to_owned(),
        "filters={\"type\":\"container\"}".to_owned(),
    ] {
        let path = format!("/events?{query}");
        let [direct, through] = [scenario.ask("GET", &path), scenario.ask_refit("GET", &path)];
        assert_eq!(direct.text, through.text, "{query}");
        assert_eq!(direct.status, through.status, "{query}");
        assert!(direct.status >= 400, "{query}: {}", direct.text);
    }
}

/// As it comes over the wire: chunks and heads, too.
#[test]
fn where_nothing_was_upgraded_every_byte_is_the_engines() {
    let scenario = Scenario::new("events-raw");
    let name = scenario.named("box");
    let since = now();
    for _ in 0..5 {
        scenario.docker(&[
            "run",
            "--rm",
            "--name",
            &name,
            &scenario.label(),
            "busybox",
            "true",
        ]);
    }
    let until = now();
    let path = format!("/events?since={since}&until={until}");
    let date = |head: &str| -> String {
        let lines = head.lines().filter(|line| !line.starts_with("Date: "));
        lines.collect::<Vec<_>>().join("\n")
    };
    for arguments in [&["--raw"][..], &["--raw", "-0"]] {
        let said = same(&scenario, |at: &Side| {
            let said = at.curl(arguments, &path).said();
            let out = said.out();
            let (head, body) = out.split_once("\r\n\r\n").expect("a head");
            (said.code, date(head), body.to_owned())
        });
        let has_chunks = said.2.ends_with("\r\n0\r\n\r\n");
        assert_eq!(has_chunks, arguments.len() == 1, "{said:?}");
        assert!(said.2.contains(&name), "{said:?}");
    }
}
