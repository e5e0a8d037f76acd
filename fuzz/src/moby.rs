//! What dockerd does with a request: gorilla/mux, and those of moby's routes (`api/server/router`) that
//! would get in the way of an upgrade; and which Refit has added.

use refit::relay::fuzz::ISOLATED;

use crate::go::{Target, read_query};

/// The network that the isolated container is attached to.
const NETWORK: &str = "app";

/// What is to become of a request while the isolated container is upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to the engine.
    Goes,
    /// It is ours, or is refused.
    IsKept,
    /// Its body tells.
    OfBody,
    /// Its body tells, if it is a form.
    OfForm,
    /// The engine does nothing for it (an error, or a redirection): nobody minds.
    Either,
}

/// Judges a request.
#[must_use]
pub fn judge(method: &str, target: &Target<'_>) -> Verdict {
    if is_ours(method, target.written) {
        return Verdict::IsKept;
    }
    let Ok(path) = str::from_utf8(&target.path) else {
        return Verdict::Either;
    };
    if !is_clean(path) {
        return Verdict::Either;
    }
    let Some(query) = read_query(target.query) else {
        return Verdict::Either;
    };
    // Who is called with more than one slash in front is called nothing.
    let calls = |name: &str| match name.strip_prefix('/').unwrap_or(name) {
        ISOLATED => Verdict::IsKept,
        name if name.starts_with('/') => Verdict::Either,
        _ => Verdict::Goes,
    };
    let parameter_calls = |name: &str| {
        let value = query.iter().find(|pair| pair.0 == name.as_bytes());
        value.map_or(Verdict::Goes, |(_, value)| {
            calls(&String::from_utf8_lossy(value))
        })
    };
    let segments: Vec<_> = unversioned(path).split('/').skip(1).collect();
    match (method, segments.as_slice()) {
        ("POST", ["containers" | "networks" | "volumes" | "images", "prune"]) => Verdict::IsKept,
        ("POST", ["commit"]) => parameter_calls("container"),
        ("POST", ["containers", "create"]) => parameter_calls("name"),
        ("POST", ["containers", name @ .., "rename"]) if !name.is_empty() => {
            match calls(&name.join("/")) {
                Verdict::Goes => match parameter_calls("name") {
                    Verdict::Goes => Verdict::OfForm,
                    verdict => verdict,
                },
                verdict => verdict,
            }
        }
        (
            "POST",
            [
                "containers",
                name @ ..,
                "start" | "stop" | "restart" | "kill" | "pause" | "unpause" | "update"
                | "checkpoints",
            ],
        )
        | ("PUT", ["containers", name @ .., "archive"])
        | ("DELETE", ["containers", name @ ..]) => calls(&name.join("/")),
        ("DELETE", ["networks", name @ ..]) if name.join("/") == NETWORK => Verdict::IsKept,
        ("POST", ["networks", _, .., "connect" | "disconnect"]) => Verdict::OfBody,
        _ => Verdict::Goes,
    }
}

/// Refit's routes, which know no escapes, and a version of two numbers.
fn is_ours(method: &str, path: &str) -> bool {
    let mut segments = path.split('/').skip(1).peekable();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_version = |segment: &&str| {
        let numbers = segment.strip_prefix('v').and_then(|v| v.split_once('.'));
        numbers.is_some_and(|(major, minor)| is_number(major) && is_number(minor))
    };
    segments.next_if(is_version);
    let segments: Vec<_> = segments.collect();
    path.starts_with('/')
        && match segments.as_slice() {
            ["containers", "upgrade"] => method == "POST",
            ["containers", name, "upgrade"] => {
                !name.is_empty() && matches!(method, "POST" | "GET" | "DELETE")
            }
            _ => false,
        }
}

/// Whether mux routes a path as it is, rather than redirect to a clean one (`cleanPath`); and no route
/// ends with a slash.
fn is_clean(path: &str) -> bool {
    path.strip_prefix('/')
        .is_some_and(|path| path.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

/// `/v{version:[0-9.]+}`
fn unversioned(path: &str) -> &str {
    let Some((version, _)) = path
        .strip_prefix("/v")
        .and_then(|rest| rest.split_once('/'))
    else {
        return path;
    };
    let of_version = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    if version.is_empty() || !version.bytes().all(of_version) {
        return path;
    }
    &path[2 + version.len()..]
}
