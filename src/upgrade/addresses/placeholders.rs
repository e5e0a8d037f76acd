//! Placeholders: containers that occupy addresses, and do nothing.

use std::{cmp::Ordering, collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use ipnet::IpNet;
use serde_json::{Value, json};
use tokio::time::timeout;
use tracing::warn;

use super::{dynamic, free, image};
use crate::{
    engine::{ApiVersion, Container, Engine, EngineError},
    plan::Object,
    upgrade::{
        look::{self, observe, text},
        marker::{DynamicAddress, Marker, PLACEHOLDER_LABEL},
    },
};

/// How many a transaction may make.
const MOST: usize = 64;

/// How many are made at a time: an engine starts a few side by side not much slower than one.
const AT_ONCE: usize = 4;

/// How long an original that is to be started again waits for them, while it is down.
const AGAIN: Duration = Duration::from_secs(15);

/// The placeholders of a transaction.
pub(super) struct Placeholders<'a> {
    pub engine: &'a dyn Engine,
    /// The leader's.
    pub marker: &'a Marker,
    /// The addresses that are to be the lowest free ones, once nobody has them.
    pub wanted: &'a [DynamicAddress],
}

/// What came of holding.
#[derive(Debug, Default)]
pub struct Held {
    /// How many placeholders were begun.
    pub made: usize,
    /// Why lower addresses may be free all the same.
    pub missing: Option<String>,
}

/// A network with lower addresses that are free.
struct Gap {
    /// What create calls the network: by its ID, since two may bear one name, but for the default
    /// one, which takes no settings of a user's.
    key: String,
    free: usize,
}

impl Placeholders<'_> {
    /// Makes placeholders until no lower address is free, and asks before every few whether to
    /// `go_on`.
    ///
    /// # Errors
    /// An answer was lost, or the engine is out of reach. What it refuses is told in [`Held`].
    pub async fn hold(
        &self,
        go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Held, EngineError> {
        let mut made = 0;
        let missing = match self.fill(&mut made, go_on).await {
            Err(EngineError::Refused { message, .. }) => Some(message),
            filled => filled?,
        };
        Ok(Held { made, missing })
    }

    async fn fill(
        &self,
        made: &mut usize,
        go_on: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Option<String>, EngineError> {
        loop {
            let gaps = self.gaps().await?;
            let free = gaps.iter().map(|gap| gap.free).max().unwrap_or(0);
            if free == 0 || !go_on() {
                return Ok(None);
            }
            if *made + free > MOST {
                let why = format!("there are more lower addresses than the {MOST} that are held");
                return Ok(Some(why));
            }
            if *made == 0
                && let Some(why) = image::obtain(self.engine, &self.marker.transaction).await?
            {
                return Ok(Some(why));
            }
            let batch = (0..free.min(AT_ONCE)).map(|nth| {
                let keys = gaps.iter().filter(move |gap| gap.free > nth);
                let keys = keys.map(|gap| gap.key.as_str()).collect();
                self.place(*made + nth + 1, keys)
            });
            let placed = join_all(batch).await;
            *made += placed.len();
            let useful = placed.into_iter().collect::<Result<Vec<bool>, _>>()?;
            // The count was too high: what seemed free is not given to anybody.
            if !useful.contains(&true) {
                return Ok(None);
            }
        }
    }

    async fn gaps(&self) -> Result<Vec<Gap>, EngineError> {
        let networks: BTreeSet<&str> = self.wanted.iter().map(|a| a.network.as_str()).collect();
        let mut gaps = Vec::new();
        for network in networks {
            let printed = self.engine.inspect_network(network).await?;
            self.make_way(network, &printed).await?;
            let wanted = self.wanted.iter().filter(|a| a.network == network);
            let free = wanted
                .map(|address| free::below(&printed, address.ip))
                .max();
            // More than are held is as good as no end.
            let free = usize::try_from(free.unwrap_or(0)).unwrap_or(MOST + 1);
            if free > 0 {
                let key = match text(&printed, "/Name") {
                    "bridge" => "bridge",
                    _ => network,
                };
                gaps.push(Gap {
                    key: key.to_owned(),
                    free: free.min(MOST + 1),
                });
            }
        }
        Ok(gaps)
    }

    /// One that stands where another member's original was, which has been started since, goes.
    async fn make_way(&self, network: &str, printed: &Value) -> Result<(), EngineError> {
        let wanted = |attached: &Value, family: &str| {
            let attached: Option<IpNet> = text(attached, family).parse().ok();
            let mut wanted = self.wanted.iter().filter(|a| a.network == network);
            attached.is_some_and(|attached| wanted.any(|wanted| wanted.ip == attached.addr()))
        };
        let containers = printed.get("Containers").and_then(Value::as_object);
        for (id, attached) in containers.into_iter().flatten() {
            let is_wanted = ["/IPv4Address", "/IPv6Address"]
                .into_iter()
                .any(|family| wanted(attached, family));
            if is_wanted && self.marker.is_hold_name(text(attached, "/Name")) {
                self.engine.remove_by_force(id).await?;
            }
        }
        Ok(())
    }

    /// Makes one on these networks; false where it is no use, and is gone again.
    async fn place(&self, number: usize, networks: Vec<&str>) -> Result<bool, EngineError> {
        let name = self.marker.hold_name(number);
        if !self.create(&name, &networks).await? {
            return Ok(false);
        }
        self.engine.start(&name).await?;
        let started = observe(self.engine, &name).await?;
        let is_useful = self.is_useful(&started);
        if !is_useful {
            self.engine.remove_by_force(&started.id).await?;
        }
        Ok(is_useful)
    }

    /// Creates one; false where somebody else's container has the name.
    async fn create(&self, name: &str, networks: &[&str]) -> Result<bool, EngineError> {
        let takes_all = self.engine.api_version().await? >= ApiVersion::MANY_NETWORKS_IN_CREATE;
        let at_create = if takes_all { networks.len() } else { 1 };
        let (at_create, later) = networks.split_at(at_create.min(networks.len()));
        let endpoints = at_create.iter().map(|key| ((*key).to_owned(), json!({})));
        let body = json!({
            "Image": image::reference(&self.marker.transaction),
            "Labels": { PLACEHOLDER_LABEL: self.marker.to_placeholder_label() },
            "HostConfig": {
                "NetworkMode": at_create.first(),
                "RestartPolicy": { "Name": "no" },
                // It has nothing to say, and an engine's log may be far away.
                "LogConfig": { "Type": "none" },
            },
            "NetworkingConfig": { "EndpointsConfig": endpoints.collect::<Object>() },
        });
        match self.engine.create_container(name, None, &body).await {
            Ok(_) => {}
            // One of ours, whose answer was lost, or that has ended with its dockerd.
            Err(EngineError::Refused { status: 409, .. }) => {
                let found = observe(self.engine, name).await?;
                return Ok(is_of(self.marker, &found));
            }
            Err(error) => return Err(error),
        }
        for network in later {
            self.engine
                .connect_network(network, name, &json!({}))
                .await?;
        }
        Ok(true)
    }

    /// Whether it has an address below a wanted one, and none that is wanted itself.
    fn is_useful(&self, placeholder: &Container) -> bool {
        let orders: Vec<Ordering> = dynamic(&placeholder.document)
            .iter()
            .flat_map(|has| {
                let same = |wanted: &&DynamicAddress| {
                    has.network == wanted.network && has.ip.is_ipv4() == wanted.ip.is_ipv4()
                };
                self.wanted
                    .iter()
                    .filter(same)
                    .map(|wanted| has.ip.cmp(&wanted.ip))
            })
            .collect();
        orders.contains(&Ordering::Less) && !orders.contains(&Ordering::Equal)
    }
}

/// Whether a container is a placeholder of the transaction of this marker.
fn is_of(marker: &Marker, container: &Container) -> bool {
    let found = Marker::under(PLACEHOLDER_LABEL, container);
    found.is_some_and(|found| found.transaction == marker.transaction)
}

/// Holds what is below these addresses right before whoever is to have them is started, as far as can be
/// done: it is started in any case, and the caller is told where its address is another. `marker` is the
/// leader's.
pub async fn hold_again(engine: &dyn Engine, marker: &Marker, wanted: &[DynamicAddress]) {
    let placeholders = Placeholders {
        engine,
        marker,
        wanted,
    };
    let why = match timeout(AGAIN, placeholders.hold(&|| true)).await {
        Ok(Ok(held)) => held.missing,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("it took more than {AGAIN:?}")),
    };
    if let Some(why) = why {
        let (transaction, name) = (&marker.transaction, &marker.original.name);
        warn!(
            transaction,
            name, why, "not all lower addresses could be held"
        );
    }
}

/// Removes what stands on these addresses, right before whoever they are configured for is started. `marker`
/// is the leader's.
///
/// # Errors
/// As the engine says it.
pub(super) async fn make_way(
    engine: &dyn Engine,
    marker: &Marker,
    wanted: &[DynamicAddress],
) -> Result<(), EngineError> {
    let placeholders = Placeholders {
        engine,
        marker,
        wanted,
    };
    let networks: BTreeSet<&str> = wanted.iter().map(|a| a.network.as_str()).collect();
    for network in networks {
        let printed = engine.inspect_network(network).await?;
        placeholders.make_way(network, &printed).await?;
    }
    Ok(())
}

/// Removes all placeholders of a transaction, where one may be in the way of an original that is to be
/// started again: that it runs comes before its address. `marker` is the leader's.
///
/// # Errors
/// As the engine says it.
pub async fn let_go(engine: &dyn Engine, marker: &Marker) -> Result<(), EngineError> {
    let found = look::bearing(engine, PLACEHOLDER_LABEL).await?.containers;
    for placeholder in found.iter().filter(|found| is_of(marker, found)) {
        engine.remove_by_force(&placeholder.id).await?;
    }
    Ok(())
}

/// Removes the placeholders of a transaction, and their image, where there are any.
///
/// # Errors
/// The first one, when everything was tried: something is left.
pub(super) async fn release(engine: &dyn Engine, marker: &Marker) -> Result<(), EngineError> {
    let Marker { transaction, .. } = marker;
    let of = |value: &str| format!("{PLACEHOLDER_LABEL}={value}");
    let images = engine.list_labelled_images(&of(transaction)).await?;
    let bearing = of(&marker.to_placeholder_label());
    let ids = engine.list_labelled(&bearing).await?;
    if images.is_empty() && ids.is_empty() {
        return Ok(());
    }
    remove(engine, &ids, transaction).await
}

/// Removes these placeholders, and the image of their transaction.
///
/// # Errors
/// The first one, when everything was tried: something is left.
pub(super) async fn remove(
    engine: &dyn Engine,
    ids: &[String],
    transaction: &str,
) -> Result<(), EngineError> {
    let removals = ids.iter().map(|id| engine.remove_by_force(id));
    let removed: Result<(), EngineError> = join_all(removals).await.into_iter().collect();
    removed?;
    engine.remove_image(&image::reference(transaction)).await
}
