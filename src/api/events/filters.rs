//! The `filters` of a `GET /events`, as dockerd reads and matches them (moby's `filters/parse.go` and
//! `daemon/events/filter.go`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::attributes;
use crate::upgrade::Event;

/// The type of our events.
pub(super) const TYPE: &str = "container";

/// Their scope.
pub(super) const SCOPE: &str = "local";

/// The filters that name what an event is about. Each looks at events of every type.
const ACTORS: [&str; 9] = [
    "daemon", TYPE, "plugin", "volume", "network", "node", "service", "secret", "config",
];

/// Whoever filters for one of these means all that begin with it.
const BEGINNINGS: [&str; 3] = ["health_status", "exec_create", "exec_start"];

/// The values that are asked for, by filter. They are switched on mostly; where one is off, only
/// beginnings match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filters(BTreeMap<String, BTreeMap<String, bool>>);

/// What both encodings have in common: a missing map, list or value is an empty one.
type Encoded<Values> = Option<BTreeMap<String, Option<Values>>>;

impl Filters {
    /// Reads maps, or the lists of old clients. `None`: dockerd refuses it.
    pub fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let of_maps = read(text, |map: BTreeMap<String, Option<bool>>| {
            let is_on = |(value, on): (String, Option<bool>)| (value, on.unwrap_or_default());
            map.into_iter().map(is_on).collect()
        });
        of_maps.or_else(|| {
            read(text, |list: Vec<Option<String>>| {
                let value = |value: Option<String>| (value.unwrap_or_default(), true);
                list.into_iter().map(value).collect()
            })
        })
    }

    /// Whether an event is asked for.
    pub fn include(&self, event: &Event) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let attributes = attributes(event);
        let (id, name, image) = (&event.id, &event.name, &event.image);
        // Whoever watches the original is told that it is another container now.
        let was = |filter: &&str| *filter == TYPE && self.begins(filter, &event.old_id);
        let is_actor =
            |filter: &&str| self.begins(filter, id) || self.begins(filter, name) || was(filter);
        self.is_action(&event.action.to_string())
            && self.is("type", TYPE)
            && self.is("scope", SCOPE)
            && ACTORS.iter().all(is_actor)
            && [id, image, familiar(id).as_str(), familiar(image).as_str()]
                .iter()
                .any(|image| self.is("image", image))
            && self.labels(&attributes)
    }

    /// The values of a filter; `None` where it lets everything pass.
    fn values(&self, filter: &str) -> Option<&BTreeMap<String, bool>> {
        self.0.get(filter).filter(|values| !values.is_empty())
    }

    /// Whether one of the values is this one.
    fn is(&self, filter: &str, what: &str) -> bool {
        let is_on = |values: &BTreeMap<_, _>| values.get(what).copied().unwrap_or_default();
        self.values(filter).is_none_or(is_on)
    }

    /// Whether one of the values is this one, or its beginning.
    fn begins(&self, filter: &str, what: &str) -> bool {
        let is_beginning =
            |values: &BTreeMap<String, _>| values.keys().any(|value| what.starts_with(value));
        self.is(filter, what) || self.values(filter).is_some_and(is_beginning)
    }

    fn is_action(&self, action: &str) -> bool {
        let values = self.values("event");
        let has = |beginning: &&str| values.is_some_and(|values| values.contains_key(*beginning));
        if BEGINNINGS.iter().any(has) {
            return self.begins("event", action);
        }
        self.is("event", action)
    }

    /// Whether all the labels are there, where one has a value with that one. Every attribute counts
    /// as a label.
    fn labels(&self, attributes: &BTreeMap<&str, &str>) -> bool {
        let mut labels = self.values("label").into_iter().flatten();
        labels.all(|(label, _)| match label.split_once('=') {
            Some((key, value)) => attributes.get(key) == Some(&value),
            None => attributes.contains_key(label.as_str()),
        })
    }
}

/// Reads one encoding.
fn read<'t, Values: Deserialize<'t>>(
    text: &'t str,
    values: impl Fn(Values) -> BTreeMap<String, bool>,
) -> Option<Filters> {
    let encoded: Encoded<Values> = serde_json::from_str(text).ok()?;
    let filters = encoded.unwrap_or_default().into_iter();
    Some(Filters(
        filters
            .map(|(filter, given)| (filter, given.map(&values).unwrap_or_default()))
            .collect(),
    ))
}

/// The name of an image as people say it, without tag and digest (`FamiliarName` of the distribution
/// project's `reference`). What an engine takes for a reference is expected.
fn familiar(image: &str) -> String {
    let name = image.split('@').next().unwrap_or_default();
    // A colon before a slash is that of a registry's port.
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    let hub = ["docker.io/", "index.docker.io/"];
    let of_hub = hub.iter().find_map(|hub| name.strip_prefix(hub));
    let name = of_hub.unwrap_or(name);
    let official = name.strip_prefix("library/");
    let official = official.filter(|name| !name.contains('/'));
    official.unwrap_or(name).to_owned()
}
