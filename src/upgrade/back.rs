//! Going back to the generation before: all that would be in the way is found before anything is
//! touched.
//!
//! It is an upgrade as any other; only what the replacement is comes from the marker. The container
//! that it replaces is the generation before from then on, so that going back twice goes forth again,
//! as `docker service rollback` does.

use serde_json::{Value, json};

use super::{
    Progress,
    identity::Identities,
    image,
    look::existing,
    marker::{Generation, Lineage, Marker},
    outcome::{Cause, Failure, Pull, Request, Step},
};
use crate::{
    engine::{Container, Engine, EngineError},
    plan::{self, MARKER_LABEL, Plan},
};

/// The settings of `HostConfig` that join another container's namespace.
const MODES: [&str; 3] = ["NetworkMode", "IpcMode", "PidMode"];

/// What a container goes back to.
pub(super) struct Earlier {
    generation: Generation,
    /// What it was made of.
    pub specification: Value,
    /// The name of the container.
    name: String,
    /// What the caller should know of it.
    pub warnings: Vec<String>,
}

/// The generation before a container, whose image is `image` where that is still there.
///
/// # Errors
/// [`Failure`] with [`Cause::Conflict`]: there is none, or its specification is not known.
pub(super) fn earlier(container: &Container, image: Option<&Value>) -> Result<Earlier, Failure> {
    let name = &container.name;
    let never = || {
        conflict(format!(
            "{name} was never upgraded: there is no generation before it"
        ))
    };
    let label = container.label(MARKER_LABEL).ok_or_else(never)?;
    // Whoever makes an image can write into it what they like.
    let of_image = image.and_then(|image| image.pointer("/Config/Labels")?.get(MARKER_LABEL));
    if of_image.is_some_and(|of_image| of_image == label) {
        return Err(conflict(format!(
            "{name} was never upgraded: its label {MARKER_LABEL} is its image's"
        )));
    }
    // Whoever copies a container, with its labels, copies its marker.
    if let Some(marker) = Marker::of(container).filter(|marker| marker.original.name != *name) {
        return Err(conflict(format!(
            "the marker of {name} is of {}: it was renamed, or is a copy; rename it back to go back",
            marker.original.name
        )));
    }
    let lineage = Lineage::of(container);
    let (mut generations, mut known) = (
        lineage.generations.into_iter(),
        lineage.specifications.into_iter(),
    );
    let generation = generations.next().ok_or_else(never)?;
    let Some(specification) = known.next().flatten() else {
        return Err(conflict(format!(
            "the marker of {name} does not tell what the generation before it was made of: an \
             earlier version of Refit wrote it, or it is damaged. Name in the body of an upgrade what \
             is to be another (its image was {}, {})",
            generation.image, generation.image_id
        )));
    };
    Ok(Earlier {
        generation,
        specification,
        name: name.clone(),
        warnings: Vec::new(),
    })
}

impl Earlier {
    /// Gets its image, by its ID; else by its reference, which may be another's by now. What the image
    /// is called now, and the image.
    ///
    /// # Errors
    /// [`Failure`] at step pull: it is neither there, nor can it be pulled.
    pub async fn image(
        &mut self,
        engine: &dyn Engine,
        request: &Request,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<(String, Value), Failure> {
        let Generation {
            image: reference,
            image_id,
            ..
        } = &self.generation;
        let failed = |error: EngineError| Failure::of_engine(Step::Pull, &error);
        match engine.inspect_image(image_id).await {
            Ok(image) => {
                let named = match engine.inspect_image(reference).await {
                    Ok(named) => plan::image_id(&named),
                    Err(error) if error.is_not_found() => String::new(),
                    Err(error) => return Err(failed(error)),
                };
                if named == *image_id {
                    return Ok((reference.clone(), image));
                }
                self.warnings.push(format!(
                    "{reference} names another image now, or none: the container goes back to \
                     {image_id}, and is called by that"
                ));
                return Ok((image_id.clone(), image));
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(failed(error)),
        }
        let image = self.pull(engine, request, progress).await?;
        if plan::image_id(&image) != *image_id {
            self.warnings.push(format!(
                "the image {image_id} is gone, and {reference} is another one now, {}: the container \
                 goes back to what it was, on that",
                plan::image_id(&image)
            ));
        }
        Ok((reference.clone(), image))
    }

    async fn pull(
        &self,
        engine: &dyn Engine,
        request: &Request,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Value, Failure> {
        let reference = &self.generation.image;
        let gone = |why: &str| {
            format!(
                "the image {reference} ({}) of the generation before {} is gone, and {why}: pull or \
                 load it and ask again, or upgrade to another image",
                self.generation.image_id, self.name
            )
        };
        let not_found = |why| Failure::untouched(Cause::NotFound, Step::Pull, gone(why));
        match request.pull {
            Pull::Never => return Err(not_found("it is not to be pulled")),
            Pull::Missing if request.dry_run => {
                return Err(not_found("a dry run pulls with pull=always only"));
            }
            // What its reference names here is not it.
            Pull::Missing | Pull::Always => {}
        }
        let request = Request {
            pull: Pull::Always,
            ..request.clone()
        };
        let pulled = image::obtain(engine, reference, &request, progress).await;
        pulled.map_err(|failure| Failure {
            message: gone(&failure.message),
            ..failure
        })
    }

    /// Sees that its networks and the volumes of its plan are there: the engine would notice the lack
    /// of the ones only at start, and make the others anew.
    ///
    /// # Errors
    /// [`Failure`] at step plan: one is gone.
    pub async fn check(&self, engine: &dyn Engine, plan: &Plan) -> Result<(), Failure> {
        let failed = |error: EngineError| Failure::of_engine(Step::Plan, &error);
        for (network, id) in plan::networks_of(&self.specification) {
            let reference = id.as_ref().unwrap_or(&network);
            if !plan.networks.contains(reference) {
                continue;
            }
            match engine.inspect_network(reference).await {
                Err(error) if error.is_not_found() => {
                    return Err(self.gone(&format!("the network {network} ({reference})"), ""));
                }
                looked_at => looked_at.map_err(failed)?,
            };
        }
        for volume in plan::named_volumes(&plan.create) {
            match engine.inspect_volume(&volume).await {
                Err(error) if error.is_not_found() => {
                    let remedy = "; the engine would put an empty one in its place, which docker \
                                  volume create does, if that will do";
                    return Err(self.gone(&format!("the volume {volume}"), remedy));
                }
                looked_at => looked_at.map_err(failed)?,
            };
        }
        Ok(())
    }

    fn gone(&self, what: &str, remedy: &str) -> Failure {
        conflict(format!(
            "{what} of the generation before {} is gone{remedy}",
            self.name
        ))
    }

    /// Has what joined the namespaces of a container that was upgraded since join what stands for it.
    ///
    /// # Errors
    /// [`Failure`] at step plan, as the engine says it.
    pub async fn find_joined(
        &mut self,
        engine: &dyn Engine,
        identities: &Identities,
    ) -> Result<(), Failure> {
        let failed = |error: EngineError| Failure::of_engine(Step::Plan, &error);
        for mode in MODES {
            let host = &mut self.specification["HostConfig"];
            let joined = host[mode].as_str().unwrap_or_default();
            let Some(id) = joined.strip_prefix("container:") else {
                continue;
            };
            if existing(engine, id).await.map_err(failed)?.is_some() {
                continue;
            }
            if let Some(now) = identities.current(engine, id).await.map_err(failed)? {
                host[mode] = json!(format!("container:{}", now.id));
            }
        }
        Ok(())
    }
}

fn conflict(message: String) -> Failure {
    Failure::untouched(Cause::Conflict, Step::Plan, message)
}
