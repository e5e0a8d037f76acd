//! A container with a marker that the engine does not show.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use refit::{plan::MARKER_LABEL, upgrade::Upgrades};
use serde_json::json;
use tokio::time::sleep;
use tracing::Level;

use crate::simulated::Simulated;

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn count(&self, what: &str) -> usize {
        let text = self.0.lock().expect("the log").clone();
        String::from_utf8(text)
            .expect("a text")
            .matches(what)
            .count()
    }
}

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("the log").write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_tried_again_and_again_and_warned_of_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::WARN)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let engine = Arc::new(Simulated::new());
    engine.world().tag("web:1", "sha256:1", &json!({}));
    let labelled = json!({ "Image": "web:1", "Labels": { MARKER_LABEL: "no marker" } });
    let id = engine.make("web", &labelled);
    let looks = || {
        let world = engine.world();
        let looks = world.calls.iter().filter(|call| call.what == "inspect");
        looks.count()
    };
    engine.world().broken = Some(id.clone());
    Upgrades::new(engine.clone()).recover().await;
    sleep(Duration::from_secs(5 * 60)).await;
    assert!(looks() > 20, "{} looks", looks());
    assert_eq!(log.count("cannot be inspected"), 1);

    // When it is shown, nothing is left to try.
    engine.world().broken = None;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(log.count("marker cannot be read"), 1);
    let before = looks();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(looks(), before);

    // What breaks anew is told anew.
    engine.world().broken = Some(id);
    Upgrades::new(engine.clone()).recover().await;
    assert_eq!(log.count("cannot be inspected"), 2);
}
