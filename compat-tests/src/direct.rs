//! What is asked very often: without the docker CLI, whose start takes longer than the engine's
//! answer.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::Value;

use crate::{Answer, PATIENCE, Scenario};

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
        exchange(&self.engine(), method, path, "").expect("the engine's answer")
    }

    /// One request of Refit, without a body.
    pub fn ask_refit(&self, method: &str, path: &str) -> Answer {
        exchange(&self.refit(), method, path, "").expect("Refit's answer")
    }

    /// Waits until the upgrade of a container is in this step.
    pub fn until_step(&self, container: &str, step: &str) {
        self.until(&format!("it is in {step}"), |scenario| {
            let answer = scenario.ask_refit("GET", &format!("/containers/{container}/upgrade"));
            answer.text_of("State") == "running" && answer.text_of("Step") == step
        });
    }
}

/// The path of a socket's address.
pub fn socket(address: &str) -> &Path {
    Path::new(address.strip_prefix("unix://").expect("a socket"))
}

/// One request at an address, in HTTP/1.0: the answer ends with its connection.
///
/// # Errors
/// No connection could be had, or it ended without an answer.
pub fn exchange(address: &str, method: &str, path: &str, body: &str) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket(address))?;
    stream.set_read_timeout(Some(2 * PATIENCE))?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, text) = answer
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Answer {
        status: status.expect("a status"),
        text: text.to_owned(),
    })
}
