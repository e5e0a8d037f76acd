//! Which requests are ours. The relay asks for every request that passes.

use percent_encoding::percent_decode_str;

/// Whose upgrade a request target asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// `/containers/{id}/upgrade`, the segment decoded.
    OfPath(String),
    /// `/containers/upgrade?name={id}`.
    OfQuery,
}

/// Whether `method` on `target` (the request target as it stands in the request line: origin
/// form, or absolute form) is one of our endpoints. Nothing is normalised but for the optional
/// `/v1.NN` prefix.
#[must_use]
pub fn owns(method: &str, target: &str) -> bool {
    method == "POST" && route(path(target)).is_some()
}

/// The endpoint at a path, which may begin with a version.
pub(super) fn route(path: &str) -> Option<Route> {
    let rest = unversioned(path).strip_prefix("/containers/")?;
    if rest == "upgrade" {
        return Some(Route::OfQuery);
    }
    let id = rest.strip_suffix("/upgrade")?;
    if id.is_empty() || id.contains('/') {
        return None;
    }
    Some(Route::OfPath(
        percent_decode_str(id).decode_utf8_lossy().into_owned(),
    ))
}

/// The path of a request target.
fn path(target: &str) -> &str {
    let origin = match target.split_once("://") {
        // Absolute form; a target without a path is the root.
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
            rest.find('/').map_or("/", |slash| &rest[slash..])
        }
        _ => target,
    };
    origin.split('?').next().unwrap_or(origin)
}

/// A path without `/v1.NN`.
fn unversioned(path: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((version, _)) = path
        .strip_prefix("/v")
        .and_then(|rest| rest.split_once('/'))
    else {
        return path;
    };
    match version.split_once('.') {
        Some((major, minor)) if is_number(major) && is_number(minor) => {
            &path["/v".len() + version.len()..]
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_routes_are_ours_with_and_without_a_version() {
        for target in [
            "/containers/web/upgrade",
            "/v1.41/containers/web/upgrade",
            "/v1.51/containers/upgrade?name=web",
            "/containers/upgrade",
            "/containers/web/upgrade?pull=never",
            "http://docker/v1.41/containers/web/upgrade",
        ] {
            assert!(owns("POST", target), "{target}");
            assert!(!owns("GET", target), "{target}");
        }
    }

    #[test]
    fn nothing_else_is_ours() {
        for target in [
            "/containers//upgrade",
            "//containers/web/upgrade",
            "/containers/a/b/upgrade",
            "/containers/web/upgrade/",
            "/containers/web/Upgrade",
            "/vx.41/containers/web/upgrade",
            "/v1./containers/web/upgrade",
            "/v1.41/v1.41/containers/web/upgrade",
            "/containers/create?name=/upgrade",
            "/build?remote=http://host/containers/web/upgrade",
            "*",
            "",
        ] {
            assert!(!owns("POST", target), "{target}");
        }
    }

    #[test]
    fn a_name_is_decoded() {
        assert_eq!(
            route("/containers/a%2Db/upgrade"),
            Some(Route::OfPath("a-b".to_owned()))
        );
    }
}
