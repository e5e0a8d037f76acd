//! The names that the steps give.

use super::Marker;

/// The suffix of the replacement's name until it is given the original's.
const NEW: &str = ".refit-new";

/// The suffix of the parked original's name.
const OLD: &str = ".refit-old";

/// What comes between the original's name and the number in a placeholder's name.
const HOLD: &str = ".refit-hold-";

/// The suffix of a helper's name.
const HELPER: &str = ".refit-helper";

impl Marker {
    /// The name of the replacement until it is given the original's. The engine refuses a second
    /// container of this name: it is the lock between processes.
    #[must_use]
    pub fn new_name(&self) -> String {
        let [new, _] = names(&self.original.name);
        new
    }

    /// The name of the parked original.
    #[must_use]
    pub fn old_name(&self) -> String {
        let [_, old] = names(&self.original.name);
        old
    }

    /// The name of a placeholder.
    #[must_use]
    pub fn hold_name(&self, number: usize) -> String {
        format!("{}{HOLD}{number}", self.original.name)
    }

    /// Whether a name is that of one of its placeholders.
    #[must_use]
    pub fn is_hold_name(&self, name: &str) -> bool {
        let number = name.strip_prefix(&self.original.name);
        number.is_some_and(|number| number.starts_with(HOLD))
    }
}

/// The names of the replacement and of the original of an upgrade of the container `name`, while
/// they do not bear it.
#[must_use]
pub fn names(name: &str) -> [String; 2] {
    [format!("{name}{NEW}"), format!("{name}{OLD}")]
}

/// The name of the helper of upgrades of the container `name`. The engine refuses a second one.
#[must_use]
pub fn helper_name(name: &str) -> String {
    format!("{name}{HELPER}")
}

/// The name that a container is to have in the end which has this name now.
#[must_use]
pub fn final_name(name: &str) -> &str {
    let mut suffixes = [OLD, NEW, HELPER].into_iter();
    let stripped = suffixes.find_map(|suffix| name.strip_suffix(suffix));
    stripped.unwrap_or(name)
}

/// Whether a name is one that only a transaction gives.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    name.ends_with(NEW) || is_parked(name) || name.contains(HOLD) || name.ends_with(HELPER)
}

/// Whether a name is that of a parked original.
#[must_use]
pub fn is_parked(name: &str) -> bool {
    name.ends_with(OLD)
}
