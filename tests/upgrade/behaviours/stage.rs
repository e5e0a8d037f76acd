//! Where a transcript is played.

use refit::engine::{Engine, Result};

use super::super::simulated::{Death, Simulated};

/// The networks that every stage has.
pub const NETWORKS: [&str; 2] = ["app", "second"];

/// An engine that has the image and the networks of the transcripts, and what of it lies beyond the
/// trait.
pub trait Stage {
    fn engine(&self) -> &dyn Engine;
    /// What the names of containers, volumes, networks and images here begin with.
    fn prefix(&self) -> &str;
    /// Sends a container SIGKILL.
    fn kill(&self, container: &str) -> Result<()>;
    fn has_volume(&self, volume: &str) -> bool;
    /// Has dockerd end, and come back.
    fn restart(&self, how: Death);
    /// Removes these containers, whatever they do, and these volumes, if they are there.
    fn clear(&self, containers: &[String], volumes: &[String]);
}

impl Stage for Simulated {
    fn engine(&self) -> &dyn Engine {
        self
    }

    fn prefix(&self) -> &'static str {
        ""
    }

    fn kill(&self, container: &str) -> Result<()> {
        self.world().kill(container)
    }

    fn has_volume(&self, volume: &str) -> bool {
        self.world().volumes.contains(volume)
    }

    fn restart(&self, how: Death) {
        self.world().die(how);
    }

    /// It goes with them.
    fn clear(&self, _: &[String], _: &[String]) {}
}
