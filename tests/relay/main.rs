//! The relay between a scripted client and a scripted engine: what goes in comes out, byte by
//! byte, and the end of a connection means on one side what it means on the other.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests are no tests to clippy"
)]

mod bytes;
mod counts;
mod ends;
mod events;
mod hijack;
mod identity;
mod ours;
mod pressure;
mod rig;
mod statuses;
mod tcp;
