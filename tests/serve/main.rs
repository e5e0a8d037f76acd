//! `refit serve` as a process: its arguments, its sockets, its signals, its service manager.

mod arguments;
mod logs;
mod rig;
mod shutdown;
mod sockets;
mod systemd;
