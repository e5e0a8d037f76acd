//! The main job: transaction, decide, verify, recover.

/// All upgrades of one engine.
#[derive(Debug, Default)]
pub struct Upgrades {}
