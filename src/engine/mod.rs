//! The only code that talks to dockerd.

mod address;
mod stream;

pub use address::{Address, AddressError};
pub use stream::Stream;
