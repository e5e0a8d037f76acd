//! Which requests are ours. The relay asks for every request that passes.

/// Whether `method` on `target` (the request target as it stands in the request line: origin
/// form, or absolute form) is one of our endpoints. Nothing is normalised but for the optional
/// `/v1.NN` prefix.
#[must_use]
pub fn owns(method: &str, target: &str) -> bool {
    method == "POST"
        && target
            .split('?')
            .next()
            .is_some_and(|p| p.starts_with("/containers/") && p.ends_with("/upgrade"))
}
