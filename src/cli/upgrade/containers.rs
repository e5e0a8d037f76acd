//! Which containers are meant.

use std::cmp::Ordering;

use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    answer::{Failed, text},
    client::Client,
    settings::{Call, Whose},
};

/// How many digits of an ID are printed.
const SHORT_ID: usize = 12;

/// The containers that are meant, by name, in the order in which they are upgraded; and what is asked
/// for each, which may include the command that was behind them.
pub(super) async fn resolve(
    client: &Client,
    whose: Whose,
    call: Call,
) -> Result<(Vec<String>, Call), Failed> {
    match whose {
        Whose::Names(names) => Ok((each_once(names), call)),
        Whose::Filter(filters) => Ok((matching(client, &filters).await?, call)),
        Whose::Words { container, rest } => {
            let command = match rest.split_first() {
                Some((dashes, command)) if dashes == "--" => command,
                _ if are_containers(client, &rest).await? => {
                    let names = std::iter::once(container).chain(rest).collect();
                    return Ok((each_once(names), call));
                }
                _ => &rest[..],
            };
            Ok((vec![container], call.with_command(command)))
        }
    }
}

/// Without those that were named before.
fn each_once(names: Vec<String>) -> Vec<String> {
    let mut once = Vec::with_capacity(names.len());
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

/// Whether some words, of which there are any, are containers rather than a command.
///
/// # Errors
/// [`Failed`]: some are and some are not. A container that is misspelt would become a command.
async fn are_containers(client: &Client, words: &[String]) -> Result<bool, Failed> {
    let (mut are, mut are_not) = (Vec::new(), Vec::new());
    for word in words {
        let is_it = is_container(client, word).await?;
        if is_it { &mut are } else { &mut are_not }.push(word.as_str());
    }
    match (are.first(), are_not.first()) {
        (Some(container), Some(other)) => Err(Failed::mistaken(format!(
            "{container} is a container and {other} is none: containers are to stand alone, and a \
             command behind --"
        ))),
        (Some(_), None) => Ok(true),
        _ => Ok(false),
    }
}

/// Whether a word is the name of a container, or an ID as it is printed. (A word such as `dd` may be the
/// beginning of some ID.)
async fn is_container(client: &Client, word: &str) -> Result<bool, Failed> {
    let is_name = word.starts_with(|first: char| first.is_ascii_alphanumeric())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if !is_name {
        return Ok(false);
    }
    match client.json(&format!("/containers/{word}/json")).await {
        Ok(container) => {
            let is_id = word.len() >= SHORT_ID && text(&container, "Id").starts_with(word);
            Ok(is_id || text(&container, "Name").trim_start_matches('/') == word)
        }
        Err(failed) if failed.status == 404 => Ok(false),
        Err(failed) => Err(failed),
    }
}

/// The containers that match filters, as `docker ps --filter` shows them, by name.
async fn matching(client: &Client, filters: &[String]) -> Result<Vec<String>, Failed> {
    let mut by_key = serde_json::Map::new();
    for filter in filters {
        let (key, value) = filter.split_once('=').unwrap_or((filter, ""));
        let values = by_key
            .entry(key.trim().to_ascii_lowercase())
            .or_insert_with(|| json!([]));
        if let Value::Array(values) = values {
            values.push(value.trim().into());
        }
    }
    let query: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("filters", &Value::from(by_key).to_string())
        .finish();
    let listed = client.json(&format!("/containers/json?{query}")).await?;
    let listed = listed.as_array().into_iter().flatten();
    let mut names: Vec<_> = listed.filter_map(name).collect();
    names.sort_by(|a, b| in_order(a, b));
    Ok(names)
}

/// The name of a listed container; its links are names, too, and have further slashes.
fn name(listed: &Value) -> Option<String> {
    let names = listed.get("Names")?.as_array()?;
    let mut names = names
        .iter()
        .filter_map(Value::as_str)
        .map(|name| name.trim_start_matches('/'));
    names.find(|name| !name.contains('/')).map(str::to_owned)
}

/// `web-2` comes before `web-10`.
fn in_order(a: &str, b: &str) -> Ordering {
    let split = |name: &str| {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = name[stem.len()..].parse::<u64>().ok();
        (stem.to_owned(), number)
    };
    split(a).cmp(&split(b)).then_with(|| a.cmp(b))
}

/// The names of containers that begin with `begin`, for completions.
pub(super) async fn beginning_with(client: &Client, begin: &str) -> Result<Vec<String>, Failed> {
    let listed = client.json("/containers/json?all=1").await?;
    let names = listed.as_array().into_iter().flatten().filter_map(name);
    Ok(names.filter(|name| name.starts_with(begin)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_numbers() {
        let mut names = ["web-10", "api", "web-2", "web", "web-1"];
        names.sort_by(|a, b| in_order(a, b));
        assert_eq!(names, ["api", "web", "web-1", "web-2", "web-10"]);
    }

    #[test]
    fn a_link_is_no_name() {
        let listed = json!({ "Names": ["/web/db", "/db"] });
        assert_eq!(name(&listed).as_deref(), Some("db"));
        assert_eq!(name(&json!({})), None);
    }
}
