//! The README's examples.

use std::{collections::BTreeSet, thread};

use compat_tests::{docker, rows};
use serde_json::{Value, json};

use crate::{
    bodies, refused,
    web::{self, Web},
};

/// What comes of an example.
struct Example {
    /// What it is for, in the README's words.
    to: &'static str,
    /// The settings that change; no others do.
    changes: &'static [&'static str],
    /// What inspect then prints of them: a setting, a pointer into it, and a value.
    shows: Vec<(&'static str, &'static str, Value)>,
    /// What is then true of it.
    holds: fn(&Web),
}

#[test]
fn every_example_of_the_readme_does_what_it_says() {
    let bodies = bodies();
    let table = [mounts(), limits(), processes(), ports(), networks()];
    let table: Vec<Example> = table.into_iter().flatten().collect();
    let documented: BTreeSet<&str> = bodies.iter().map(|(to, _)| to.as_str()).collect();
    let checked: BTreeSet<&str> = table.iter().map(|example| example.to).collect();
    assert_eq!(documented, checked);
    let scenario = web::scenario("patch");
    let rows: Vec<(usize, &Example, &str)> = table
        .iter()
        .enumerate()
        .map(|(number, example)| {
            let body = bodies.iter().find(|(to, _)| to == example.to);
            (number, example, body.expect("it").1.as_str())
        })
        .collect();
    thread::scope(|scope| {
        scope.spawn(|| refused::unknown_driver(&scenario));
        rows::each(
            &rows,
            |(_, example, _)| example.to,
            |(number, example, body)| example.check(&Web::run(&scenario, *number), body),
        );
    });
}

impl Example {
    fn check(&self, web: &Web, body: &str) {
        let before = web.settings();
        let upgraded = web.scenario.upgrade_with(&web.name, &web.body(body));
        assert_eq!(upgraded.status, 200, "{}: {}", self.to, upgraded.text);
        assert_eq!(upgraded.json()["Changed"], true, "{}", self.to);
        let after = web.settings();
        let all: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let changed = all
            .into_iter()
            .filter(|at| before.get(*at) != after.get(*at));
        let changed: Vec<&str> = changed.map(String::as_str).collect();
        assert_eq!(changed, self.changes, "{}", self.to);
        for (setting, pointer, value) in &self.shows {
            let shown = after[*setting].pointer(pointer).unwrap_or(&Value::Null);
            assert_eq!(shown, value, "{}: {setting}{pointer}", self.to);
        }
        assert_eq!(web.inside("cat /data/file"), "kept", "{}", self.to);
        (self.holds)(web);
        // Others take and free addresses meanwhile.
        for warning in upgraded.warnings() {
            let is_of_address = warning.starts_with("the address on network ");
            assert!(is_of_address, "{}: {warning}", self.to);
        }
        // Asked for once more, it is so already.
        let path = format!("/containers/{}/upgrade?dryRun=1&pull=never", web.name);
        let again = web.scenario.post(&path, &web.body(body).to_string());
        assert_eq!(
            again.json()["Changed"],
            false,
            "{}: {}",
            self.to,
            again.text
        );
        web.scenario.remove(&web.name);
    }
}

fn mounts() -> Vec<Example> {
    vec![
        Example {
            to: "add a volume",
            changes: &["HostConfig.Binds", "Mounts"],
            shows: vec![
                (
                    "Mounts",
                    "/~1uploads",
                    json!(["volume", "patch-uploads", true]),
                ),
                ("Mounts", "/~1config/0", json!("volume")),
            ],
            holds: |web| {
                web.inside("grep ' /uploads ' /proc/mounts && touch /uploads/file");
                assert_eq!(web.inside("cat /config/file"), "first");
            },
        },
        Example {
            to: "add a mount, in the long form",
            changes: &["HostConfig.Mounts", "Mounts"],
            shows: vec![("HostConfig.Mounts", "/0/Target", json!("/cache"))],
            holds: |web| {
                let kind = web.inside("grep ' /cache ' /proc/mounts");
                assert!(kind.starts_with("tmpfs "), "{kind}");
                assert_eq!(web.inside("cat /config/file"), "first");
            },
        },
        Example {
            to: "mount something else at a target",
            changes: &["HostConfig.Binds", "Mounts"],
            shows: vec![(
                "Mounts",
                "/~1config",
                json!(["volume", "patch-settings", false]),
            )],
            holds: |web| {
                assert_eq!(
                    web.inside("ls /config; touch /config/new 2>&1 || true"),
                    "touch: /config/new: Read-only file system"
                );
                // What was mounted there before is not deleted.
                let volume = format!("{}-config:/was", web.name);
                let was = ["run", "--rm", "-v", &volume, "busybox", "cat", "/was/file"];
                assert_eq!(web.scenario.docker(&was), "first");
                web.scenario
                    .docker(&["volume", "rm", &format!("{}-config", web.name)]);
            },
        },
    ]
}

fn limits() -> Vec<Example> {
    vec![
        Example {
            to: "change memory and CPU",
            changes: &[
                "HostConfig.Memory",
                "HostConfig.MemorySwap",
                "HostConfig.NanoCpus",
            ],
            shows: vec![
                ("HostConfig.Memory", "", json!(268_435_456)),
                ("HostConfig.MemorySwap", "", json!(536_870_912)),
                ("HostConfig.NanoCpus", "", json!(500_000_000)),
            ],
            holds: |web| {
                // Control groups of version 1, or 2.
                let memory =
                    "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes || cat memory.max";
                assert_eq!(web.inside(memory), "268435456");
                let cpu = "cd /sys/fs/cgroup; cat cpu/cpu.cfs_quota_us || cut -d ' ' -f 1 cpu.max";
                assert_eq!(web.inside(cpu), "50000");
            },
        },
        Example {
            to: "change the restart policy",
            changes: &["HostConfig.RestartPolicy"],
            shows: vec![(
                "HostConfig.RestartPolicy",
                "",
                json!({ "Name": "always", "MaximumRetryCount": 0 }),
            )],
            holds: |web| {
                let started = || web.scenario.document(&web.name)["State"]["StartedAt"].clone();
                let first = started();
                // It ends with exit code 0; the command may end with its container.
                let end = ["exec", &web.name, "kill", "1"];
                docker(&web.scenario.engine(), &end, b"");
                web.scenario
                    .until("it is started again", |_| started() != first);
            },
        },
        Example {
            to: "set a kernel parameter",
            changes: &["HostConfig.Sysctls"],
            shows: vec![(
                "HostConfig.Sysctls",
                "",
                json!({
                    "net.core.somaxconn": "512",
                    "net.ipv4.ip_unprivileged_port_start": "80",
                }),
            )],
            holds: |web| {
                let both = "cd /proc/sys/net; cat core/somaxconn ipv4/ip_unprivileged_port_start";
                assert_eq!(web.inside(both), "512\n80");
            },
        },
        Example {
            to: "set a log option",
            changes: &["HostConfig.LogConfig"],
            shows: vec![(
                "HostConfig.LogConfig",
                "",
                json!({ "Type": "json-file", "Config": { "max-file": "2", "max-size": "1m" } }),
            )],
            holds: |web| {
                // Twice what two files of that size hold.
                web.inside("yes $(printf %01000d 0) | head -n 4000 > /proc/1/fd/1");
                let logs = || web.scenario.docker(&["logs", &web.name]);
                let kept = |logs: String| logs.lines().filter(|line| line.len() == 1000).count();
                web.scenario
                    .until("all of it is logged", |_| (1..3000).contains(&kept(logs())));
            },
        },
        Example {
            to: "set and remove labels",
            changes: &["Config.Labels"],
            shows: vec![(
                "Config.Labels",
                "",
                json!({ "refit-test": "patch", "tier": "cache" }),
            )],
            holds: |web| {
                let found = |label: &str| {
                    let filters = ["ps", "-q", "--filter", label, "--filter"];
                    let name = format!("name=^/{}$", web.name);
                    !web.scenario
                        .docker(&[&filters[..], &[&name]].concat())
                        .is_empty()
                };
                assert!(found("label=tier=cache"));
                assert!(!found("label=owner"));
            },
        },
    ]
}

fn processes() -> Vec<Example> {
    let cmd = json!(["--port", "80"]);
    let process = |to, changes, entrypoint, cmd, holds| Example {
        to,
        changes,
        shows: vec![
            ("Config.Entrypoint", "", entrypoint),
            ("Config.Cmd", "", cmd),
        ],
        holds,
    };
    vec![
        process(
            "run the new image's entrypoint",
            &["Config.Entrypoint", "Config.Image"],
            json!(["image-2"]),
            cmd.clone(),
            |web| assert_eq!(web.process(), "/bin/sh /usr/local/bin/image-2 --port 80"),
        ),
        process(
            "run the image's entrypoint and command",
            &["Config.Cmd", "Config.Entrypoint"],
            json!(["image-1"]),
            json!(["of-the-image"]),
            |web| assert_eq!(web.process(), "/bin/sh /usr/local/bin/image-1 of-the-image"),
        ),
        process(
            "set the entrypoint",
            &["Config.Entrypoint"],
            json!(["serve", "--verbose"]),
            cmd,
            |web| {
                assert_eq!(
                    web.process(),
                    "/bin/sh /usr/local/bin/serve --verbose --port 80"
                );
            },
        ),
        process(
            "set the command",
            &["Config.Cmd"],
            json!(["serve"]),
            json!(["--port", "81"]),
            |web| assert_eq!(web.process(), "/bin/sh /usr/local/bin/serve --port 81"),
        ),
        Example {
            to: "set, change and remove variables",
            changes: &["Config.Env"],
            shows: vec![],
            holds: |web| {
                assert_eq!(web.variable("TZ").as_deref(), Some("UTC"));
                assert_eq!(web.variable("LEVEL").as_deref(), Some("debug"));
                assert_eq!(web.variable("TOKEN"), None);
                let env = web.scenario.document(&web.name)["Config"]["Env"].to_string();
                for (entry, is_there) in [
                    ("\"TZ=UTC\"", true),
                    ("\"LEVEL=debug\"", true),
                    ("LEVEL=info", false),
                    ("TOKEN=", false),
                ] {
                    assert_eq!(env.contains(entry), is_there, "{entry}: {env}");
                }
            },
        },
    ]
}

fn ports() -> Vec<Example> {
    let at = |port: &str| json!([{ "HostIp": "", "HostPort": port }]);
    vec![
        Example {
            to: "publish another port",
            changes: &["Config.ExposedPorts", "HostConfig.PortBindings"],
            shows: vec![
                ("HostConfig.PortBindings", "/9000~1tcp", at("9000")),
                ("Config.ExposedPorts", "/9000~1tcp", json!({})),
            ],
            holds: |web| {
                assert_eq!(web.answered_at(9000, 9000), "served");
                assert_eq!(web.answered_at(web.port, 80), "served");
            },
        },
        Example {
            to: "publish a port elsewhere",
            changes: &["HostConfig.PortBindings"],
            shows: vec![("HostConfig.PortBindings", "/80~1tcp", at("9080"))],
            holds: |web| {
                assert_eq!(web.answered_at(9080, 80), "served");
                assert_eq!(web.answered_at(web.port, 80), "");
            },
        },
        Example {
            to: "publish a port no longer",
            changes: &["HostConfig.PortBindings"],
            shows: vec![("HostConfig.PortBindings", "", json!({}))],
            holds: |web| assert_eq!(web.answered_at(web.port, 80), ""),
        },
    ]
}

fn networks() -> Vec<Example> {
    vec![
        Example {
            to: "join another network",
            changes: &["Networks"],
            shows: vec![
                ("Networks", "/patch-side", json!(["api"])),
                ("Networks", "/patch-back", json!([])),
                ("Networks", "/patch-front", json!([])),
            ],
            holds: |web| {
                let networks = &web.scenario.document(&web.name)["NetworkSettings"]["Networks"];
                let address = &networks["patch-side"]["IPAddress"];
                // The lookup fails as a whole where there is no IPv6 address.
                let ask = "nslookup api 127.0.0.11 || true";
                let on_side = ["run", "--rm", "--network=patch-side", "busybox"];
                let found = web
                    .scenario
                    .docker(&[&on_side[..], &["sh", "-c", ask]].concat());
                let address = address.as_str().unwrap_or_default();
                assert!(!address.is_empty() && found.contains(address), "{found}");
            },
        },
        Example {
            to: "leave a network",
            changes: &["Networks"],
            shows: vec![("Networks", "", json!({ "patch-front": [] }))],
            holds: |web| assert_eq!(web.inside("ls /sys/class/net"), "eth0\nlo"),
        },
    ]
}
