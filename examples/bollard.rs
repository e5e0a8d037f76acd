//! Upgrades a container with bollard.
//!
//!     cargo run --example bollard -- CONTAINER IMAGE [PATCH]
//!
//! PATCH is a JSON object of the shape of `POST /containers/create`, merged over the container's
//! configuration, as `'{"Env": ["LEVEL=debug"]}'`. `DOCKER_HOST` is Refit's address, as
//! <unix:///run/refit/docker.sock>. Exit code 1: not upgraded, and the last line says why.

use std::{env, process::ExitCode, time::Duration};

use bollard::{
    Docker, body_full,
    errors::Error,
    models::{ContainerCreateBody, ContainerCreateResponse},
    query_parameters::CreateContainerOptionsBuilder,
};
use serde_json::{Map, Value};

/// As long as an upgrade may take: the answer comes when it has ended.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Upgrades a container. An error's message says what has failed, and what became of the container.
///
/// bollard sends no requests but those that it knows. An upgrade has the name and the answer of a
/// create: it is made as one, and sent to another path, with a body that the type of a create's could
/// not hold (its `null` means the image's own value).
async fn upgrade(
    docker: &Docker,
    container: &str,
    patch: Map<String, Value>,
) -> Result<ContainerCreateResponse, Error> {
    let patch = Value::Object(patch).to_string();
    let upgrading =
        docker
            .clone()
            .with_timeout(PATIENCE)
            .with_request_modifier(move |mut request| {
                let uri = request.uri().to_string();
                let uri = uri.replacen("/containers/create?", "/containers/upgrade?", 1);
                *request.uri_mut() = uri.parse().expect("a URI with another path");
                *request.body_mut() = body_full(patch.clone().into());
                request
            });
    let name = CreateContainerOptionsBuilder::new().name(container).build();
    let body = ContainerCreateBody::default();
    upgrading.create_container(Some(name), body).await
}

async fn run(container: &str, image: &str, patch: &str) -> Result<(), Error> {
    let mut patch: Map<String, Value> = serde_json::from_str(patch)?;
    patch.insert("Image".to_owned(), image.into());
    let docker = Docker::connect_with_defaults()?.negotiate_version().await?;
    let done = upgrade(&docker, container, patch).await?;
    for warning in done.warnings {
        eprintln!("warning: {warning}");
    }
    let now = docker.inspect_container(&done.id, None).await?;
    let config = now.config.unwrap_or_default();
    println!("{container} is {} now", config.image.unwrap_or_default());
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (container, image, patch) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        [container, image] => (container, image, "{}"),
        [container, image, patch] => (container, image, patch),
        _ => {
            eprintln!("usage: bollard CONTAINER IMAGE [PATCH]");
            return ExitCode::from(64);
        }
    };
    match run(container, image, patch).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::DockerResponseServerError { message, .. }) => {
            eprintln!("not upgraded: {message}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("not upgraded: {error}");
            ExitCode::FAILURE
        }
    }
}
