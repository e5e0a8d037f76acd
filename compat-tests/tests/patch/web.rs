//! The container of the README's examples.

use std::collections::BTreeMap;

use compat_tests::{MARKER, Scenario, docker};
use serde_json::{Value, json};

use crate::run_arguments;

/// The names of the README that are the engine's own here, too: images, networks and volumes.
const NAMES: [&str; 9] = [
    "web:1", "web:2", "front", "back", "side", "uploads", "settings", "config:", "data:",
];

/// The scenario with what the examples name: two images and three networks.
pub fn scenario(name: &str) -> Scenario {
    let scenario = Scenario::new(name);
    for version in ["1", "2"] {
        let entry = format!("image-{version}");
        let dockerfile = format!("ENTRYPOINT [\"{entry}\"]\nCMD [\"of-the-image\"]");
        scenario.build(
            &format!("web-{version}"),
            &["serve", "image-1", "image-2"],
            &dockerfile,
        );
    }
    for network in ["front", "back", "side"] {
        scenario.docker(&["network", "create", &scenario.named(network)]);
    }
    scenario
}

/// One container of the README's `docker run`.
pub struct Web<'a> {
    pub scenario: &'a Scenario,
    pub name: String,
    /// The host port that its port 80 is published at.
    pub port: usize,
}

impl<'a> Web<'a> {
    /// Makes one, with a file in a volume.
    pub fn run(scenario: &'a Scenario, number: usize) -> Self {
        let web = Self {
            scenario,
            name: scenario.named(&number.to_string()),
            port: 20_100 + number,
        };
        let arguments: Vec<String> = run_arguments()
            .into_iter()
            .map(|word| match word.as_str() {
                "web" => web.name.clone(),
                "8080:80" => format!("127.0.0.1:{}:80", web.port),
                word => web.own(word),
            })
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        scenario.run(&arguments);
        let back = scenario.named("back");
        scenario.docker(&["network", "connect", &back, &web.name]);
        web.inside("echo kept > /data/file; echo first > /config/file");
        web
    }

    /// A word of the README with this scenario's names in it.
    fn own(&self, word: &str) -> String {
        let Some(name) = NAMES.iter().find(|name| word.starts_with(**name)) else {
            return word.to_owned();
        };
        let own = match *name {
            // Each container has its own.
            "config:" | "data:" => format!("{}-{name}", self.name),
            name => self.scenario.named(&name.replace(':', "-")),
        };
        word.replacen(name, &own, 1)
    }

    /// A body of the README with this scenario's names in it.
    pub fn body(&self, body: &str) -> Value {
        let texts: Vec<String> = body.split('"').map(|text| self.own(text)).collect();
        serde_json::from_str(&texts.join("\"")).expect("JSON")
    }

    /// What a shell command prints in it.
    pub fn inside(&self, command: &str) -> String {
        let exec = ["exec", &self.name, "sh", "-c", command];
        self.scenario.docker(&exec)
    }

    /// The value of a variable of its process; none where it has no such variable.
    pub fn variable(&self, name: &str) -> Option<String> {
        let env = self.inside("env");
        let prefix = format!("{name}=");
        env.lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .map(str::to_owned)
    }

    /// The words of its process.
    pub fn process(&self) -> String {
        let words = self.inside("tr '\\0' ' ' < /proc/1/cmdline");
        words.trim_end().to_owned()
    }

    /// What is answered at a port of the host, where this container answers at its port.
    pub fn answered_at(&self, host_port: usize, port: u16) -> String {
        let listen = format!("nc -ll -p {port} -e echo served");
        self.scenario
            .docker(&["exec", "-d", &self.name, "sh", "-c", &listen]);
        self.scenario.until("it listens", |_| {
            let hex = format!(":{port:04X} ");
            self.inside("cat /proc/net/tcp /proc/net/tcp6")
                .contains(&hex)
        });
        let ask = format!("nc -w 5 127.0.0.1 {host_port} < /dev/null");
        let on_host = ["run", "--rm", "--network=host", "busybox", "sh", "-c", &ask];
        let answer = docker(&self.scenario.engine(), &on_host, b"");
        String::from_utf8_lossy(&answer.stdout)
            .trim_end()
            .to_owned()
    }

    /// All that a person can set on it, by field; `Mounts` and `Networks` as they came to be.
    pub fn settings(&self) -> BTreeMap<String, Value> {
        let document = self.scenario.document(&self.name);
        let mut settings = BTreeMap::new();
        for part in ["Config", "HostConfig"] {
            for (field, value) in document[part].as_object().expect("an object") {
                let mut value = value.clone();
                if let Some(labels) = value.as_object_mut().filter(|_| field == "Labels") {
                    labels.remove(MARKER);
                }
                if let Some(binds) = value.as_array_mut().filter(|_| field == "Binds") {
                    for bind in binds {
                        *bind = json!(bind.as_str().map(|bind| bind.replace(":nocopy", "")));
                    }
                }
                settings.insert(format!("{part}.{field}"), value);
            }
        }
        let mounts = document["Mounts"].as_array().into_iter().flatten();
        let mounts: BTreeMap<String, Value> = mounts
            .map(|mount| {
                let target = mount["Destination"].as_str().unwrap_or_default();
                let what = json!([mount["Type"], mount["Name"], mount["RW"]]);
                (target.to_owned(), what)
            })
            .collect();
        settings.insert("Mounts".to_owned(), json!(mounts));
        let id = document["Id"].as_str().unwrap_or_default();
        let networks = document["NetworkSettings"]["Networks"].as_object();
        let networks: BTreeMap<String, Value> = networks
            .into_iter()
            .flatten()
            .map(|(network, endpoint)| {
                let aliases = endpoint["Aliases"].as_array().into_iter().flatten();
                // Older engines print these two among them.
                let own = [&json!(id[..12]), &document["Config"]["Hostname"]];
                let aliases = aliases.filter(|alias| !own.contains(alias));
                (network.clone(), aliases.cloned().collect())
            })
            .collect();
        settings.insert("Networks".to_owned(), json!(networks));
        settings
    }
}
