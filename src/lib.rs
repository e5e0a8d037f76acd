//! Refit: in-place upgrades for Docker containers.
//!
//! Refit is a socket proxy. Every byte of the Docker API passes through to an unmodified
//! dockerd; one operation is added: `POST /containers/{id}/upgrade` swaps the image under a
//! container and keeps its name, volumes, networks, addresses, ports and configuration. If
//! anything fails, the original comes back.
//!
//! # The map
//!
//! Imports point down only (`tests/layers.rs` enforces it):
//!
//! | layer | job |
//! |---|---|
//! | [`cli`] | what people type: arguments become checked settings, then a running server, an upgrade (`docker upgrade`), a recovery by hand, or a question of how it is |
//! | [`server`] | sockets in: listeners, accept, drain; health and metrics for those who watch |
//! | [`relay`] | bytes through: find a request head, decide whose it is, copy, tunnel |
//! | [`api`] | our endpoint on the wire: request, response, progress, errors; what others are refused meanwhile, and told |
//! | [`upgrade`] | the transaction: forward as a story, backward as reconciliation, recovery |
//! | [`plan`] | pure: what the replacement is; no await, no I/O, no clock |
//! | [`engine`] | the only code that talks to dockerd |
//!
//! # The words
//!
//! The *original* is the container that is being upgraded; the *replacement* takes its place.
//! A *plan* is everything decided before anything is touched. A *transaction* is the steps from
//! plan to *commit* (the deletion of the *parked* original), or back. The *marker*, a label on
//! the replacement, is the whole journal: Refit keeps no state outside the engine. The *generations*
//! are the containers that had the name before; the marker knows what the last ten were made of.

pub mod api;
pub mod cli;
pub mod engine;
pub mod plan;
pub mod relay;
pub mod server;
pub mod upgrade;
