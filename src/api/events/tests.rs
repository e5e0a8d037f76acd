use super::*;
use crate::upgrade::Action;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn event() -> Event {
    let labels = [("app", "shop"), ("io.a<b>", "x&y"), ("name", "a label")];
    Event {
        action: Action::Upgrade,
        transaction: "b215".to_owned(),
        id: ID.to_owned(),
        name: "web".to_owned(),
        image: "registry:5000/web/app:2".to_owned(),
        labels: labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        old_id: "fedc".to_owned(),
        old_image: "web:1".to_owned(),
        time: 1_700_000_000_000_000_007,
    }
}

fn query(query: &str) -> Query {
    let target = format!("/v1.41/events?{query}");
    Query::read("GET", &target).unwrap_or_else(|| panic!("{query}"))
}

#[test]
fn a_line_is_what_dockerd_would_write() {
    let attributes = r#""Actor":{"ID":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","Attributes":{"app":"shop","image":"registry:5000/web/app:2","io.a\u003cb\u003e":"x\u0026y","name":"web","oldId":"fedc","oldImage":"web:1","transaction":"b215"}},"scope":"local","time":1700000000,"timeNano":1700000000000000007}"#;
    let new = format!(r#"{{"Type":"container","Action":"upgrade",{attributes}"#) + "\n";
    let old = format!(
        r#"{{"status":"upgrade","id":"{ID}","from":"registry:5000/web/app:2",{}"#,
        &new[1..]
    );
    let of = |target: &str, engine| {
        let query = Query::read("GET", target).expect(target);
        query.line(&event(), engine)
    };
    assert_eq!(of("/v1.51/events", "1.52"), old);
    assert_eq!(of("/events", "1.51"), old);
    assert_eq!(of("/events", ""), old);
    assert_eq!(of("/events", "1.52"), new);
    assert_eq!(of("/v1.52/events", ""), new);
    assert_eq!(time_of(old.as_bytes()), Some(event().time));
    assert_eq!(time_of(b"{}"), None);
}

#[test]
fn only_requests_for_events_are_read() {
    for target in [
        "/events",
        "/events?",
        "/v1.24/events?since=1",
        "http://docker/v1.51/events",
    ] {
        assert!(Query::read("GET", target).is_some(), "{target}");
        assert!(Query::read("POST", target).is_none(), "{target}");
        assert!(Query::read("HEAD", target).is_none(), "{target}");
    }
    for target in [
        "/",
        "/events/",
        "//events",
        "/vx/events",
        "/containers/events",
        "/containers/a/events",
        "/build?remote=/events",
        // dockerd refuses these.
        "/events?since=yesterday",
        "/events?until=5m",
        "/events?filters=nonsense",
        "/events?filters={\"type\":\"container\"}",
    ] {
        assert!(Query::read("GET", target).is_none(), "{target}");
    }
}

#[test]
fn the_past_is_replayed_between_since_and_until() {
    let cases = [
        ("", false, true),
        ("since=1700000000", true, true),
        ("since=1700000000.000000007", true, true),
        ("since=1700000000.000000008", false, true),
        ("since=9999999999", false, true),
        ("since=0", true, true),
        ("since=-1", false, true),
        ("until=1700000000.000000007", true, true),
        ("until=1700000000.000000006", false, false),
        ("until=0", true, false),
        ("since=1699999999&until=1700000001", true, true),
        ("since=1600000000&until=1600000001", false, false),
        ("since=1&since=9999999999", true, true),
    ];
    for (text, replays, follows) in cases {
        assert_eq!(query(text).replays(&event()), replays, "{text}");
        assert_eq!(query(text).follows(&event()), follows, "{text}");
    }
}

#[test]
fn filters_match_as_dockerd_matches() {
    let cases = [
        ("{}", true),
        ("null", true),
        (r#"{"type":{"container":true}}"#, true),
        (r#"{"type":["container"]}"#, true),
        (r#"{"type":["network","container"]}"#, true),
        (r#"{"type":["network"]}"#, false),
        (r#"{"type":["contain"]}"#, false),
        (r#"{"type":{"container":false}}"#, false),
        (r#"{"type":{}}"#, true),
        (r#"{"type":null}"#, true),
        (r#"{"event":["upgrade"]}"#, true),
        (r#"{"event":["start","upgrade"]}"#, true),
        (r#"{"event":["up"]}"#, false),
        (r#"{"event":["upgrade-rollback"]}"#, false),
        (r#"{"event":["health_status","up"]}"#, true),
        (r#"{"event":["health_status"]}"#, false),
        (r#"{"container":["web"]}"#, true),
        (r#"{"container":["we"]}"#, true),
        (r#"{"container":["web2"]}"#, false),
        (r#"{"container":["eb"]}"#, false),
        (r#"{"container":["/web"]}"#, false),
        (r#"{"container":{"web":false}}"#, true),
        (r#"{"container":["0123456789ab"]}"#, true),
        (r#"{"container":["123456789ab"]}"#, false),
        (r#"{"container":["fedc"]}"#, true),
        (r#"{"network":["fedc"]}"#, false),
        (r#"{"container":["other","0123"]}"#, true),
        (r#"{"image":["registry:5000/web/app:2"]}"#, true),
        (r#"{"image":["registry:5000/web/app"]}"#, true),
        (r#"{"image":["web/app"]}"#, false),
        (r#"{"image":["registry:5000/web/app:1"]}"#, false),
        (r#"{"image":["registry"]}"#, false),
        (r#"{"label":["app"]}"#, true),
        (r#"{"label":["app=shop"]}"#, true),
        (r#"{"label":["app=shop","io.a<b>=x&y"]}"#, true),
        (r#"{"label":["app=shop","other"]}"#, false),
        (r#"{"label":["app=sho"]}"#, false),
        (r#"{"label":["oldImage=web:1"]}"#, true),
        (r#"{"label":["name=a label"]}"#, false),
        (r#"{"label":["transaction"]}"#, true),
        (r#"{"scope":["local"]}"#, true),
        (r#"{"scope":["swarm"]}"#, false),
        // dockerd compares these with the ID and the name of whatever it is.
        (r#"{"daemon":["web"]}"#, true),
        (r#"{"daemon":["host"]}"#, false),
        (r#"{"network":["app"]}"#, false),
        (r#"{"volume":["data"]}"#, false),
        (r#"{"plugin":["p"]}"#, false),
        (r#"{"service":["s"]}"#, false),
        (r#"{"node":["n"]}"#, false),
        (r#"{"secret":["s"]}"#, false),
        (r#"{"config":["c"]}"#, false),
        (r#"{"no-such-filter":["x"]}"#, true),
        (
            r#"{"type":["container"],"event":["upgrade"],"container":["web"]}"#,
            true,
        ),
        (
            r#"{"type":["container"],"event":["start"],"container":["web"]}"#,
            false,
        ),
    ];
    for (filters, included) in cases {
        let encoded: String = form_urlencoded::byte_serialize(filters.as_bytes()).collect();
        let query = query(&format!("since=0&filters={encoded}"));
        assert_eq!(query.follows(&event()), included, "{filters}");
        assert_eq!(query.replays(&event()), included, "{filters}");
    }
}

#[test]
fn an_image_is_found_by_its_name_without_a_tag() {
    for (image, name) in [
        ("redis:8.0", "redis"),
        ("redis", "redis"),
        ("docker.io/library/redis:8.0", "redis"),
        ("library/redis", "redis"),
        ("index.docker.io/shop/web:1", "shop/web"),
        ("docker.io/shop/web", "shop/web"),
        ("shop/web:1", "shop/web"),
        ("library/shop/web:1", "library/shop/web"),
        ("localhost:5000/redis", "localhost:5000/redis"),
        (
            "localhost:5000/library/redis:8.0",
            "localhost:5000/library/redis",
        ),
        (
            "ghcr.io/shop/web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "ghcr.io/shop/web",
        ),
        ("web:1@sha256:01", "web"),
        ("sha256:0123", "sha256"),
        (ID, ID),
    ] {
        let event = Event {
            image: image.to_owned(),
            ..event()
        };
        let of = |name: &str| {
            let filters = format!(r#"{{"image":["{name}"]}}"#);
            query(&format!("filters={filters}")).follows(&event)
        };
        assert!(of(name) && of(image), "{image}");
        assert!(!of("other"), "{image}");
    }
}
