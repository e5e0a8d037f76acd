//! What a container prints while it runs, kept for when the engine has deleted it with its log.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use bollard::{
    Docker, errors::Error as BollardError, query_parameters::AttachContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::log::{self, Part};

/// How many bytes of it are kept at least, if so many were printed.
const KEPT: usize = 64 << 10;

/// The end of what a container has printed since it was attached to. What it prints is read as long as
/// this is kept.
#[derive(Debug, Clone, Default)]
pub struct Output {
    printed: Arc<Printed>,
    _reader: Option<Arc<AbortOnDropHandle<()>>>,
}

#[derive(Debug, Default)]
struct Printed {
    parts: Mutex<VecDeque<Part>>,
    ended: CancellationToken,
}

impl Output {
    /// Attaches to a container, which may not be started yet.
    pub(super) async fn attach(client: &Docker, container: &str) -> Result<Self, BollardError> {
        let options = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdout(true)
            .stderr(true)
            .build();
        let attached = client.attach_container(container, Some(options)).await?;
        let printed = Arc::<Printed>::default();
        let read = Arc::clone(&printed);
        let reader = tokio::spawn(async move {
            // The engine may take the end of what is written to it for the end of the container's.
            let _input = attached.input;
            let mut parts = attached.output.map_ok(log::part);
            while let Some(Ok(part)) = parts.next().await {
                read.push(part);
            }
            read.ended.cancel();
        });
        Ok(Self {
            printed,
            _reader: Some(Arc::new(AbortOnDropHandle::new(reader))),
        })
    }

    /// One more line was printed.
    pub fn push(&self, line: &str) {
        self.printed.push((1, Bytes::from(format!("{line}\n"))));
    }

    /// Nothing more will be printed.
    pub fn end(&self) {
        self.printed.ended.cancel();
    }

    /// Completes when nothing more will be printed.
    pub async fn ended(&self) {
        self.printed.ended.cancelled().await;
    }

    /// The last `lines` lines, standard output and error as they came.
    #[must_use]
    pub fn tail(&self, lines: usize) -> Vec<String> {
        let parts = self.printed.parts.lock();
        let parts = parts.unwrap_or_else(PoisonError::into_inner);
        let mut all = log::whole_lines(parts.iter().cloned());
        all.split_off(all.len().saturating_sub(lines))
    }
}

impl Printed {
    fn push(&self, part: Part) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push_back(part);
        let mut size: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
        while let Some((_, first)) = parts.front()
            && size - first.len() >= KEPT
        {
            size -= first.len();
            parts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_however_many_come() {
        let output = Output::default();
        assert_eq!(output.tail(10), [""; 0]);
        output.push("one");
        output.push("two");
        assert_eq!(output.tail(1), ["two"]);
        let long = "x".repeat(1000);
        (0..10_000).for_each(|_| output.push(&long));
        let kept: usize = output
            .tail(usize::MAX)
            .iter()
            .map(|line| line.len() + 1)
            .sum();
        assert!((KEPT..KEPT + 2000).contains(&kept), "{kept}");
    }
}
