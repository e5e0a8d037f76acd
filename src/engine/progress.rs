//! The progress that the engine tells of while it pulls or imports an image: one JSON object a line.

use std::{pin::pin, time::Duration};

use futures_util::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use hyper::{Response, body::Incoming};
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::{
    codec::{FramedRead, LinesCodec},
    io::StreamReader,
};

use super::{EngineError, Result};

/// The longest line; real ones have a few hundred bytes.
const LINE_LIMIT: usize = 1024 * 1024;

/// Reads the lines to their end, each of which may take as long as `limit`, and hands them to `tell`.
///
/// # Errors
/// [`EngineError::Refused`] for an error that arrives inside the `200` stream.
pub(super) async fn read(
    answer: Response<Incoming>,
    limit: Duration,
    tell: impl Fn(Value),
) -> Result<()> {
    let body = answer.into_body().into_data_stream();
    let mut lines = pin!(FramedRead::new(
        StreamReader::new(body.map_err(std::io::Error::other)),
        LinesCodec::new_with_max_length(LINE_LIMIT),
    ));
    while let Some(line) = timeout(limit, lines.next())
        .await
        .map_err(|_| EngineError::unknown("it made no progress"))?
    {
        let line = line.map_err(EngineError::unknown)?;
        if line.trim().is_empty() {
            continue;
        }
        let line: Value = serde_json::from_str(&line).map_err(EngineError::unknown)?;
        if let Some(message) = line.get("error").and_then(Value::as_str) {
            return Err(EngineError::Refused {
                status: 500,
                message: message.to_owned(),
            });
        }
        tell(line);
    }
    Ok(())
}
