//! Every default of an image changes; what a person set stays, and all else is the new image's, as
//! if the container had been made on it.

mod databases;
mod pair;
mod tables;

use compat_tests::{Scenario, answer, rows};
use pair::Pair;
use serde_json::{Value, json};

/// What runs in the images: either can run what the other, and what a person, names.
const PROGRAMS: [&str; 6] = [
    "old-entry",
    "old-cmd",
    "new-entry",
    "new-cmd",
    "my-entry",
    "my-cmd",
];

const OLD: &str = r#"
ENV PATH=/usr/local/bin:/bin:/old VERSION=old BOTH=same OLD_ONLY=1
LABEL version=old both=same old-only=1
EXPOSE 1000 1001
VOLUME /data /old-volume
HEALTHCHECK --interval=2s --timeout=2s --start-period=2s --retries=2 CMD ["true", "old"]
STOPSIGNAL SIGUSR1
SHELL ["/bin/sh", "-e", "-c"]
WORKDIR /old-folder
USER 1001
ENTRYPOINT ["/usr/local/bin/old-entry"]
CMD ["old-cmd", "old"]
"#;

const NEW: &str = r#"
ENV PATH=/usr/local/bin:/bin:/new VERSION=new BOTH=same NEW_ONLY=1
LABEL version=new both=same new-only=1
EXPOSE 1000 1002
VOLUME /data /new-volume
HEALTHCHECK --interval=800ms --timeout=3s --start-period=3s --retries=3 CMD ["true", "new"]
STOPSIGNAL SIGUSR2
SHELL ["/bin/ash", "-x", "-c"]
WORKDIR /new-folder
USER 1002
ENTRYPOINT ["/usr/local/bin/new-entry"]
CMD ["new-cmd", "new"]
"#;

/// A container of the new image, of which its user said nothing. Create never takes Shell from an
/// image.
fn defaults(scenario: &str) -> Value {
    json!({
        "Env": {
            "PATH": "=/usr/local/bin:/bin:/new",
            "VERSION": "=new",
            "BOTH": "=same",
            "NEW_ONLY": "=1",
        },
        "Labels": { "version": "new", "both": "same", "new-only": "1", "refit-test": scenario },
        "ExposedPorts": { "1000/tcp": {}, "1002/tcp": {} },
        "Volumes": { "/data": {}, "/new-volume": {} },
        "Healthcheck": {
            "Test": ["CMD", "true", "new"],
            "Interval": 800_000_000,
            "Timeout": 3_000_000_000_u64,
            "StartPeriod": 3_000_000_000_u64,
            "Retries": 3,
        },
        "StopSignal": "SIGUSR2",
        "Shell": null,
        "WorkingDir": "/new-folder",
        "User": "1002",
        "Entrypoint": ["/usr/local/bin/new-entry"],
        "Cmd": ["new-cmd", "new"],
    })
}

#[test]
fn what_a_person_set_stays_and_all_else_is_the_new_images() {
    let scenario = Scenario::new("default");
    let pair = Pair {
        scenario: &scenario,
        old: &scenario.build("old", &PROGRAMS, OLD),
        new: &scenario.build("new", &PROGRAMS, NEW),
        defaults: &defaults("default"),
    };
    let table: Vec<_> = [
        tables::single(),
        tables::what_is_run(),
        tables::health_checks(),
        tables::places(),
    ]
    .into_iter()
    .flatten()
    .collect();
    rows::each(&table, |row| row.name, |row| pair.check(row));
}

#[test]
fn a_shell_is_a_persons_even_where_the_old_image_says_the_same() {
    let scenario = Scenario::new("default-shell");
    let old = scenario.build("old", &PROGRAMS, OLD);
    let new = scenario.build("new", &PROGRAMS, NEW);
    let table = [
        ("mine", json!(["/bin/ash", "-c"])),
        ("like-old", json!(["/bin/sh", "-e", "-c"])),
    ];
    let check = |row: &(&str, Value)| {
        let (name, shell) = (scenario.named(row.0), &row.1);
        // The docker CLI has no option for it.
        let body = json!({
            "Image": old,
            "Shell": shell,
            "Labels": { "refit-test": "default-shell" },
        });
        let path = format!("/containers/create?name={name}");
        let json = ["-H", "Content-Type: application/json"];
        let created = scenario.spawn_post(&path, &body.to_string(), &json);
        let created = answer(&created.wait_with_output().unwrap());
        assert_eq!(created.status, 201, "{}", created.text);
        scenario.start(&name);
        let upgraded = scenario.upgrade_with(&name, &json!({ "Image": new }));
        assert_eq!(upgraded.status, 200, "{}", upgraded.text);
        let config = &scenario.document(&name)["Config"];
        assert_eq!(config["Shell"], *shell);
        assert_eq!(config["User"], "1002");
    };
    rows::each(&table, |row| row.0, check);
}
