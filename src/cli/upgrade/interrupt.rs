//! Ctrl-C, and everything else by which somebody wants the command to end.
//!
//! Upgrades that a Refit has go on in it. Those that this process has are taken back, since it can't
//! leave them.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{one::Upgrader, plugin};

/// The exit code of a command that was interrupted.
pub(super) const INTERRUPTED: u8 = 130;

/// Waits for an interrupt; then no further upgrade is begun. A second one ends at once.
pub(super) async fn heed(upgrader: Upgrader) {
    let Ok(mut signals) = Signals::new() else {
        return;
    };
    tokio::select! {
        () = signals.next() => {}
        () = plugin::cli_is_gone() => {}
    }
    upgrader.stop().cancel();
    let screen = upgrader.screen();
    if !upgrader.client().is_own() {
        screen.complain(
            "docker upgrade: interrupted; Refit goes on with the upgrade, and \"docker upgrade \
             --history\" tells how it ended",
        );
        process::exit(INTERRUPTED.into());
    }
    screen.complain("docker upgrade: interrupted; what was begun is taken back");
    tokio::select! {
        () = signals.next() => {
            screen.complain(
                "docker upgrade: ended at once; \"docker upgrade --recover\" brings to its end what \
                 was begun",
            );
            process::exit(INTERRUPTED.into());
        }
        () = upgrader.cancel_all() => {}
    }
}

/// The signals that end a process in good order: the terminal's, and its end.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
