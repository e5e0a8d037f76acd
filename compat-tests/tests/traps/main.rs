//! What broke other proxies of Docker's socket: the same bytes, once to the engine's own socket
//! and once through Refit, are answered by the same bytes, and the connection ends the same way.

mod heads;
mod hijacks;
mod large;
mod lasting;
mod requests;
mod wire;
