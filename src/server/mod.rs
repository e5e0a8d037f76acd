//! Sockets in: listeners, accept, drain.
