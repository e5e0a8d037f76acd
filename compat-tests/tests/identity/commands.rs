//! Every command of the docker CLI that takes a container.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
};

use compat_tests::{Scenario, docker, docker_program, repeat};

use super::{Lineage, now, printed, through};

#[test]
fn every_command_takes_an_earlier_id() {
    let scenario = Scenario::new("commands");
    let network = scenario.named("net");
    scenario.docker(&["network", "create", &network]);
    let older = scenario.run(&["--name", &scenario.named("older"), "busybox", "true"]);
    let options = ["-p", "127.0.0.1::80", "--ipc", "shareable", "-v", "/data"];
    let mut lineage = Lineage::new(&scenario, "web", &options);
    for round in 0..repeat() {
        lineage.upgrade();
        events(&lineage, lineage.references(round)[round % 3]);
        let newer = scenario.run(&["--name", &scenario.named("newer"), "busybox", "true"]);
        // Each way to refer to it has its turn, and each generation.
        let old = lineage.references(round / 3)[round % 3];
        eprintln!("round {round}: {old} of {}", lineage.current);
        reads(&lineage, old);
        lists(&lineage, old, &older, &newer);
        joins(&lineage, old);
        networks(&lineage, old, &network);
        attach_and_wait(&lineage, old);
        changes(&lineage, old);
        scenario.docker(&["rm", "-f", &newer]);
    }
    let last = &lineage.earlier[lineage.earlier.len() - 1];
    through(&scenario, &["rm", "-f", &last[..12]]);
    assert!(!scenario.exists(&lineage.current));
    // It is nobody's any more.
    let gone = docker(&scenario.refit(), &["inspect", last], b"");
    assert!(!gone.status.success(), "{gone:?}");
    assert!(String::from_utf8_lossy(&gone.stderr).contains(last.as_str()));
}

fn reads(lineage: &Lineage<'_>, old: &str) {
    let scenario = lineage.scenario;
    let short = &lineage.current[..12];
    let format = |what| ["inspect", "--format", what, old];
    assert_eq!(through(scenario, &format("{{.Id}}")), lineage.current);
    for (arguments, expected) in [
        (&["logs", old][..], "tick"),
        (&["exec", old, "cat", "/proc/1/comm"], "sh"),
        (&["port", old], "80/tcp"),
        (&["diff", old], "A /made"),
        (&["stats", "--no-stream", "--format", "{{.ID}}", old], short),
    ] {
        let told = through(scenario, arguments);
        assert!(told.contains(expected), "docker {arguments:?}: {told}");
    }
    // What there is of `ps` on the engine's machine, it runs for both.
    let [top, direct] = [
        docker(&scenario.refit(), &["top", old, "-o", "pid,comm"], b""),
        docker(
            &scenario.engine(),
            &["top", &lineage.current, "-o", "pid,comm"],
            b"",
        ),
    ];
    assert_eq!(printed(&top), printed(&direct), "{top:?}");
    assert_eq!(top.stderr, direct.stderr);
    let copy = scenario.folder().join("copy");
    let copy = copy.to_str().expect("a text");
    through(scenario, &["export", "-o", copy, old]);
    assert!(fs::metadata(copy).expect("the export").len() > 100_000);
    fs::write(copy, "copied").expect("write it");
    through(scenario, &["cp", copy, &format!("{old}:/copied")]);
    through(
        scenario,
        &["cp", &format!("{old}:/copied"), &format!("{copy}.back")],
    );
    assert_eq!(
        fs::read(format!("{copy}.back")).expect("the file"),
        b"copied"
    );
    assert_eq!(
        scenario.docker(&["exec", &lineage.current, "cat", "/copied"]),
        "copied"
    );
    let image = scenario.named("committed");
    through(scenario, &["commit", old, &image]);
    assert_eq!(
        scenario.docker(&["run", "--rm", &image, "cat", "/copied"]),
        "copied"
    );
    scenario.forget_image(&image);
}

fn lists(lineage: &Lineage<'_>, old: &str, older: &str, newer: &str) {
    let list = |filter: &str| {
        let filter = format!("{filter}={old}");
        let list = ["ps", "-aq", "--no-trunc", "--filter", &filter];
        through(lineage.scenario, &list)
    };
    assert_eq!(list("id"), lineage.current);
    let before = list("before");
    assert!(
        before.contains(older) && !before.contains(newer),
        "{before}"
    );
    let since = list("since");
    assert!(since.contains(newer) && !since.contains(older), "{since}");
}

/// Containers that share something with it.
fn joins(lineage: &Lineage<'_>, old: &str) {
    let scenario = lineage.scenario;
    let label = scenario.label();
    let run = |options: &[&str], command: &[&str]| {
        let fixed = ["run", "--rm", label.as_str()];
        through(scenario, &[&fixed, options, &["busybox"], command].concat())
    };
    let joined = format!("container:{old}");
    let is = |kind: &str| scenario.docker(&["exec", &lineage.current, "readlink", kind]);
    for (option, kind) in [
        ("--network", "/proc/self/ns/net"),
        ("--ipc", "/proc/self/ns/ipc"),
        ("--pid", "/proc/self/ns/pid"),
    ] {
        assert_eq!(run(&[option, &joined], &["readlink", kind]), is(kind));
    }
    scenario.docker(&["exec", &lineage.current, "touch", "/data/shared"]);
    let mounted = run(&["--volumes-from", &format!("{old}:ro")], &["ls", "/data"]);
    assert_eq!(mounted, "shared");
    let hosts = run(&["--link", &format!("{old}:alias")], &["cat", "/etc/hosts"]);
    let address = scenario.text(
        &lineage.current,
        "/NetworkSettings/Networks/bridge/IPAddress",
    );
    let line = hosts.lines().find(|line| line.contains("alias"));
    assert!(
        line.is_some_and(|line| line.starts_with(&address)),
        "{hosts}"
    );
}

fn networks(lineage: &Lineage<'_>, old: &str, network: &str) {
    let scenario = lineage.scenario;
    let is_connected = || {
        let networks = scenario.inspect(&lineage.current, "/NetworkSettings/Networks");
        networks.get(network).is_some()
    };
    through(scenario, &["network", "connect", network, old]);
    assert!(is_connected());
    through(scenario, &["network", "disconnect", network, old]);
    assert!(!is_connected());
}

/// Its past stands under its old ID; what it does now, under the present one.
fn events(lineage: &Lineage<'_>, latest: &str) {
    let scenario = lineage.scenario;
    scenario.docker(&["exec", &lineage.current, "true"]);
    let filter = format!("container={latest}");
    let window = ["--since", "30m", "--until", &now()];
    let what = ["--filter", &filter, "--format", "{{.Actor.ID}} {{.Action}}"];
    let told = through(scenario, &[&["events"][..], &window, &what].concat());
    let before = lineage.earlier.last().expect("it was upgraded");
    for event in [
        format!("{before} destroy"),
        format!("{} exec_start", lineage.current),
    ] {
        assert!(told.contains(&event), "no {event}:\n{told}");
    }
}

fn attach_and_wait(lineage: &Lineage<'_>, old: &str) {
    let scenario = lineage.scenario;
    let refit = scenario.refit();
    let begin = |arguments: &[&str]| {
        Command::new(docker_program())
            .args(["-H", &refit])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the docker CLI")
    };
    let mut attached = begin(&["attach", "--no-stdin", "--sig-proxy=false", old]);
    let waits = begin(&["wait", old]);
    // It is attached once it tells what is printed.
    let mut ticks = BufReader::new(attached.stdout.take().expect("its output"));
    let mut tick = String::new();
    ticks.read_line(&mut tick).expect("a line");
    through(scenario, &["stop", "-t", "1", old]);
    ticks.read_to_string(&mut tick).expect("the rest");
    let attached = attached.wait_with_output().expect("its end");
    assert!(tick.contains("tick"), "{tick:?}: {attached:?}");
    let waited = waits.wait_with_output().expect("its end");
    assert_eq!(printed(&waited), "137", "{waited:?}");
}

/// The container is stopped before.
fn changes(lineage: &Lineage<'_>, old: &str) {
    let scenario = lineage.scenario;
    for (arguments, status) in [
        (&["start", old][..], "running"),
        (&["restart", "-t", "1", old], "running"),
        (&["pause", old], "paused"),
        (&["unpause", old], "running"),
        (&["kill", old], "exited"),
        (&["start", old], "running"),
    ] {
        through(scenario, arguments);
        scenario.until(status, |_| lineage.status() == status);
    }
    through(scenario, &["update", "--restart", "unless-stopped", old]);
    let policy = scenario.text(&lineage.current, "/HostConfig/RestartPolicy/Name");
    assert_eq!(policy, "unless-stopped");
    let other = scenario.named("renamed");
    for name in [&other, &lineage.name] {
        through(scenario, &["rename", old, name]);
        assert_eq!(scenario.text(&lineage.current, "/Name"), format!("/{name}"));
    }
}
