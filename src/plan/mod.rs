//! Pure: what the replacement is; no await, no I/O, no clock.
