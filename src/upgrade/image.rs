//! The new image: from the engine, or pulled.

use serde_json::Value;

use super::{
    Progress,
    look::text,
    outcome::{Cause, Failure, Pull, Request, Step},
};
use crate::engine::{Engine, EngineError};

/// Gets the image of `reference`, as the request's `pull` says, and inspects it.
///
/// # Errors
/// [`Failure`] at step pull; nothing was touched.
pub(super) async fn obtain(
    engine: &dyn Engine,
    reference: &str,
    request: &Request,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Value, Failure> {
    let platform = request.platform.as_ref();
    // An image of another platform is not the one that is asked for.
    let inspect = async || {
        let image = engine.inspect_image(reference).await?;
        match platform {
            Some(platform) if !platform.is_of(&image) => Err(EngineError::Refused {
                status: 404,
                message: format!(
                    "No such image: {reference} for {platform} ({})",
                    is_for(&image)
                ),
            }),
            _ => Ok(image),
        }
    };
    let pull = async || {
        let progress = |line| progress(Progress::Pull(line));
        let auth = request.registry_auth.as_deref();
        engine
            .pull(&tagged(reference), platform, auth, &progress)
            .await
            .map_err(|error| {
                let failure = Failure::of_engine(Step::Pull, &error);
                Failure {
                    message: format!("pull of {reference} failed: {error}"),
                    ..failure
                }
            })
    };
    match request.pull {
        // An ID names one image for ever, and no registry knows it.
        Pull::Always if !is_id(reference) => pull().await?,
        Pull::Missing if !request.dry_run && !is_id(reference) => match inspect().await {
            Err(error) if error.is_not_found() => pull().await?,
            _ => {}
        },
        Pull::Always | Pull::Missing | Pull::Never => {}
    }
    inspect().await.map_err(|error| {
        if error.is_not_found() {
            let mut message = match platform {
                Some(_) => error.to_string(),
                None => format!("No such image: {reference}"),
            };
            if request.dry_run && request.pull == Pull::Missing {
                message += " (a dry run pulls with pull=always only)";
            }
            return Failure::untouched(Cause::NotFound, Step::Pull, message);
        }
        Failure::of_engine(Step::Pull, &error)
    })
}

/// What an image says of its platform.
fn is_for(image: &Value) -> String {
    let parts = ["/Os", "/Architecture", "/Variant"].map(|part| text(image, part));
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("there is one for {}", parts.join("/"))
}

/// `reference` with a tag: the engine pulls all tags of a repository that is named without one.
fn tagged(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains([':', '@']) {
        reference.to_owned()
    } else {
        format!("{reference}:latest")
    }
}

fn is_id(reference: &str) -> bool {
    let digest = reference.strip_prefix("sha256:").unwrap_or(reference);
    digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_a_tag_is_pulled_as_latest_only() {
        let cases = [
            ("redis", "redis:latest"),
            ("redis:8.0", "redis:8.0"),
            ("127.0.0.1:5000/redis", "127.0.0.1:5000/redis:latest"),
            ("127.0.0.1:5000/redis:8.0", "127.0.0.1:5000/redis:8.0"),
            ("redis@sha256:abc", "redis@sha256:abc"),
        ];
        for (reference, pulled) in cases {
            assert_eq!(tagged(reference), pulled);
        }
    }
}
