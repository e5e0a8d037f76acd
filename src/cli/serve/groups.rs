//! Groups by name. The binary is static: it reads the file itself, no name service is asked.

use std::{fs, path::Path};

use crate::server::Group;

/// The group that Docker's own socket belongs to.
const DOCKER: &str = "docker";

/// The group that is meant by `text`, a number or a name in `file`.
pub(super) fn named(text: &str, file: &Path) -> Result<Group, String> {
    if let Ok(number) = text.parse() {
        return Ok(Group::Required(number));
    }
    let groups = fs::read_to_string(file).map_err(|error| {
        format!(
            "group \"{text}\" can't be looked up in {}: {error}; a number works without it",
            file.display()
        )
    })?;
    find(&groups, text)
        .map(Group::Required)
        .ok_or_else(|| format!("there is no group \"{text}\" in {}", file.display()))
}

/// The group where none is asked for: Docker's, where `file` has it.
pub(super) fn default(file: &Path) -> Group {
    fs::read_to_string(file)
        .ok()
        .and_then(|groups| find(&groups, DOCKER))
        .map_or(Group::Own, Group::Preferred)
}

/// The number of `name` in a text of the shape of `group(5)`.
fn find(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name);
        let number = fields.nth(1)?;
        found.then(|| number.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = "root:x:0:\nnonsense\nbroken:x:abc:\ndocker:x:998:ann,bob\ndock:x:7:\n";

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        for (name, number) in [("root", Some(0)), ("docker", Some(998)), ("dock", Some(7))] {
            assert_eq!(find(GROUPS, name), number, "{name}");
        }
        for name in ["doc", "", "nonsense", "broken", "998"] {
            assert_eq!(find(GROUPS, name), None, "{name}");
        }
    }

    #[test]
    fn a_number_needs_no_file() {
        let nowhere = Path::new("/nonexistent/group");
        assert_eq!(named("998", nowhere), Ok(Group::Required(998)));
        assert_eq!(default(nowhere), Group::Own);
        let message = named("ops", nowhere).expect_err("no file");
        assert!(
            message.contains("\"ops\"") && message.contains("a number works"),
            "{message}"
        );
    }
}
