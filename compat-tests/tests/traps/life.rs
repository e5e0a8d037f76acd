//! The life of one container, told by one client on one connection that is kept.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use compat_tests::{
    LABEL, Scenario,
    same::{Side, same},
};
use regex::Regex;
use serde_json::Value;

use crate::{
    routers::shape_of,
    wire::{Answered, PATIENCE, Wire, head, post},
};

/// Between two questions about what takes its time.
const PAUSE: Duration = Duration::from_millis(20);

/// A client, and what it has heard.
struct Life<'a> {
    at: &'a Side<'a>,
    wire: Wire,
    name: String,
    told: Vec<(String, String)>,
}

/// What was answered, with what no two containers have in common replaced: with it, the length varies.
fn masked(answered: &Answered) -> String {
    let mut head = answered.masked_head();
    let mut body = answered.masked_body();
    for (pattern, word) in [
        (r#""Pid":[1-9]\d*"#, r#""Pid":<pid>"#),
        (r#""Created":\d+"#, r#""Created":<time>"#),
        (r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "<mac>"),
    ] {
        let pattern = Regex::new(pattern).expect("a pattern");
        body = pattern.replace_all(&body, word).into_owned();
    }
    if body.as_bytes() != answered.body {
        let length = format!("Content-Length: {}\r\n", answered.body.len());
        head = head.replace(&length, "Content-Length: <length>\r\n");
    }
    head + &body
}

impl<'a> Life<'a> {
    fn new(at: &'a Side, name: &str) -> Self {
        Self {
            at,
            wire: Wire::open(at.address()),
            name: name.to_owned(),
            told: Vec::new(),
        }
    }

    /// Asks on the connection that is kept.
    fn asked(&mut self, request: &str) -> Answered {
        self.wire.answer(request)
    }

    /// Notes what was answered.
    fn tell(&mut self, request: &str, answer: String) {
        let line = request.lines().next().unwrap_or_default();
        println!("{line}: {}", answer.lines().next().unwrap_or_default());
        self.told.push((line.to_owned(), answer));
    }

    /// Asks, and notes what is answered.
    fn ask(&mut self, request: &str) -> Answered {
        let answered = self.asked(request);
        self.tell(request, masked(&answered));
        answered
    }

    /// Asks until the answer contains this, and notes that answer.
    fn ask_until(&mut self, request: &str, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        let answered = loop {
            let answered = self.asked(request);
            if answered.text().contains(text) {
                break answered;
            }
            assert!(Instant::now() < deadline, "no {text}: {answered:?}");
            thread::sleep(PAUSE);
        };
        self.tell(request, masked(&answered));
    }

    /// `METHOD /containers/NAME/WHAT`, without a body.
    fn of(&self, method: &str, what: &str) -> String {
        let path = format!("/v1.41/containers/{}{what}", self.name);
        head(&[&format!("{method} {path}"), "Content-Length: 0"])
    }

    /// Asks that of the container.
    fn does(&mut self, method: &str, what: &str) -> Answered {
        let request = self.of(method, what);
        self.ask(&request)
    }

    /// Posts a JSON body to the container.
    fn posts(&mut self, what: &str, body: &str) -> Answered {
        let path = format!("/v1.41/containers/{}{what}", self.name);
        self.ask(&post(&path, &[], body))
    }

    fn begins(&mut self, scenario: &Scenario) {
        let config = format!(
            r#"{{"Image":"busybox","Cmd":["sh","-c","echo hello; sleep 1000"],"Labels":{{"{LABEL}":"{}"}}}}"#,
            scenario.name()
        );
        let create = format!("/v1.41/containers/create?name={}", self.name);
        self.ask(&post(&create, &[], &config));
        self.ask(&post(&create, &[], &config));
        self.does("GET", "/json");
        self.does("POST", "/start");
        self.does("POST", "/start");
        self.does("GET", "/json?size=1");
    }

    fn is_looked_at(&mut self) {
        let logs = self.of("GET", "/logs?stdout=1&stderr=1");
        self.ask_until(&logs, "hello");
        self.does("GET", "/logs");
        let list = format!(
            r#"GET /containers/json?all=1&filters={{"name":["{}"]}}"#,
            self.name
        );
        let list = self.asked(&head(&[&list]));
        assert!(list.text().contains("running"), "{list:?}");
        // Process IDs and times.
        let top = self.of("GET", "/top");
        let answered = self.asked(&top);
        let digits = Regex::new(r"\d+").expect("a pattern");
        let processes = digits.replace_all(&answered.text(), "#").into_owned();
        self.tell(&top, processes);
        let stats = self.of("GET", "/stats?stream=false&one-shot=true");
        let answered = self.asked(&stats);
        // What was read from a disk depends on what was in memory.
        let mut shape = shape_of(&answered.body);
        shape.retain(|key| !key.starts_with("/blkio_stats/"));
        self.tell(&stats, format!("{shape:#?}"));
        let export = self.of("GET", "/export");
        let answered = self.asked(&export);
        assert!(answered.body.len() > 1 << 20, "{}", answered.body.len());
        self.tell(&export, answered.masked_head());
        // This one ends its connection.
        let attach = self.of("POST", "/attach?logs=1&stdout=1");
        let attached = Wire::opened(self.at.address(), &attach).ended();
        self.tell(&attach, attached.said);
    }

    fn runs_further_processes(&mut self) {
        let exec = r#"{"AttachStdout":true,"Tty":true,"Cmd":["sleep","1000"]}"#;
        let created: Value = serde_json::from_slice(&self.posts("/exec", exec).body).expect("JSON");
        let exec = format!("/v1.41/exec/{}", created["Id"].as_str().expect("an ID"));
        let inspect = head(&[&format!("GET {exec}/json")]);
        let steps = [
            inspect.clone(),
            post(
                &format!("{exec}/start"),
                &[],
                r#"{"Detach":true,"Tty":true}"#,
            ),
            head(&[
                &format!("POST {exec}/resize?h=30&w=100"),
                "Content-Length: 0",
            ]),
            inspect,
            post(
                &format!("{exec}/start"),
                &[],
                r#"{"Detach":true,"Tty":true}"#,
            ),
        ];
        for request in steps {
            let answered = self.asked(&request);
            self.told.push(("exec".to_owned(), masked(&answered)));
        }
        self.posts("/exec", r#"{"Cmd":[]}"#);
        self.does("POST", "/resize?h=30&w=100");
    }

    fn is_copied_from_and_to(&mut self, scenario: &Scenario) {
        let file = scenario.folder().join("greeting");
        std::fs::write(&file, "hello\n").expect("a file");
        let tar = Command::new("tar")
            .args([
                "--mtime=@0",
                "--owner=0",
                "--group=0",
                "--mode=644",
                "-c",
                "greeting",
            ])
            .current_dir(scenario.folder())
            .output()
            .expect("tar");
        assert!(tar.status.success(), "{tar:?}");
        let length = format!("Content-Length: {}", tar.stdout.len());
        let put = format!("PUT /v1.41/containers/{}/archive?path=/", self.name);
        let put = head(&[&put, "Content-Type: application/x-tar", &length]);
        let put = put + str::from_utf8(&tar.stdout).expect("a header of ASCII");
        self.ask(&put);
        for path in ["/greeting", "/none"] {
            let archive = format!("/archive?path={path}");
            self.does("HEAD", &archive);
            self.does("GET", &archive);
        }
        self.does("GET", "/changes");
    }

    fn is_changed(&mut self) {
        self.does("POST", "/pause");
        self.does("POST", "/pause");
        self.does("GET", "/json");
        self.does("POST", "/unpause");
        self.posts(
            "/update",
            r#"{"CpuShares":512,"RestartPolicy":{"Name":"no"}}"#,
        );
        self.posts("/update", "{<");
        let name = format!("{}-renamed", self.name);
        self.does("POST", &format!("/rename?name={name}"));
        self.does("GET", "/json");
        self.name = name;
        self.does("GET", "/json");
    }

    fn is_committed(&mut self, image: &str) {
        let container = &self.name;
        let commit = format!("/v1.41/commit?container={container}&repo={image}&tag=x");
        self.ask(&post(&commit, &[], "{}"));
        for request in [
            format!("GET /v1.41/images/{image}:x/json"),
            format!("GET /v1.41/images/{image}:x/history"),
            format!("DELETE /v1.41/images/{image}:x"),
            format!("DELETE /v1.41/images/{image}:x"),
        ] {
            self.ask(&head(&[&request]));
        }
    }

    fn ends(&mut self) {
        self.does("POST", "/stop?t=0");
        self.does("POST", "/stop?t=0");
        self.does("POST", "/wait");
        self.does("GET", "/json");
        self.does("POST", "/kill");
        self.does("POST", "/restart?t=0");
        self.does("POST", "/kill?signal=NONE");
        self.does("POST", "/kill?signal=KILL");
        self.does("POST", "/wait");
        self.does("GET", "/top");
        self.does("POST", "/start");
        self.does("DELETE", "");
        self.does("DELETE", "?force=1&v=1");
        self.does("DELETE", "?force=1&v=1");
    }
}

#[test]
fn a_container_lives_alike() {
    let scenario = Scenario::new("life");
    let (name, image) = (scenario.named("box"), scenario.named("image"));
    let told = same(&scenario, |at| {
        let mut life = Life::new(at, &name);
        life.begins(&scenario);
        life.is_looked_at();
        life.runs_further_processes();
        life.is_copied_from_and_to(&scenario);
        life.is_changed();
        life.is_committed(&image);
        life.ends();
        life.told
    });
    println!("{} requests compared", told.len());
    assert!(told.len() > 50, "{told:#?}");
    let has = |status: &str| told.iter().any(|(_, answer)| answer.starts_with(status));
    for status in ["200", "201", "204", "304", "400", "404", "409"] {
        assert!(
            has(&format!("HTTP/1.1 {status} ")),
            "no {status}: {told:#?}"
        );
    }
}
