//! What a transaction is to bring about: the image, and the plan that is made of it.

use serde_json::Value;

use super::{
    back::{self, Earlier},
    image,
    look::networks,
    outcome::{Cause, Failure, Step},
    planning::{self, Images},
    transaction::Transaction,
};
use crate::{engine::Container, plan::Plan};

/// What the replacement is of.
pub(super) struct Target {
    /// What the image is called.
    pub reference: String,
    /// The image, as inspect prints it.
    pub image: Value,
    /// What the container goes back to, if it does.
    earlier: Option<Earlier>,
}

impl Transaction<'_> {
    /// The original's image; `None` where it is gone.
    pub(super) async fn old_image(&self, original: &Container) -> Result<Option<Value>, Failure> {
        match self.engine.inspect_image(&original.image_id).await {
            Ok(image) => Ok(Some(image)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(Failure::of_engine(Step::Plan, &error)),
        }
    }

    /// Gets the image that the request names, or the one of the generation that is gone back to.
    pub(super) async fn pull(
        &self,
        original: &Container,
        old_image: Option<&Value>,
    ) -> Result<Target, Failure> {
        let mut earlier = None;
        if self.request.go_back {
            earlier = Some(back::earlier(original, old_image)?);
        }
        self.announce(Step::Pull, &original.name);
        let image = async {
            if let Some(earlier) = &mut earlier {
                return earlier
                    .image(self.engine, self.request, self.progress)
                    .await;
            }
            let asked = self.request.patch.get("Image").and_then(Value::as_str);
            let reference = asked.unwrap_or(&original.image).to_owned();
            let image = image::obtain(self.engine, &reference, self.request, self.progress).await?;
            Ok((reference, image))
        };
        let obtained = self.interruptible(image).await;
        let (reference, image) = obtained.unwrap_or_else(|cancelled| {
            Err(Failure::untouched(
                Cause::Failed,
                Step::Pull,
                format!("upgrade of {}: {cancelled}", original.name),
            ))
        })?;
        Ok(Target {
            reference,
            image,
            earlier,
        })
    }

    /// Plans the leader's replacement.
    pub(super) async fn plan(
        &self,
        original: &Container,
        old_image: Option<&Value>,
        target: &mut Target,
    ) -> Result<Plan, Failure> {
        if let Some(earlier) = &mut target.earlier {
            earlier.find_joined(self.engine, self.identities).await?;
            if !self.request.dry_run {
                // Nobody is to remove them meanwhile.
                self.running()
                    .isolate_further(networks(&earlier.specification));
            }
        }
        let images = Images {
            old: old_image,
            new: &target.image,
            reference: &target.reference,
            earlier: target.earlier.as_ref(),
        };
        let mut plan = planning::plan(self.engine, self.request, original, &images).await?;
        if let Some(earlier) = &target.earlier {
            plan.warnings.extend(earlier.warnings.iter().cloned());
        }
        Ok(plan)
    }
}
