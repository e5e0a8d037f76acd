//! `refit serve` as a process: its arguments, its sockets, its signals, its service manager, and who
//! watches it.

mod admin;
mod arguments;
mod engine;
mod logs;
mod rig;
mod shutdown;
mod sockets;
mod systemd;
