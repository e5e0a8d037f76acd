//! What the relay is compared with while it is fuzzed.
//!
//! The relay reads heads with httparse, and so does hyper: what httparse gets wrong, both do. What
//! counts is how dockerd reads, which is Go's net/http and gorilla/mux: [`go`] and [`moby`] say it anew,
//! without a line of the relay's. hyper's server ([`served`]) is the second opinion.
//!
//! | target | compared |
//! |---|---|
//! | `heads` | one head: length, method, target, framing; when the relay gives up |
//! | `framing` | one body: where it ends, and its data |
//! | `routing` | the requests of one connection: which go, which are ours, which are refused meanwhile |

#![forbid(unsafe_code)]

pub mod go;
pub mod moby;
pub mod reads;
pub mod served;
pub mod stream;
