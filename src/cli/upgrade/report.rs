//! What people read in the end: answers, dry runs, history, and the table of several containers.

use std::{io::Write as _, time::Duration};

use console::{Style, style};
use serde_json::{Value, json};
use tabwriter::TabWriter;

use super::{
    answer::{Ended, Failed, is_changed, short, text},
    rolling::Share,
    screen::{Screen, bad, paint, seconds, warning},
    settings::Output,
};

/// The groups of a dry run, in their order, and the paths that each has.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Image", &["Image", "ImageId"]),
    ("Config", &[""]),
    (
        "Mounts",
        &[
            "HostConfig.Binds",
            "HostConfig.Mounts",
            "HostConfig.Tmpfs",
            "HostConfig.VolumesFrom",
            "Volumes",
        ],
    ),
    (
        "Networks",
        &[
            "NetworkingConfig",
            "HostConfig.NetworkMode",
            "HostConfig.Links",
            "HostConfig.Dns",
            "HostConfig.ExtraHosts",
        ],
    ),
    (
        "Ports",
        &[
            "HostConfig.PortBindings",
            "HostConfig.PublishAllPorts",
            "ExposedPorts",
        ],
    ),
];

/// Tells how the upgrade of one container ended.
pub(super) fn tell(screen: &Screen, output: Output, is_own: bool, name: &str, ended: &Ended) {
    match (ended, output) {
        (Ok(answer), Output::Json) => screen.answer(&answer.to_string()),
        (Err(failed), Output::Json) => screen.answer(&failure_line(name, failed)),
        (Ok(answer), Output::Quiet) => {
            if let Some(id) = answer.get("Id").and_then(Value::as_str) {
                screen.answer(id);
            }
        }
        (Ok(answer), Output::Text) => {
            for line in answer_lines(name, answer) {
                screen.answer(&line);
            }
        }
        (Err(failed), _) => complain(screen, is_own, failed),
    }
    if let (Ok(answer), Output::Text | Output::Quiet) = (ended, output) {
        for told in list(answer, "Warnings") {
            screen.complain(&warning(name, told.as_str().unwrap_or_default()));
        }
    }
}

/// What failed, what state things are in, and what to do next.
pub(super) fn complain(screen: &Screen, is_own: bool, failed: &Failed) {
    screen.complain(&format!(
        "{} {}",
        paint("docker upgrade:", bad()),
        failed.message
    ));
    if let Some(advice) = failed.advice(is_own) {
        screen.complain(advice);
    }
}

fn failure_line(name: &str, failed: &Failed) -> String {
    json!({
        "Name": name,
        "message": failed.message,
        "Step": failed.step,
        "Rollback": failed.rollback,
    })
    .to_string()
}

fn answer_lines(name: &str, answer: &Value) -> Vec<String> {
    if answer.get("Plan").is_some() {
        return dry_run(name, answer);
    }
    if answer.get("Helper").is_some() {
        return vec![text(answer, "message").to_owned()];
    }
    let image = text(answer, "Image");
    if !is_changed(answer) {
        return vec![format!("{name} is up to date: {image}")];
    }
    let before = answer
        .get("Previous")
        .map_or("", |previous| text(previous, "Image"));
    let images = if before == image {
        format!("{image} ({})", short(text(answer, "ImageId")))
    } else {
        format!("{before} -> {image}")
    };
    let down = downtime(answer).map_or_else(
        || "it does not run, as before".to_owned(),
        |downtime| format!("down for {downtime}"),
    );
    let companions: Vec<_> = list(answer, "Companions")
        .map(|it| text(it, "Name"))
        .collect();
    let with = match &companions[..] {
        [] => String::new(),
        companions => format!(", with {}", companions.join(", ")),
    };
    vec![format!("{name} upgraded: {images}, {down}{with}")]
}

/// What an upgrade would change, by groups, each with its reason.
fn dry_run(name: &str, answer: &Value) -> Vec<String> {
    let plan = &answer["Plan"];
    if !is_changed(answer) {
        return vec![format!(
            "{name} is up to date: an upgrade would change nothing"
        )];
    }
    let mut lines = vec![format!("{name} would be upgraded; nothing was touched")];
    for (group, _) in GROUPS {
        let changes: Vec<_> = list(plan, "Diff")
            .filter(|change| group_of(text(change, "Path")) == group)
            .collect();
        if !changes.is_empty() {
            lines.push(format!("\n{}", style(group).bold()));
            lines.extend(changes.into_iter().map(change_line));
        }
    }
    let steps: Vec<_> = list(plan, "Steps").filter_map(Value::as_str).collect();
    lines.push(format!("\nSteps: {}", steps.join(" -> ")));
    let companions: Vec<_> = list(plan, "Companions").filter_map(Value::as_str).collect();
    if !companions.is_empty() {
        lines.push(format!("With it: {}", companions.join(", ")));
    }
    lines
}

/// The group of a path: the one with the longest beginning of it.
fn group_of(path: &str) -> &'static str {
    let is_of = |begin: &str| {
        path.strip_prefix(begin)
            .is_some_and(|rest| begin.is_empty() || rest.is_empty() || rest.starts_with('.'))
    };
    let longest = |begins: &[&str]| {
        begins
            .iter()
            .filter(|begin| is_of(begin))
            .map(|b| b.len() + 1)
            .max()
    };
    GROUPS
        .iter()
        .max_by_key(|(_, begins)| longest(begins))
        .map_or("Config", |(group, _)| group)
}

fn change_line(change: &Value) -> String {
    let path = text(change, "Path");
    let [from, to] = ["From", "To"].map(|side| match path {
        "ImageId" => Some(short(text(change, side)).to_owned()).filter(|id| !id.is_empty()),
        _ => value(&change[side]),
    });
    let (mark, values, colour) = match (from, to) {
        (None, Some(to)) => ('+', to, Style::new().green()),
        (Some(from), None) => ('-', from, Style::new().red()),
        (from, to) => (
            '~',
            format!("{} -> {}", from.unwrap_or_default(), to.unwrap_or_default()),
            Style::new().yellow(),
        ),
    };
    let line = format!("  {mark} {path}  {values}");
    let because = style(format!("({})", text(change, "Because"))).dim();
    format!("{}  {because}", colour.apply_to(line))
}

/// As people write it; `None` for nothing.
fn value(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// How the last upgrade of a container stands, and which containers there were, the latest first. `told`
/// is what the endpoint tells of it, `container` what inspect prints.
pub(super) fn history(name: &str, told: &Value, container: &Value) -> String {
    let current = json!({
        "Id": container.get("Id"),
        "Image": container.pointer("/Config/Image"),
        "ImageId": container.get("Image"),
    });
    let current = if told.get("Id").is_some() {
        told
    } else {
        &current
    };
    let row = |number: String, generation: &Value| {
        let replaced = text(generation, "ReplacedAt");
        vec![
            number,
            short(text(generation, "Id")).to_owned(),
            text(generation, "Image").to_owned(),
            short(text(generation, "ImageId")).to_owned(),
            if replaced.is_empty() { "-" } else { replaced }.to_owned(),
        ]
    };
    let earlier = list(told, "Generations").enumerate();
    let rows = std::iter::once(row("current".to_owned(), current))
        .chain(earlier.map(|(n, generation)| row((n + 1).to_string(), generation)));
    let head = [
        "GENERATION",
        "CONTAINER ID",
        "IMAGE",
        "IMAGE ID",
        "REPLACED",
    ];
    format!("{name}: {}\n{}", state(told), table(&head, rows.collect()))
}

/// How the last upgrade stands, in a line.
fn state(told: &Value) -> String {
    let (state, step) = (text(told, "State"), text(told, "Step"));
    match (state, text(told, "Rollback")) {
        ("failed", rollback) => format!(
            "the last upgrade failed at {step} (rollback: {rollback}): {}",
            text(told, "message")
        ),
        ("running" | "rolling back" | "recovering", _) => format!("{state}, at {step}"),
        ("unfinished", _) => {
            "an upgrade is unfinished: another process works on it, or left it behind".to_owned()
        }
        _ => state.to_owned(),
    }
}

/// What became of each of several containers.
pub(super) fn summary(shares: &[Share]) -> String {
    let rows = shares.iter().map(|share| {
        let (result, answer) = match share {
            Share {
                left: Some(why), ..
            } => ((*why).to_owned(), None),
            Share {
                ended: Some(Err(failed)),
                ..
            } => {
                let rollback = failed.rollback.as_deref();
                let result = match rollback {
                    Some("restored") => "rolled back".to_owned(),
                    Some("incomplete") => "rollback incomplete".to_owned(),
                    _ => "not upgraded".to_owned(),
                };
                (result, None)
            }
            Share {
                taken_back: true,
                ended: Some(Ok(answer)),
                ..
            } => ("upgraded, taken back".to_owned(), Some(answer)),
            Share {
                ended: Some(Ok(answer)),
                ..
            } if answer.get("Plan").is_some() => {
                let would = if is_changed(answer) {
                    "would be upgraded"
                } else {
                    "up to date"
                };
                (would.to_owned(), None)
            }
            Share {
                ended: Some(Ok(answer)),
                ..
            } if answer.get("Helper").is_some() => ("a helper goes on".to_owned(), None),
            Share {
                ended: Some(Ok(answer)),
                ..
            } if is_changed(answer) => ("upgraded".to_owned(), Some(answer)),
            Share {
                ended: Some(Ok(answer)),
                ..
            } => ("up to date".to_owned(), Some(answer)),
            Share { .. } => ("-".to_owned(), None),
        };
        let image = answer.map_or("-", |answer| text(answer, "Image"));
        let down = answer.filter(|answer| is_changed(answer));
        let down = down.and_then(downtime).unwrap_or_else(|| "-".to_owned());
        vec![share.name.clone(), result, image.to_owned(), down]
    });
    table(&["NAME", "RESULT", "IMAGE", "DOWNTIME"], rows.collect())
}

/// How long an upgraded container was down, if it runs.
fn downtime(answer: &Value) -> Option<String> {
    let running = answer.get("Running").and_then(Value::as_bool);
    if running == Some(false) {
        return None;
    }
    let nanoseconds = answer
        .get("Downtime")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    Some(seconds(Duration::from_nanos(nanoseconds)))
}

fn list<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    answer
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Columns, as the docker CLI sets them.
fn table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let head = head.iter().map(|cell| (*cell).to_owned()).collect();
    let lines: Vec<_> = std::iter::once(head)
        .chain(rows)
        .map(|row: Vec<String>| row.join("\t"))
        .collect();
    let mut writer = TabWriter::new(Vec::new()).minwidth(8).padding(3);
    let written = writer
        .write_all(lines.join("\n").as_bytes())
        .and_then(|()| writer.flush());
    let set = written.ok().and_then(|()| writer.into_inner().ok());
    let set = set.and_then(|bytes| String::from_utf8(bytes).ok());
    set.unwrap_or_else(|| lines.join("\n"))
}

#[cfg(test)]
mod tests;
