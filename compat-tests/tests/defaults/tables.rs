//! What a person may have said at `docker run` of what an image says, and what comes of it.

use serde_json::{Value, json};

use crate::pair::Row;

const LIKE_OLD: &str = "a value that the old image says, too, can't be told from its default";

fn row(name: &'static str, options: &'static str, command: &'static str, expected: Value) -> Row {
    Row {
        name,
        options,
        command,
        expected,
        unlike_fresh: &[],
    }
}

/// A row whose arguments repeat what the old image says.
fn repeats(
    name: &'static str,
    options: &'static str,
    command: &'static str,
    expected: Value,
    unlike_fresh: &'static [(&'static str, &'static str)],
) -> Row {
    Row {
        unlike_fresh,
        ..row(name, options, command, expected)
    }
}

/// Of each field that stands by itself, what a person may have said; nothing, and all of it.
pub fn single() -> Vec<Row> {
    vec![
        row("none", "", "", json!({})),
        row("env", "-e MINE=1", "", json!({ "Env": { "MINE": "=1" } })),
        row(
            "env of the image",
            "-e VERSION=mine -e OLD_ONLY=mine",
            "",
            json!({ "Env": { "VERSION": "=mine", "OLD_ONLY": "=mine" } }),
        ),
        repeats(
            "env as in the old image",
            "-e VERSION=old",
            "",
            json!({}),
            &[("/Config/Env/VERSION", LIKE_OLD)],
        ),
        // Bare, and not set in the client's environment: the image's is suppressed.
        row(
            "env suppressed",
            "-e BOTH -e VERSION",
            "",
            json!({ "Env": { "BOTH": "", "VERSION": "" } }),
        ),
        row("user", "--user=1003", "", json!({ "User": "1003" })),
        repeats(
            "user as in the old image",
            "--user=1001",
            "",
            json!({}),
            &[("/Config/User", LIKE_OLD)],
        ),
        row(
            "folder",
            "--workdir=/my",
            "",
            json!({ "WorkingDir": "/my" }),
        ),
        row(
            "label",
            "-l mine=1",
            "",
            json!({ "Labels": { "mine": "1" } }),
        ),
        row(
            "label of the image",
            "-l version=mine -l old-only=mine",
            "",
            json!({ "Labels": { "version": "mine", "old-only": "mine" } }),
        ),
        repeats(
            "label as in the old image",
            "-l version=old",
            "",
            json!({}),
            &[("/Config/Labels/version", LIKE_OLD)],
        ),
        row(
            "stop signal",
            "--stop-signal=SIGINT",
            "",
            json!({ "StopSignal": "SIGINT" }),
        ),
        row(
            "all",
            "-e MINE=1 -e VERSION=mine --user=1003 --workdir=/my -l mine=1 -l version=mine \
             --stop-signal=SIGINT --expose=1003 --volume=/my-volume --volume=NAMED:/data \
             --health-cmd=true --health-interval=900ms --health-timeout=4s \
             --health-start-period=4s --health-retries=4 --entrypoint=my-entry",
            "my-cmd 1",
            json!({
                "Env": { "MINE": "=1", "VERSION": "=mine" },
                "User": "1003",
                "WorkingDir": "/my",
                "Labels": { "mine": "1", "version": "mine" },
                "StopSignal": "SIGINT",
                "ExposedPorts": { "1003/tcp": {} },
                "Volumes": { "/my-volume": {} },
                "Healthcheck": {
                    "Test": ["CMD-SHELL", "true"],
                    "Interval": 900_000_000,
                    "Timeout": 4_000_000_000_u64,
                    "StartPeriod": 4_000_000_000_u64,
                    "Retries": 4,
                },
                "Entrypoint": ["my-entry"],
                "Cmd": ["my-cmd", "1"],
            }),
        ),
    ]
}

/// `Entrypoint` and `Cmd`, whose combinations mean something of their own.
pub fn what_is_run() -> Vec<Row> {
    let cmd = json!({ "Cmd": ["my-cmd", "1"] });
    let both = json!({ "Entrypoint": ["my-entry"], "Cmd": ["my-cmd", "1"] });
    vec![
        row("cmd", "", "my-cmd 1", cmd.clone()),
        repeats(
            "cmd as in the old image",
            "",
            "old-cmd old",
            json!({}),
            &[("/Config/Cmd", LIKE_OLD)],
        ),
        row(
            "entrypoint",
            "--entrypoint=my-entry",
            "",
            json!({ "Entrypoint": ["my-entry"], "Cmd": null }),
        ),
        row(
            "entrypoint and cmd",
            "--entrypoint=my-entry",
            "my-cmd 1",
            both,
        ),
        // The image's Cmd is shut out, so this one is the person's.
        row(
            "entrypoint and the old cmd",
            "--entrypoint=my-entry",
            "old-cmd old",
            json!({ "Entrypoint": ["my-entry"], "Cmd": ["old-cmd", "old"] }),
        ),
        // No Cmd beside it: it was given.
        row(
            "the old entrypoint",
            "--entrypoint=/usr/local/bin/old-entry",
            "",
            json!({ "Entrypoint": ["/usr/local/bin/old-entry"], "Cmd": null }),
        ),
        repeats(
            "the old entrypoint and a cmd",
            "--entrypoint=/usr/local/bin/old-entry",
            "my-cmd 1",
            cmd,
            &[("/Config/Entrypoint", LIKE_OLD)],
        ),
        repeats(
            "the old entrypoint and the old cmd",
            "--entrypoint=/usr/local/bin/old-entry",
            "old-cmd old",
            json!({}),
            &[("/Config/Entrypoint", LIKE_OLD), ("/Config/Cmd", LIKE_OLD)],
        ),
        row(
            "no entrypoint",
            "--entrypoint=",
            "my-cmd 1",
            json!({ "Entrypoint": null, "Cmd": ["my-cmd", "1"] }),
        ),
        row(
            "no entrypoint and the old cmd",
            "--entrypoint=",
            "old-cmd old",
            json!({ "Entrypoint": null, "Cmd": ["old-cmd", "old"] }),
        ),
    ]
}

/// A health check goes by its parts.
pub fn health_checks() -> Vec<Row> {
    let part = |name: &str, value: Value| json!({ "Healthcheck": { name: value } });
    vec![
        row(
            "interval",
            "--health-interval=900ms",
            "",
            part("Interval", json!(900_000_000)),
        ),
        row(
            "command",
            "--health-cmd=true",
            "",
            part("Test", json!(["CMD-SHELL", "true"])),
        ),
        row(
            "timeout",
            "--health-timeout=4s",
            "",
            part("Timeout", json!(4_000_000_000_u64)),
        ),
        row(
            "start period",
            "--health-start-period=4s",
            "",
            part("StartPeriod", json!(4_000_000_000_u64)),
        ),
        row(
            "retries",
            "--health-retries=4",
            "",
            part("Retries", json!(4)),
        ),
        row(
            "none at all",
            "--no-healthcheck",
            "",
            part("Test", json!(["NONE"])),
        ),
        repeats(
            "timeout as in the old image",
            "--health-timeout=2s",
            "",
            json!({}),
            &[("/Config/Healthcheck/Timeout", LIKE_OLD)],
        ),
    ]
}

/// Volumes and ports of the old image, on which a person may rely.
pub fn places() -> Vec<Row> {
    vec![
        row(
            "a named volume where the old image has one",
            "--volume=NAMED:/old-volume",
            "",
            json!({}),
        ),
        row(
            "a named volume where the new image has one",
            "--volume=NAMED:/new-volume",
            "",
            json!({}),
        ),
        row(
            "a mount where both images have a volume",
            "--mount=type=volume,src=NAMED,dst=/data",
            "",
            json!({}),
        ),
        row(
            "an anonymous volume",
            "--volume=/my-volume",
            "",
            json!({ "Volumes": { "/my-volume": {} } }),
        ),
        repeats(
            "an anonymous volume where the old image has one",
            "--volume=/old-volume",
            "",
            json!({}),
            &[("/Config/Volumes/~1old-volume", LIKE_OLD)],
        ),
        row(
            "a tmpfs where the old image has a volume",
            "--tmpfs=/old-volume",
            "",
            json!({}),
        ),
        row(
            "an exposed port",
            "--expose=1003",
            "",
            json!({ "ExposedPorts": { "1003/tcp": {} } }),
        ),
        repeats(
            "an exposed port as in the old image",
            "--expose=1001",
            "",
            json!({}),
            &[("/Config/ExposedPorts/1001~1tcp", LIKE_OLD)],
        ),
        row(
            "a published port that the old image alone exposes",
            "--publish=127.0.0.1:21001:1001",
            "",
            json!({ "ExposedPorts": { "1001/tcp": {} } }),
        ),
        repeats(
            "all ports published",
            "--publish-all",
            "",
            json!({ "ExposedPorts": { "1001/tcp": {} } }),
            &[
                (
                    "/Config/ExposedPorts/1001~1tcp",
                    "a port that is published stays published, and so exposed",
                ),
                (
                    "/HostConfig/PortBindings",
                    "a host port that the engine chose keeps its number",
                ),
            ],
        ),
    ]
}
