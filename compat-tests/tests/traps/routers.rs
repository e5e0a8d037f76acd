//! Every route of the Docker API, asked with each kind of body.
//!
//! The routes are those of Docker 28.5; older engines answer that they have not got some of them. Whatever
//! they are asked for does not exist, so that nothing is changed: what would be harmful names
//! something that is refused, or filters for what nobody has. Left out are the profiles of
//! `/debug`, which are never the same twice.

use std::collections::BTreeSet;

use compat_tests::{Scenario, same::same};
use serde_json::Value;

use crate::wire::{Heard, Row, Wire, ask, compare, head, post, row};

/// None, one that says nothing, and one that is no JSON and no archive.
const BODIES: [&str; 3] = ["", "{}", "[1"];

/// How many connections are open to each side at once.
const AT_ONCE: usize = 24;

const CONTAINERS: &[&str] = &[
    "HEAD /containers/no-such/archive?path=/",
    r#"GET /containers/json?all=1&filters={"label":["no-such"]}"#,
    "GET /containers/no-such/export",
    "GET /containers/no-such/changes",
    "GET /containers/no-such/json",
    "GET /containers/no-such/top",
    "GET /containers/no-such/logs?stdout=1",
    "GET /containers/no-such/stats?stream=0",
    "GET /containers/no-such/attach/ws",
    "GET /exec/no-such/json",
    "GET /containers/no-such/archive?path=/",
    "GET /containers/no-such/checkpoints",
    "POST /containers/create",
    "POST /containers/no-such/kill",
    "POST /containers/no-such/pause",
    "POST /containers/no-such/unpause",
    "POST /containers/no-such/restart",
    "POST /containers/no-such/start",
    "POST /containers/no-such/stop",
    "POST /containers/no-such/wait",
    "POST /containers/no-such/resize?h=1&w=1",
    "POST /containers/no-such/attach?stream=1",
    "POST /containers/no-such/exec",
    "POST /exec/no-such/start",
    "POST /exec/no-such/resize?h=1&w=1",
    "POST /containers/no-such/rename?name=no-such-either",
    "POST /containers/no-such/rename",
    "POST /containers/no-such/update",
    "POST /containers/no-such/checkpoints",
    "POST /commit?container=no-such",
    "PUT /containers/no-such/archive?path=/",
    "DELETE /containers/no-such",
    "DELETE /containers/no-such/checkpoints/none",
];

/// Nobody listens at port 9.
const IMAGES: &[&str] = &[
    r#"GET /images/json?filters={"label":["no-such"]}"#,
    "GET /images/search?term=127.0.0.1:9/none",
    "GET /images/search?term=none&limit=1000",
    "GET /images/get?names=no-such",
    "GET /images/no-such/get",
    "GET /images/no-such/history",
    "GET /images/no-such/json",
    "GET /distribution/127.0.0.1:9/none/json",
    "POST /images/create",
    "POST /images/create?fromImage=127.0.0.1:9/none&tag=x",
    "POST /images/create?fromSrc=-&changes=NONSENSE+x",
    "POST /images/127.0.0.1:9/none/push",
    "POST /images/no-such/tag?repo=none",
    "DELETE /images/no-such",
    "POST /build",
    "POST /build/cancel?id=none",
    "POST /session",
    "POST /grpc",
];

const NETWORKS_AND_VOLUMES: &[&str] = &[
    r#"GET /networks?filters={"name":["no-such"]}"#,
    r#"GET /networks/?filters={"name":["no-such"]}"#,
    "GET /networks/no-such",
    "POST /networks/create",
    "POST /networks/no-such/connect",
    "POST /networks/no-such/disconnect",
    "DELETE /networks/no-such",
    r#"GET /volumes?filters={"name":["no-such"]}"#,
    "GET /volumes/no-such",
    "PUT /volumes/no-such?version=1",
    "DELETE /volumes/no-such",
];

const PLUGINS: &[&str] = &[
    "GET /plugins",
    "GET /plugins/no-such/json",
    "GET /plugins/privileges?remote=127.0.0.1:9/none",
    "DELETE /plugins/no-such",
    "POST /plugins/no-such/enable?timeout=1",
    "POST /plugins/no-such/disable",
    "POST /plugins/pull?remote=127.0.0.1:9/none",
    "POST /plugins/no-such/push",
    "POST /plugins/no-such/upgrade?remote=127.0.0.1:9/none",
    "POST /plugins/no-such/set",
    "POST /plugins/create?name=a/b/../c",
];

/// No engine is asked that is part of a swarm.
const SWARM: &[&str] = &[
    "GET /swarm",
    "GET /swarm/unlockkey",
    "POST /swarm/init",
    "POST /swarm/join",
    "POST /swarm/leave",
    "POST /swarm/update?version=1",
    "POST /swarm/unlock",
    "GET /services",
    "GET /services/no-such",
    "GET /services/no-such/logs?stdout=1",
    "POST /services/create",
    "POST /services/no-such/update?version=1",
    "DELETE /services/no-such",
    "GET /nodes",
    "GET /nodes/no-such",
    "POST /nodes/no-such/update?version=1",
    "DELETE /nodes/no-such",
    "GET /tasks",
    "GET /tasks/no-such",
    "GET /tasks/no-such/logs?stdout=1",
    "GET /secrets",
    "GET /secrets/no-such",
    "POST /secrets/create",
    "POST /secrets/no-such/update?version=1",
    "DELETE /secrets/no-such",
    "GET /configs",
    "GET /configs/no-such",
    "POST /configs/create",
    "POST /configs/no-such/update?version=1",
    "DELETE /configs/no-such",
];

const SYSTEM: &[&str] = &[
    "OPTIONS /any/route",
    "GET /_ping",
    "HEAD /_ping",
    "GET /events?since=1&until=2",
    "GET /version",
    "GET /debug/pprof/cmdline",
    "GET /debug/pprof/no-such",
    "GET /no/such",
    "POST /no/such",
];

/// An engine does one of each kind at a time.
const PRUNES: [&str; 5] = [
    r#"POST /containers/prune?filters={"label":["no-such"]}"#,
    r#"POST /images/prune?filters={"label":["no-such"]}"#,
    r#"POST /networks/prune?filters={"label":["no-such"]}"#,
    r#"POST /volumes/prune?filters={"label":["no-such"]}"#,
    r#"POST /build/prune?filters={"id":["no-such"]}"#,
];

fn request(line: &str, body: &str) -> String {
    let length = format!("Content-Length: {}", body.len());
    let headers = ["Content-Type: application/json", &length];
    let headers = if body.is_empty() { &[] } else { &headers[..] };
    head(&[&[line], headers].concat()) + body
}

/// A request for each body.
fn rows(line: &str) -> [Row; 3] {
    BODIES.map(|body| {
        row(
            format!("{line} with {body:?}"),
            request(line, body),
            "HTTP/1.1 ",
        )
    })
}

/// Compares the answers of all these routes; returns them.
fn compare_routes(scenario: &Scenario, lines: &[&str]) -> Vec<Heard> {
    let rows: Vec<Row> = lines.iter().flat_map(|line| rows(line)).collect();
    let batches = rows.chunks(AT_ONCE);
    let heard: Vec<Heard> = batches.flat_map(|batch| compare(scenario, batch)).collect();
    for ((name, ..), heard) in rows.iter().zip(&heard) {
        assert_routed(name, heard);
    }
    heard
}

/// What the newest engine has no route for, without its experiments.
const UNROUTED: [&str; 4] = ["/checkpoints", "/no/such", "/pprof/no-such", "OPTIONS "];

/// Asserts that a request met a route of the newest engine: one that is misspelt is a 404, too.
fn assert_routed(name: &str, heard: &Heard) {
    let is_newest = heard.said.contains("\r\nServer: Docker/28.");
    let is_unrouted = UNROUTED.iter().any(|part| name.contains(part));
    if is_newest && !is_unrouted {
        assert!(!heard.said.contains("page not found"), "{name}: {heard:?}");
    }
}

/// How many of these have this status.
fn count(heard: &[Heard], status: u16) -> usize {
    let begin = format!("HTTP/1.1 {status} ");
    let of_status = heard.iter().filter(|heard| heard.said.starts_with(&begin));
    of_status.count()
}

#[test]
fn routes_of_containers_answer_alike() {
    let heard = compare_routes(&Scenario::new("routes-containers"), CONTAINERS);
    assert!(count(&heard, 404) > 50, "{heard:#?}");
}

#[test]
fn routes_of_images_answer_alike() {
    let scenario = Scenario::new("routes-images");
    let heard = compare_routes(&scenario, IMAGES);
    assert!(count(&heard, 404) > 9, "{heard:#?}");
    // Without a body, the answer has a temporary name, and a length that varies with it.
    let loads = BODIES[1..].iter().map(|body| {
        row(
            format!("a load with {body:?}"),
            request("POST /images/load", body),
            "HTTP/1.1 200 ",
        )
    });
    compare(&scenario, &loads.collect::<Vec<_>>());
}

#[test]
fn routes_of_networks_and_volumes_answer_alike() {
    let scenario = Scenario::new("routes-networks");
    let heard = compare_routes(&scenario, NETWORKS_AND_VOLUMES);
    assert!(count(&heard, 404) > 9, "{heard:#?}");
    // Without a name, or one that is refused, a volume would be made.
    let create = ["[1", r#"{"Name":"_"}"#, r#"{"Name":"a/b"}"#];
    let create = create.map(|body| {
        row(
            format!("a volume of {body}"),
            post("/volumes/create", &[], body),
            "HTTP/1.1 4",
        )
    });
    compare(&scenario, &create);
}

#[test]
fn routes_of_plugins_answer_alike() {
    let heard = compare_routes(&Scenario::new("routes-plugins"), PLUGINS);
    assert!(count(&heard, 404) > 9, "{heard:#?}");
}

#[test]
fn routes_of_swarms_answer_alike() {
    let heard = compare_routes(&Scenario::new("routes-swarm"), SWARM);
    assert!(count(&heard, 503) > 50, "{heard:#?}");
}

#[test]
fn routes_of_the_system_answer_alike() {
    let scenario = Scenario::new("routes-system");
    let heard = compare_routes(&scenario, SYSTEM);
    assert!(count(&heard, 200) > 9, "{heard:#?}");
    // With an empty object, Docker Hub would be asked.
    let bodies = ["", "[1", r#"{"serveraddress":"127.0.0.1:9"}"#];
    let logins = bodies.map(|body| {
        row(
            format!("a login with {body:?}"),
            request("POST /auth", body),
            "HTTP/1.1 ",
        )
    });
    compare(&scenario, &logins);
}

#[test]
fn prunes_answer_alike() {
    let scenario = Scenario::new("routes-prunes");
    // One after the other: to a prune beside another one, even of another kind, an engine says that one
    // is running already.
    let heard = same(&scenario, |at| {
        PRUNES.map(|line| rows(line).map(|(_, bytes, _)| ask(at.address(), &bytes)))
    });
    let heard = heard.concat();
    println!("{} requests compared", heard.len());
    assert_eq!(count(&heard, 200), heard.len(), "{heard:#?}");
}

/// Adds the keys within a document, which is at this place.
fn shape(document: &Value, at: &str, keys: &mut BTreeSet<String>) {
    match document {
        Value::Object(object) => {
            for (key, value) in object {
                let at = format!("{at}/{key}");
                shape(value, &at, keys);
                keys.insert(at);
            }
        }
        Value::Array(list) => {
            for value in list {
                shape(value, &format!("{at}/*"), keys);
            }
        }
        _ => {}
    }
}

/// The keys of a document, without what it says.
pub fn shape_of(document: &[u8]) -> BTreeSet<String> {
    let document = serde_json::from_slice(document).expect("JSON");
    let mut keys = BTreeSet::new();
    shape(&document, "", &mut keys);
    keys
}

#[test]
fn what_varies_has_the_same_shape() {
    let scenario = Scenario::new("routes-shape");
    let shapes = same(&scenario, |at| {
        ["/info", "/system/df", "/images/json", "/containers/json"].map(|path| {
            let answered = Wire::open(at.address()).answer(head(&[&format!("GET {path}")]));
            shape_of(&answered.body)
        })
    });
    println!("{} requests compared", shapes.len());
    assert!(shapes[0].contains("/ServerVersion"), "{shapes:#?}");
    assert!(shapes[1].contains("/LayersSize"), "{shapes:#?}");
}

#[test]
fn the_corpus_has_every_route() {
    let lines = [
        CONTAINERS,
        IMAGES,
        NETWORKS_AND_VOLUMES,
        PLUGINS,
        SWARM,
        SYSTEM,
        &PRUNES,
    ];
    let routes: BTreeSet<&str> = lines
        .concat()
        .into_iter()
        .map(|line| line.split('?').next().unwrap_or_default())
        .collect();
    let requests = lines.concat().len() * BODIES.len();
    println!("{} routes, {requests} requests", routes.len());
    assert!(routes.len() > 105 && requests > 300, "{routes:#?}");
}
