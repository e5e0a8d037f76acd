//! The credentials of an image's registry, from the docker CLI's configuration or its helpers.

use std::{fs::File, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use serde_json::json;

/// What the configuration calls Docker Hub.
const HUB: &str = "https://index.docker.io/v1/";

/// The value of `X-Registry-Auth` for an image reference: base64 of JSON. `None` where nobody logged
/// in to its registry.
///
/// # Errors
/// What a helper, or a damaged configuration, says.
pub(super) fn credentials(config: &Path, reference: &str) -> Result<Option<String>, String> {
    let Ok(file) = File::open(config) else {
        return Ok(None);
    };
    let registry = registry(reference);
    let auth = match get_credential_from_reader(file, registry) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            json!({ "username": user, "password": password, "serveraddress": registry })
        }
        Ok(DockerCredential::IdentityToken(token)) => {
            json!({ "identitytoken": token, "serveraddress": registry })
        }
        Err(CredentialRetrievalError::NoCredentialConfigured) => return Ok(None),
        // A helper that knows nothing of a registry says so by failing.
        Err(CredentialRetrievalError::HelperFailure { stdout, .. })
            if stdout.contains("credentials not found") =>
        {
            return Ok(None);
        }
        // What it printed may be a secret.
        Err(CredentialRetrievalError::HelperFailure { helper, stderr, .. }) => {
            return Err(format!(
                "credentials for {registry}: {helper}: {}",
                stderr.trim()
            ));
        }
        Err(error) => return Err(format!("credentials for {registry}: {error}")),
    };
    Ok(Some(URL_SAFE.encode(auth.to_string())))
}

/// What the configuration calls the registry of an image reference: its first component, where that is
/// a host (distribution/reference, `splitDockerDomain`).
fn registry(reference: &str) -> &str {
    match reference.split_once('/') {
        Some((host, _))
            if host == "localhost"
                || host.contains(['.', ':'])
                || host.contains(|c: char| c.is_ascii_uppercase()) =>
        {
            match host {
                "docker.io" | "index.docker.io" => HUB,
                host => host,
            }
        }
        _ => HUB,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use base64::engine::general_purpose::STANDARD;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_registry_is_a_host_before_the_first_slash() {
        for (reference, name) in [
            ("redis", HUB),
            ("redis:8", HUB),
            ("library/redis", HUB),
            ("docker.io/library/redis", HUB),
            ("localhost/x", "localhost"),
            ("localhost:5000/x:1", "localhost:5000"),
            ("ghcr.io/a/b@sha256:00", "ghcr.io"),
            ("user/redis", HUB),
        ] {
            assert_eq!(registry(reference), name, "{reference}");
        }
    }

    #[test]
    fn credentials_are_what_docker_login_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.json");
        let auths = json!({
            HUB: { "auth": STANDARD.encode("ann:secret:with:colons") },
            "localhost:5000": { "auth": STANDARD.encode("bob:p"), "identitytoken": "t0k" },
        });
        fs::write(&config, json!({ "auths": auths }).to_string()).unwrap();
        let read = |reference| {
            let auth = credentials(&config, reference).unwrap()?;
            let auth = URL_SAFE.decode(auth).unwrap();
            Some(serde_json::from_slice::<Value>(&auth).unwrap())
        };
        let hub = read("redis:8").unwrap();
        assert_eq!(hub["username"], "ann");
        assert_eq!(hub["password"], "secret:with:colons");
        assert_eq!(hub["serveraddress"], HUB);
        assert_eq!(read("localhost:5000/x").unwrap()["identitytoken"], "t0k");
        assert_eq!(read("ghcr.io/a/b"), None);
        let missing = folder.path().join("nowhere");
        assert_eq!(credentials(&missing, "redis"), Ok(None));
        fs::write(&config, "{").unwrap();
        let error = credentials(&config, "redis").unwrap_err();
        assert!(
            error.starts_with("credentials for https://index"),
            "{error}"
        );
    }
}
