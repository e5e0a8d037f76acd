//! `GET /healthz`: whether Docker clients are served, and if not, why.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::Health;

/// The answer: `200` when the engine is reachable and recovery is done, else `503` and a message in
/// Docker's shape. An upgrade that recovery could not bring to its end is told, and makes nobody ill:
/// the others are served.
pub(super) async fn report(health: &impl Health) -> (StatusCode, Value) {
    let is_recovered = health.is_recovered();
    let ping = health.ping().await;
    let mut report = json!({
        "status": "ok",
        "engine": if ping.is_ok() { "reachable" } else { "unreachable" },
        "recovery": if is_recovered { "done" } else { "under way" },
        "unfinished": health.unfinished(),
    });
    let recovery = "unfinished upgrades are being recovered".to_owned();
    let why: Vec<String> = ping
        .err()
        .into_iter()
        .chain((!is_recovered).then_some(recovery))
        .collect();
    if why.is_empty() {
        return (StatusCode::OK, report);
    }
    report["status"] = "unavailable".into();
    report["message"] = why.join("; ").into();
    (StatusCode::SERVICE_UNAVAILABLE, report)
}
