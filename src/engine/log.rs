//! The end of a container's log.

use bollard::{
    Docker, container::LogOutput, errors::Error as BollardError,
    query_parameters::LogsOptionsBuilder,
};
use bytes::Bytes;
use futures_util::TryStreamExt;

/// A part of the log: which output it is of, and what was written. The engine cuts long lines into
/// several, and what is read along may be several lines at once.
pub(super) type Part = (u8, Bytes);

/// The last `lines` lines, standard output and error as they came. Of a line that is longer than the
/// engine keeps in one piece (16 KiB), only the last pieces may be among them.
pub(super) async fn tail(
    client: &Docker,
    container: &str,
    lines: usize,
) -> Result<Vec<String>, BollardError> {
    let options = LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .tail(&lines.to_string())
        .build();
    let parts = client.logs(container, Some(options)).map_ok(part);
    Ok(whole_lines(parts.try_collect::<Vec<_>>().await?))
}

/// What the engine sent, as a part.
pub(super) fn part(output: LogOutput) -> Part {
    let kind = match output {
        LogOutput::StdIn { .. } => 0,
        LogOutput::StdOut { .. } => 1,
        LogOutput::StdErr { .. } => 2,
        LogOutput::Console { .. } => 3,
    };
    (kind, output.into_bytes())
}

/// Puts the parts of each line together again. Those of the two outputs do not mix.
pub(super) fn whole_lines(parts: impl IntoIterator<Item = Part>) -> Vec<String> {
    let mut lines: Vec<(u8, Vec<u8>)> = Vec::new();
    for (kind, bytes) in parts {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match lines.last_mut() {
                Some((last, line)) if *last == kind && !line.ends_with(b"\n") => line.extend(piece),
                _ => lines.push((kind, piece.to_vec())),
            }
        }
    }
    let text = |(_, line): (u8, Vec<u8>)| String::from_utf8_lossy(&line).trim_end().to_owned();
    lines.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_line_are_one_and_the_outputs_do_not_mix() {
        let parts = [
            (1, &b"begun\nand\n"[..]),
            (1, b"long \xc3"),
            (1, b"\xa4 line\r\n"),
            (1, b"no end"),
            (2, b"an error\n"),
            (2, b"\xff"),
        ];
        let parts = parts.map(|(kind, text)| (kind, Bytes::from_static(text)));
        let lines = whole_lines(parts);
        assert_eq!(
            lines,
            [
                "begun",
                "and",
                "long ä line",
                "no end",
                "an error",
                "\u{fffd}"
            ]
        );
    }
}
