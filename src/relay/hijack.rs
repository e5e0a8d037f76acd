//! Which requests may turn their connection into a raw stream, and how the engine says yes. Pure.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use crate::api::route;

/// Whether `method` on `target` is one of Docker's endpoints that hijack the connection even
/// without an `Upgrade` header: attach, exec start, session, grpc.
///
/// The path is decoded as the engine's router decodes it, and compared after the optional
/// `/v1.NN` prefix. A path that is missed here is no disaster: only the bytes that the client
/// sends before the answer are then read as a further request.
pub(super) fn by_path(method: &str, target: &str) -> bool {
    if method != "POST" {
        return false;
    }
    let (path, _) = route::split(target);
    let path: Cow<'_, [u8]> = percent_decode(path.as_bytes()).into();
    let path = unversioned(&path);
    let between = |prefix: &[u8], suffix: &[u8]| {
        path.len() > prefix.len() + suffix.len()
            && path.starts_with(prefix)
            && path.ends_with(suffix)
    };
    path == b"/session"
        || path == b"/grpc"
        || between(b"/containers/", b"/attach")
        || between(b"/exec/", b"/start")
}

/// `path` without `/v1.NN` (`/v{version:[0-9.]+}` in Moby's `api/server/server.go`).
fn unversioned(path: &[u8]) -> &[u8] {
    let Some(rest) = path.strip_prefix(b"/v") else {
        return path;
    };
    match rest.iter().position(|&b| b == b'/') {
        Some(at) if at > 0 && rest[..at].iter().all(|b| b.is_ascii_digit() || *b == b'.') => {
            &rest[at..]
        }
        _ => path,
    }
}

/// Whether `content_type` is one of those that a hijack without `Upgrade` is answered with.
pub(super) fn is_raw_stream(content_type: &[u8]) -> bool {
    let essence = content_type
        .split(|&b| b == b';')
        .next()
        .unwrap_or_default();
    [
        &b"application/vnd.docker.raw-stream"[..],
        b"application/vnd.docker.multiplexed-stream",
    ]
    .iter()
    .any(|raw| essence.trim_ascii().eq_ignore_ascii_case(raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hijacking_paths_are_known() {
        for target in [
            "/containers/web/attach",
            "/containers/web/attach?stdin=1&stream=1",
            "/v1.24/containers/web/attach",
            "/v1.51/exec/0123/start",
            "/exec/0123/start",
            "/session",
            "/v1.39/session",
            "/v1.39/grpc?x",
            "http://localhost/v1.39/grpc",
            "http://d/containers/a%2Fb/attach",
            "x:/containers/web/attach",
            "/containers/web/%61ttach",
        ] {
            assert!(by_path("POST", target), "{target}");
            assert!(!by_path("GET", target), "{target}");
        }
        for target in [
            "/",
            "*",
            "/containers//attach",
            "/containers/attach",
            "/containers/web/start",
            "/containers/web/attach/ws",
            "/version/containers/web/attach",
            "/x/session",
            "http://localhost",
            "/images/create?fromImage=http://x/session",
        ] {
            assert!(!by_path("POST", target), "{target}");
        }
    }

    #[test]
    fn raw_streams_are_known() {
        assert!(is_raw_stream(b"application/vnd.docker.raw-stream"));
        assert!(is_raw_stream(
            b"Application/vnd.docker.multiplexed-stream; x"
        ));
        assert!(!is_raw_stream(b"application/json"));
        assert!(!is_raw_stream(b""));
    }
}
