//! What is asked very often: without the docker CLI, whose start takes longer than
//! the engine's answer.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use serde_json::Value;

use crate::{Answer, Scenario};

impl Scenario {
    /// All that inspect prints of a container, which must be there.
    pub fn document(&self, container: &str) -> Value {
        let answer = self.ask("GET", &format!("/containers/{container}/json"));
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }

    /// Starts a container.
    pub fn start(&self, container: &str) {
        let answer = self.ask("POST", &format!("/containers/{container}/start"));
        assert_eq!(answer.status, 204, "{}", answer.text);
    }

    /// Removes a container, if it is there, with its volumes; one that others use, too, stays.
    pub fn remove(&self, container: &str) {
        let path = format!("/containers/{container}");
        let document = self.ask("GET", &format!("{path}/json")).json();
        self.ask("DELETE", &format!("{path}?force=1&v=1"));
        // An upgrade holds anonymous volumes by name: they are not deleted with the container.
        let mounts = document["Mounts"].as_array().into_iter().flatten();
        for volume in mounts.filter_map(|mount| mount["Name"].as_str()) {
            self.ask("DELETE", &format!("/volumes/{volume}"));
        }
    }

    /// One request of the engine, without a body.
    pub fn ask(&self, method: &str, path: &str) -> Answer {
        ask(&self.engine(), method, path)
    }

    /// One request of Refit, without a body.
    pub fn ask_refit(&self, method: &str, path: &str) -> Answer {
        ask(&self.refit(), method, path)
    }
}

/// One request without a body, in HTTP/1.0: the answer ends with its connection.
fn ask(address: &str, method: &str, path: &str) -> Answer {
    let socket = address.strip_prefix("unix://").expect("a socket");
    let mut stream = UnixStream::connect(socket).expect("a listener");
    let head = format!("{method} {path} HTTP/1.0\r\nHost: docker\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("ask");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, text) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Answer {
        status: status.expect("a status"),
        text: text.to_owned(),
    }
}
