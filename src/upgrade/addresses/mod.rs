//! Addresses: the replacement answers on the original's.
//!
//! A configured address is inherited. A dynamic one is not turned into a configured one, which could
//! collide at the next boot. But an engine gives the lowest free address: so before the stop,
//! *placeholders*, containers that only wait, occupy every lower one that is free, and what starts next
//! gets the original's: the replacement, or on the way back the original itself. Then they go.
//!
//! What cannot be held, and whoever comes in between, makes a difference that the caller is told of. What
//! could not be removed with its transaction, or was made later, recovery removes.
//!
//! | module | job |
//! |---|---|
//! | `dynamic`, `free` | pure: which addresses are dynamic, and how many are free below them |
//! | `placeholders`, `image` | what occupies those |
//! | `window` | one upgrade at a time between stop and start, on each network |
//! | `steps` | when a transaction does what of it |
//! | `sweep` | what was left over |

mod dynamic;
mod free;
mod image;
mod placeholders;
mod steps;
mod sweep;
mod window;

pub(super) use dynamic::{dynamic, wanted};
pub(super) use placeholders::{Held, hold_again, let_go};
pub(super) use steps::Swapped;
pub(super) use window::{Window, Windows};
