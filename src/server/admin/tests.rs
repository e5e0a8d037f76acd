//! What those who watch are answered.

use std::{collections::BTreeMap, sync::Arc};

use openmetrics_parser::openmetrics::parse_openmetrics;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::*;

/// A process in this state of health.
struct Patient {
    is_reachable: bool,
    is_recovered: bool,
    unfinished: i64,
}

const WELL: Patient = Patient {
    is_reachable: true,
    is_recovered: true,
    unfinished: 0,
};

impl Health for Patient {
    async fn ping(&self) -> Result<(), String> {
        self.is_reachable
            .then_some(())
            .ok_or_else(|| "no engine at all".to_owned())
    }

    fn is_recovered(&self) -> bool {
        self.is_recovered
    }

    fn unfinished(&self) -> i64 {
        self.unfinished
    }
}

/// An answer: its status line, its headers by name in lower case, its body.
struct Answer {
    status: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.body).expect("JSON")
    }
}

async fn ask(patient: Patient, request: &str) -> Answer {
    let admin = Arc::new(Admin::new(
        patient,
        &upgrade::Metrics::default(),
        &relay::Metrics::default(),
    ));
    let (mut client, server) = UnixStream::pair().expect("a pair");
    let server = Socket::Unix(server.into_std().expect("a socket"));
    let serving = tokio::spawn(async move { admin.serve(server).await });
    let request = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("read");
    serving.await.expect("no panic");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().expect("a status line").to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    Answer {
        status: status.trim_start_matches("HTTP/1.1 ").to_owned(),
        headers: headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

#[tokio::test]
async fn one_that_is_well_says_so() {
    let answer = ask(WELL, "GET /healthz?verbose=1").await;
    assert_eq!(answer.status, "200 OK");
    let expected =
        json!({"status": "ok", "engine": "reachable", "recovery": "done", "unfinished": 0});
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn one_that_is_not_well_says_what_is_missing() {
    for (is_reachable, is_recovered, engine, recovery, message) in [
        (false, true, "unreachable", "done", "no engine at all"),
        (
            true,
            false,
            "reachable",
            "under way",
            "unfinished upgrades are being recovered",
        ),
        (
            false,
            false,
            "unreachable",
            "under way",
            "no engine at all; unfinished upgrades are being recovered",
        ),
    ] {
        let patient = Patient {
            is_reachable,
            is_recovered,
            ..WELL
        };
        let answer = ask(patient, "GET /healthz").await;
        assert_eq!(answer.status, "503 Service Unavailable");
        let expected = json!({
            "status": "unavailable",
            "engine": engine,
            "recovery": recovery,
            "unfinished": 0,
            "message": message,
        });
        assert_eq!(answer.json(), expected);
    }
}

#[tokio::test]
async fn what_recovery_could_not_end_is_told() {
    let patient = Patient {
        unfinished: 2,
        ..WELL
    };
    let answer = ask(patient, "GET /healthz").await;
    assert_eq!(answer.status, "200 OK");
    assert_eq!(answer.json()["unfinished"], 2);
}

#[tokio::test]
async fn a_head_is_answered_without_the_body() {
    for path in ["/healthz", "/metrics"] {
        let whole = ask(WELL, &format!("GET {path}")).await;
        let head = ask(WELL, &format!("HEAD {path}")).await;
        assert_eq!(head.status, "200 OK", "{path}");
        assert_eq!(head.body, "", "{path}");
        for header in ["content-type", "content-length"] {
            assert_eq!(head.headers[header], whole.headers[header], "{path}");
        }
    }
}

#[tokio::test]
async fn nothing_can_be_changed() {
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        for path in ["/healthz", "/metrics"] {
            let answer = ask(WELL, &format!("{method} {path}")).await;
            assert_eq!(answer.status, "405 Method Not Allowed");
            assert_eq!(answer.headers["allow"], "GET, HEAD");
            assert!(answer.json()["message"].is_string());
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_in_dockers_shape() {
    for request in [
        "GET /",
        "GET /_ping",
        "GET /healthz/",
        "POST /containers/x/upgrade",
    ] {
        let answer = ask(WELL, request).await;
        assert_eq!(answer.status, "404 Not Found", "{request}");
        assert_eq!(answer.json(), json!({"message": "page not found"}));
    }
}

#[tokio::test]
async fn the_metrics_are_what_they_say() {
    let answer = ask(WELL, "GET /metrics").await;
    assert_eq!(answer.headers["content-type"], metrics::CONTENT_TYPE);
    // The parser knows no histograms with units, where the format does.
    let is_unit = |line: &&str| line.starts_with("# UNIT ");
    let (units, lines): (Vec<_>, Vec<_>) = answer.body.lines().partition(is_unit);
    let parsed = parse_openmetrics(&(lines.join("\n") + "\n")).expect("OpenMetrics");
    assert!(parsed.families.len() >= 10, "{}", answer.body);
    for (name, family) in &parsed.families {
        assert!(name.starts_with("refit_"), "{name}");
        assert!(family.help.ends_with('.'), "{name}: {}", family.help);
        let unit = ["seconds", "bytes"]
            .into_iter()
            .find(|unit| name.ends_with(unit));
        let line = unit.map(|unit| format!("# UNIT {name} {unit}"));
        let is_told = units.iter().any(|told| told.contains(&format!(" {name} ")));
        assert_eq!(line.is_some(), is_told, "{name}");
        assert!(
            line.is_none_or(|line| units.contains(&line.as_str())),
            "{name}"
        );
    }
}
