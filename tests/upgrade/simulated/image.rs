//! Images: their names, and what inspect prints of them.

use std::sync::Arc;

use refit::engine::Result;
use serde_json::{Value, json};

use super::{bears, refused, text, world::World};

impl World {
    /// Gives an image a name, which another may have had.
    pub fn tag(&mut self, reference: &str, id: &str, config: &Value) {
        self.images.retain(|(name, _)| name != reference);
        let image = json!({ "Id": id, "Os": "linux", "Architecture": "amd64", "Config": config });
        self.images.push((reference.to_owned(), Arc::new(image)));
    }

    pub(super) fn image(&self, reference: &str) -> Result<&Value> {
        let is_meant = |(name, image): &&(String, Arc<Value>)| {
            name == reference || text(image, "/Id") == reference
        };
        let found = self.images.iter().find(is_meant);
        found
            .map(|(_, image)| image.as_ref())
            .ok_or_else(|| refused(404, format!("No such image: {reference}")))
    }

    /// The names of all images.
    pub fn image_names(&self) -> impl Iterator<Item = &str> {
        self.images.iter().map(|(name, _)| name.as_str())
    }

    /// What the list prints of the images that bear a label.
    pub(super) fn labelled_images(&self, label: &str) -> Vec<Value> {
        let labelled = self.images.iter().filter_map(|(name, image)| {
            let labels = &image["Config"]["Labels"];
            let summary = || json!({ "Id": image["Id"], "RepoTags": [name], "Labels": labels });
            bears(labels, label).then(summary)
        });
        labelled.collect()
    }

    /// Makes an image, of lines such as `CMD ["/pause"]` and `LABEL key=value`.
    pub(super) fn import(&mut self, reference: &str, changes: &[String]) -> Result<()> {
        let mut config = json!({});
        for change in changes {
            match change.split_once(' ') {
                Some(("CMD", cmd)) => {
                    config["Cmd"] = serde_json::from_str(cmd).expect("a list of words");
                }
                Some(("LABEL", label)) => {
                    let (key, value) = label.split_once('=').expect("a label");
                    config["Labels"][key] = json!(value);
                }
                _ => {
                    return Err(refused(
                        400,
                        format!("{change} is not a valid change command"),
                    ));
                }
            }
        }
        self.changes.push(format!("import {reference}"));
        let id = format!("sha256:{}", self.new_id());
        self.tag(reference, &id, &config);
        Ok(())
    }

    pub(super) fn pull(&mut self, reference: &str) -> Result<()> {
        let found = self.registry.iter().find(|(name, ..)| name == reference);
        let Some((_, id, config)) = found.cloned() else {
            return Err(refused(404, format!("pull access denied for {reference}")));
        };
        self.tag(reference, &id, &config);
        Ok(())
    }

    /// Takes a name from an image, which is gone with its last one, whoever is of it.
    pub fn forget_image(&mut self, reference: &str) {
        self.images.retain(|(name, _)| name != reference);
    }

    pub(super) fn untag(&mut self, reference: &str) -> Result<()> {
        let Ok(id) = self
            .image(reference)
            .map(|image| text(image, "/Id").to_owned())
        else {
            return Ok(());
        };
        if self.containers.iter().any(|c| c.image_id == id) {
            let message = format!("conflict: unable to remove {reference}: a container uses it");
            return Err(refused(409, message));
        }
        self.changes.push(format!("remove image {reference}"));
        self.images.retain(|(name, _)| name != reference);
        Ok(())
    }
}
