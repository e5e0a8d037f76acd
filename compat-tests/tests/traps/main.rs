//! What broke other proxies of Docker's socket: the same bytes, once to the engine's own socket
//! and once through Refit, are answered by the same bytes, and the connection ends the same way.

mod closings;
mod heads;
mod hijacks;
mod large;
mod lasting;
mod life;
mod requests;
mod restarts;
mod routers;
mod scale;
mod wire;
