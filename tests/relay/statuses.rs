//! Each status of the endpoint, with its JSON, in front of an engine that plays along.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::{
    ours::our_answer,
    rig::{Rig, send, within},
};

/// What the engine prints of `web`.
fn container(labels: &Value) -> Value {
    json!({
        "Id": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "Name": "/web",
        "Image": "sha256:1",
        "State": { "Status": "running", "ExitCode": 0 },
        "Config": { "Image": "web:1", "Labels": labels },
        "HostConfig": { "RestartPolicy": { "Name": "no" }, "NetworkMode": "none" },
        "NetworkSettings": { "Networks": {} },
    })
}

/// Answers as an engine that has no other container: `inspected` is what it answers for `web`.
async fn play(rig: &Rig, inspected: &(u16, Value)) {
    loop {
        let mut client = rig.accept().await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(client.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split([' ', '?']).nth(1).unwrap();
        let (status, body) = match path {
            "/_ping" => (200, Value::Null),
            "/v1.51/containers/json" => (200, json!([])),
            "/v1.51/images/web%3A1/json" | "/v1.51/images/sha256%3A1/json" => {
                (200, json!({ "Id": "sha256:1", "Config": {} }))
            }
            _ if path.contains(".refit-") => (404, json!({ "message": "no such container" })),
            _ if path.starts_with("/v1.51/containers/") => inspected.clone(),
            _ => (404, json!({ "message": format!("no {path}") })),
        };
        let body = body.to_string();
        let length = body.len();
        send(
            &mut client,
            format!(
                "HTTP/1.1 {status} .\r\nApi-Version: 1.51\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
        )
        .await;
    }
}

/// The status and the JSON that a request is answered with.
async fn asked(rig: &Rig, query: &str, body: &str, inspected: (u16, Value)) -> (u16, Value) {
    let mut client = rig.client();
    let length = body.len();
    send(
        &mut client.io,
        format!(
            "POST /containers/web/upgrade{query} HTTP/1.1\r\nHost: d\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ),
    )
    .await;
    tokio::select! {
        answer = our_answer(&mut client.io) => answer,
        () = play(rig, &inspected) => unreachable!("it plays for ever"),
    }
}

#[tokio::test]
async fn what_is_as_it_should_be_is_a_200() {
    let rig = Rig::new();
    let (status, answer) = asked(&rig, "", "", (200, container(&json!({})))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["Changed"], false);
    assert_eq!(answer["Name"], "web");
    assert_eq!(answer["Previous"]["Id"], answer["Id"]);
}

#[tokio::test]
async fn a_failure_before_anything_is_touched_has_its_status() {
    let refused = |status: u16| (status, json!({ "message": format!("told {status}") }));
    let task = container(&json!({ "com.docker.swarm.service.name": "web" }));
    let fine = container(&json!({}));
    for (query, body, inspected, expected, named) in [
        (
            "?nonsense=1",
            "",
            refused(500),
            (400, "request"),
            "nonsense",
        ),
        ("", "", refused(400), (400, "lock"), "told 400"),
        (
            "",
            "",
            refused(404),
            (404, "lock"),
            "No such container: web",
        ),
        (
            "?pull=never",
            r#"{"Image": "db"}"#,
            (200, fine),
            (404, "pull"),
            "No such image: db",
        ),
        ("", "", refused(409), (409, "lock"), "told 409"),
        ("", "", (200, task), (409, "lock"), "Swarm"),
        ("", "", refused(500), (500, "lock"), "told 500"),
        ("", "", (200, json!({})), (500, "lock"), "inspect"),
        (
            "?platform=linux/",
            "",
            refused(500),
            (400, "request"),
            "platform",
        ),
    ] {
        let rig = Rig::new();
        let (status, answer) = asked(&rig, query, body, inspected).await;
        let step = answer["Step"].as_str().unwrap();
        assert_eq!((status, step), expected, "{answer}");
        assert_eq!(answer["Rollback"], "not needed", "{answer}");
        assert!(
            answer["message"].as_str().unwrap().contains(named),
            "{answer}"
        );
    }
}
