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
///
/// `DELETE /containers/upgrade` is none: it is the engine's, and removes a container of that name.
#[must_use]
pub fn owns(method: &str, target: &str) -> bool {
    match method {
        "POST" => route(target).is_some(),
        "GET" | "DELETE" => matches!(route(target), Some(Route::OfPath(_))),
        _ => false,
    }
}

/// The endpoint that a request target asks for. Its path may begin with a version.
pub(super) fn route(target: &str) -> Option<Route> {
    let rest = unversioned(split(target).0).strip_prefix("/containers/")?;
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

/// The query of a request target, as it is written.
pub(super) fn query(target: &str) -> &str {
    split(target).1
}

/// The path of a request target, and its query, as Go's `url.ParseRequestURI` has them. No character
/// ends either but the first `?`: a target has no fragment.
pub(crate) fn split(target: &str) -> (&str, &str) {
    let scheme = target.split_once(':').filter(|(word, _)| is_scheme(word));
    let rest = scheme.map_or(target, |(_, rest)| rest);
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = match before.strip_prefix("//") {
        // Absolute form; a target without a path is the root. Without an authority, what follows the
        // scheme is the path.
        Some(authority) if scheme.is_some() => {
            authority.find('/').map_or("/", |slash| &authority[slash..])
        }
        _ => before,
    };
    (path, query)
}

fn is_scheme(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
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
            "x:/containers/web/upgrade",
            "A1+-.://docker/v1.41/containers/web/upgrade",
        ] {
            assert!(owns("POST", target), "{target}");
            assert!(!owns("HEAD", target), "{target}");
            let is_of_path = !target.contains("/containers/upgrade");
            assert_eq!(owns("GET", target), is_of_path, "{target}");
            assert_eq!(owns("DELETE", target), is_of_path, "{target}");
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
            "http://docker?remote=/containers/web/upgrade",
            "x:containers/web/upgrade",
            "1http://docker/containers/web/upgrade",
            "://docker/containers/web/upgrade",
            "*",
            "",
        ] {
            assert!(!owns("POST", target), "{target}");
        }
    }

    #[test]
    fn a_query_is_what_follows_the_first_question_mark() {
        for (target, read) in [
            ("/containers/upgrade", ""),
            ("/containers/upgrade?", ""),
            ("/containers/upgrade?name=a?b#c", "name=a?b#c"),
            ("http://docker/containers/upgrade?name=web", "name=web"),
        ] {
            assert_eq!(query(target), read, "{target}");
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
