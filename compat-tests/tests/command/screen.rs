//! What people see on a terminal.

use std::num::NonZero;

use compat_tests::same::{Said, mask};

use crate::rig::{AFTER, BEFORE, EXITS, Rig};

/// The size of the scenarios' terminals.
const ROWS: NonZero<u16> = NonZero::new(24).expect("it is not 0");
const COLUMNS: NonZero<u16> = NonZero::new(80).expect("it is not 0");

/// What stands on the terminal in the end, without times and IDs.
fn screen(said: &Said) -> String {
    let mut terminal = vt100::Parser::new(ROWS, COLUMNS, 0);
    terminal.process(&said.stdout);
    let shown = terminal.screen().contents();
    let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
    mask(&lines.join("\n"))
}

fn is_coloured(said: &Said) -> bool {
    let text = said.out();
    [
        "\u{1b}[31m",
        "\u{1b}[32m",
        "\u{1b}[33m",
        "\u{1b}[1m",
        "\u{1b}[2m",
    ]
    .iter()
    .any(|colour| text.contains(colour))
}

#[test]
fn an_upgrade_is_a_line_for_each_step() {
    let rig = Rig::new("see-upgrade");
    rig.scenario.run(&["--name", &rig.name, BEFORE]);
    let side = rig.scenario.through();
    let said = rig
        .upgrade(&side, &["--image", AFTER, "--monitor", "1s", &rig.name])
        .on_terminal()
        .end();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(is_coloured(&said));
    let expected = "\
 ✔ see-upgrade-db  pull     <duration>
 ✔ see-upgrade-db  plan     <duration>
 ✔ see-upgrade-db  create   <duration>
 ✔ see-upgrade-db  hold     <duration>
 ✔ see-upgrade-db  stop     <duration>
 ✔ see-upgrade-db  park     <duration>
 ✔ see-upgrade-db  rename   <duration>
 ✔ see-upgrade-db  start    <duration>
 ✔ see-upgrade-db  verify   <duration>
 ✔ see-upgrade-db  commit   <duration>
see-upgrade-db upgraded: refit-test/before -> refit-test/after, down for <duration>";
    // The last line is longer than the terminal is wide.
    assert_eq!(unfolded(&screen(&said)), unfolded(expected));
}

#[test]
fn a_failure_ends_with_what_to_do() {
    let rig = Rig::new("see-failure");
    rig.scenario.run(&[
        "--name",
        &rig.name,
        "--entrypoint",
        "",
        BEFORE,
        "sleep",
        "1000",
    ]);
    let side = rig.scenario.through();
    let arguments = [
        "-t",
        "0",
        "--image",
        EXITS,
        &rig.name,
        "sh",
        "-c",
        "echo no configuration >&2; exit 3",
    ];
    let said = rig.upgrade(&side, &arguments).on_terminal().end();
    assert_eq!(said.code, Some(1), "{said:?}");
    let shown = screen(&said);
    for line in [
        " ✔ see-failure-db  start    <duration>",
        " ✘ see-failure-db  verify   <duration>",
        "no configuration",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
    }
    assert!(shown.contains("nothing is lost"), "{shown}");
}

#[test]
fn a_dry_run_is_a_diff_in_groups() {
    let rig = Rig::new("see-dry");
    rig.scenario.run(&["--name", &rig.name, BEFORE]);
    let side = rig.scenario.through();
    let arguments = [
        "--image",
        AFTER,
        "--dry-run",
        "-e",
        "LEVEL=debug",
        "-p",
        "127.0.0.1:7999:7000",
        "--network",
        "none-such",
        &rig.name,
    ];
    let refused = rig.upgrade(&side, &arguments).on_terminal().end();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let arguments = [&arguments[..7], &[&rig.name]].concat();
    let plain = rig
        .upgrade(&side, &arguments)
        .env("NO_COLOR", "1")
        .on_terminal()
        .end();
    assert!(!is_coloured(&plain), "{plain:?}");
    let said = rig.upgrade(&side, &arguments).on_terminal().end();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(is_coloured(&said), "{said:?}");
    let expected = "\
 ✔ see-dry-db  pull     <duration>
 ✔ see-dry-db  plan     <duration>
see-dry-db would be upgraded; nothing was touched

Image
  ~ Image  refit-test/before -> refit-test/after  (from the request)
  ~ ImageId  <id 0> -> <id 1>  (from the request)

Config
  ~ Env.LEVEL  info -> debug  (from the request)

Mounts
  + HostConfig.Binds  [\"<id 2>:/data:nocopy\"]  (kept: set on the container)

Ports
  + HostConfig.PortBindings.7000/tcp  [{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"7999\"}]
  (from the request)

Steps: create -> hold -> stop -> park -> rename -> start -> verify -> commit";
    assert_eq!(unfolded(&screen(&said)), unfolded(expected));
    assert_eq!(screen(&plain), screen(&said));
}

/// Without the ends of lines that are the terminal's.
fn unfolded(shown: &str) -> String {
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}
