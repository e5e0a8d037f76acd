//! The upgrade of one container, from the call to its end.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{StreamExt as _, future::join_all};
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{Ended, Failed, text},
    args::Pull,
    client::{Ask, Client, lines, whole},
    registry,
    screen::{Screen, warning},
    settings::Call,
};

/// How soon a cancellation is asked for again of what has not ended.
const CANCEL_PAUSE: Duration = Duration::from_millis(100);

/// Upgrades containers through a client, and shows it.
#[derive(Debug, Clone)]
pub(super) struct Upgrader {
    client: Client,
    screen: Screen,
    /// The configuration of the docker CLI.
    config: Option<PathBuf>,
    /// Those that are under way.
    running: Arc<Mutex<BTreeSet<String>>>,
    /// No further one is begun.
    stop: CancellationToken,
}

/// A container and its image, as far as a call that names no image depends on them.
struct Present {
    /// The reference of its image.
    image: String,
    /// The ID of its image.
    image_id: String,
}

impl Upgrader {
    pub(super) fn new(client: Client, screen: Screen, config: Option<PathBuf>) -> Self {
        Self {
            client,
            screen,
            config,
            running: Arc::default(),
            stop: CancellationToken::new(),
        }
    }

    /// Cancelled where no further upgrade is to be begun.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Upgrades a container.
    ///
    /// Without an image, the newest of its own tag is wanted. Where its registry has none to give, the one
    /// that is here is taken, if it is another than the container's, or if something else is to change.
    pub(super) async fn upgrade(&self, name: &str, call: &Call) -> Ended {
        if call.pull.is_some() || call.image().is_some() || call.is_back() {
            return self
                .ask(name, call, call.pull.unwrap_or(Pull::Missing))
                .await;
        }
        if call.dry_run {
            return self.ask(name, call, Pull::Missing).await;
        }
        match self.ask(name, call, Pull::Always).await {
            Err(failed) if failed.step.as_deref() == Some("pull") => {
                if self.stop.is_cancelled() || !call.changes() && !self.has_newer(name).await {
                    return Err(failed);
                }
                let told = format!("{}; the image that is here is taken", failed.message);
                self.screen.complain(&warning(name, &told));
                self.ask(name, call, Pull::Missing).await
            }
            ended => ended,
        }
    }

    /// Brings the originals back of all that are under way, and of those that are about to be. It never
    /// ends.
    pub(super) async fn cancel_all(&self) {
        loop {
            let running = self.running.lock().map(|running| running.clone());
            let cancel = async |name: String| {
                let target = target_of(&name);
                let ask = Ask {
                    method: Method::DELETE,
                    ..Ask::get(&target)
                };
                // Its own request answers how it ended.
                if let Ok(answer) = self.client.at_endpoint(ask).await {
                    drop(whole(answer).await);
                }
            };
            join_all(running.unwrap_or_default().into_iter().map(cancel)).await;
            sleep(CANCEL_PAUSE).await;
        }
    }

    async fn ask(&self, name: &str, call: &Call, pull: Pull) -> Ended {
        if let Ok(mut running) = self.running.lock() {
            running.insert(name.to_owned());
        }
        let auth = self.credentials(name, call).await;
        let target = call.target(name, pull);
        let ended = if self.stop.is_cancelled() {
            Err(Failed::untouched(format!(
                "the upgrade of {name} was interrupted"
            )))
        } else {
            self.follow(name, &target, auth.as_deref(), call).await
        };
        if let Ok(mut running) = self.running.lock() {
            running.remove(name);
        }
        ended
    }

    async fn follow(&self, name: &str, target: &str, auth: Option<&str>, call: &Call) -> Ended {
        let ask = Ask {
            method: Method::POST,
            target,
            auth,
            body: Some(call.body.clone().into()),
        };
        let answer = self.client.at_endpoint(ask).await?;
        let mut lines = lines(answer).await?;
        let mut follower = self.screen.follow(name);
        while let Some(line) = lines.next().await {
            let line = match line {
                Ok(line) => line,
                Err(failed) => {
                    follower.end(false);
                    return Err(failed);
                }
            };
            if let Some(detail) = line
                .get("errorDetail")
                .filter(|detail| detail.get("Step").is_some())
            {
                follower.end(false);
                return Err(Failed::read_detail(detail));
            }
            match line.get("aux") {
                Some(aux) if is_last(aux) => {
                    follower.end(true);
                    return Ok(aux.clone());
                }
                _ => follower.line(&line),
            }
        }
        follower.end(false);
        Err(Failed::lost(format!(
            "the upgrade of {name} may be going on; \"docker upgrade --history {name}\" tells"
        )))
    }

    /// The credentials for the registry of the image that is wanted.
    async fn credentials(&self, name: &str, call: &Call) -> Option<String> {
        let config = self.config.clone()?;
        let image = match call.image() {
            Some(image) => image.to_owned(),
            None if call.is_back() => self.earlier_image(name).await?,
            None => self.present(name).await?.image,
        };
        // A helper may ask a person.
        let asked = spawn_blocking(move || registry::credentials(&config, &image)).await;
        asked.ok()?.unwrap_or_else(|error| {
            self.screen.complain(&warning(name, &error));
            None
        })
    }

    /// The reference of the image of the generation before.
    async fn earlier_image(&self, name: &str) -> Option<String> {
        let target = target_of(name);
        let answer = self.client.at_endpoint(Ask::get(&target)).await.ok()?;
        let told = whole(answer).await.ok()?;
        Some(text(told.pointer("/Generations/0")?, "Image").to_owned())
    }

    /// Whether the image that the container's reference means here is another than the one that it runs.
    async fn has_newer(&self, name: &str) -> bool {
        let Some(present) = self.present(name).await else {
            return false;
        };
        let image = utf8_percent_encode(&present.image, NON_ALPHANUMERIC);
        match self.client.json(&format!("/images/{image}/json")).await {
            Ok(image) => text(&image, "Id") != present.image_id,
            Err(_) => false,
        }
    }

    async fn present(&self, name: &str) -> Option<Present> {
        let container = self.client.json(&inspect_of(name)).await.ok()?;
        Some(Present {
            image: text(container.get("Config")?, "Image").to_owned(),
            image_id: text(&container, "Image").to_owned(),
        })
    }
}

/// Whether it is the answer of the upgrade, rather than something that a pull says.
fn is_last(aux: &Value) -> bool {
    ["Changed", "Helper"]
        .iter()
        .any(|field| aux.get(field).is_some())
}

/// Where a container is inspected.
pub(super) fn inspect_of(name: &str) -> String {
    format!(
        "/containers/{}/json",
        utf8_percent_encode(name, NON_ALPHANUMERIC)
    )
}

/// Where the upgrade of a container is asked after, and cancelled.
pub(super) fn target_of(name: &str) -> String {
    format!(
        "/containers/{}/upgrade",
        utf8_percent_encode(name, NON_ALPHANUMERIC)
    )
}
