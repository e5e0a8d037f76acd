//! `GET /metrics`: what the layers below count, under its names. Those, and their labels, are part of
//! what users rely on.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{counter::ConstCounter, gauge::ConstGauge, info::Info},
    registry::{Registry, Unit},
};

use crate::{relay, upgrade};

/// Of the text that [`text`] returns.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is counted.
pub(super) fn registry(upgrades: &upgrade::Metrics, connections: &relay::Metrics) -> Registry {
    let mut registry = Registry::with_prefix("refit");
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    registry.register("build", "The Refit that this is", Info::new(version));
    register_upgrades(&mut registry, upgrades.clone());
    registry.register_collector(Box::new(Connections(connections.clone())));
    registry
}

fn register_upgrades(registry: &mut Registry, upgrades: upgrade::Metrics) {
    registry.register(
        "upgrades",
        "Upgrades that were asked for and have ended, by outcome",
        upgrades.ended,
    );
    registry.register(
        "upgrade_failures",
        "Upgrades that failed or were refused, by the step that was",
        upgrades.failed,
    );
    registry.register(
        "upgrades_under_way",
        "Upgrades that were asked for and have not ended",
        upgrades.under_way,
    );
    registry.register(
        "upgrades_unfinished",
        "Upgrades that recovery could not bring to an end yet",
        upgrades.unfinished,
    );
    registry.register(
        "recoveries",
        "Unfinished upgrades that recovery brought to an end, by outcome",
        upgrades.recovered,
    );
    let mut register = |name, help, histogram| {
        registry.register_with_unit(name, help, Unit::Seconds, histogram);
    };
    register(
        "upgrade_duration",
        "Time from the request to the end of upgrades that touched a container",
        upgrades.duration,
    );
    register(
        "upgrade_downtime",
        "Time from stop to start of containers that were upgraded while they ran",
        upgrades.downtime,
    );
    register(
        "upgrade_rollback_duration",
        "Time that it took to bring originals back",
        upgrades.rollback_duration,
    );
    registry.register_with_unit(
        "upgrade_step_duration",
        "Time that each step of an upgrade took",
        Unit::Seconds,
        upgrades.step_duration,
    );
}

/// What the lanes have counted is added up when somebody asks. (Here, nobody puts a full stop behind
/// a help.)
#[derive(Debug)]
struct Connections(relay::Metrics);

impl Collector for Connections {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let relay::Counts {
            connections,
            tunnels,
            to_engine,
            to_client,
        } = self.0.counts();
        let mut tell = |name, help, metric: &dyn EncodeMetric| {
            let kind = metric.metric_type();
            metric.encode(encoder.encode_descriptor(name, help, None, kind)?)
        };
        let counter = ConstCounter::<u64>::new;
        let gauge = ConstGauge::<u64>::new;
        tell(
            "connections",
            "Connections of Docker clients.",
            &counter(connections.ever),
        )?;
        tell(
            "connections_open",
            "Connections of Docker clients that are open.",
            &gauge(connections.open),
        )?;
        tell(
            "tunnels",
            "Connections that became tunnels: attach, exec, build sessions.",
            &counter(tunnels.ever),
        )?;
        tell(
            "tunnels_open",
            "Tunnels that are open.",
            &gauge(tunnels.open),
        )?;
        let kind = counter(0).metric_type();
        let help = "Bytes that were relayed, by direction.";
        let mut bytes = encoder.encode_descriptor("relayed", help, Some(&Unit::Bytes), kind)?;
        for (direction, count) in [("to_engine", to_engine), ("to_client", to_client)] {
            let labels = [("direction", direction)];
            counter(count).encode(bytes.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// All of it, in the text format of `OpenMetrics`.
pub(super) fn text(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut text, registry);
    text
}
