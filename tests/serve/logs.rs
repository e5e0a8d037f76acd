//! Logs: their format and their level.

use std::fs;

use serde_json::Value;

use crate::rig::Rig;

#[test]
fn json_logs_are_json_to_the_last_line() {
    let json = || {
        Rig::new()
            .arg("--log-format=json")
            .env("REFIT_LOG_LEVEL", "trace")
    };
    let served = json().listen("docker.sock").serve().stop();
    let rig = json().listen("docker.sock");
    fs::create_dir(rig.at("docker.sock")).expect("create");
    let failed = rig.failure();
    for (log, message) in [(served, "listening"), (failed, "is a folder, not a socket")] {
        let lines: Vec<Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect();
        let found = lines.iter().any(|line| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.contains(message))
        });
        assert!(found, "{log}");
        assert!(lines.iter().all(|line| line["timestamp"].is_string()));
    }
}

#[test]
fn the_level_is_obeyed() {
    let log = |level| {
        let rig = Rig::new()
            .listen("docker.sock")
            .arg("--log-level")
            .arg(level);
        rig.serve().stop()
    };
    // The engine is out of reach here, which is worth a warning.
    assert_eq!(log("error"), "");
    assert!(log("warn").contains("WARN"));
    assert!(!log("warn").contains("INFO"));
    assert!(!log("info").contains("DEBUG"));
    assert!(log("debug").contains("DEBUG"));
    assert!(log("warn,refit::server=debug").contains("refit::server::phase"));
}
