//! Refit's calls of the engine, and where each stands in the story of an upgrade.

/// Where a call stands among the calls of an upgrade. Looks come in rows whose length may vary from
/// run to run, what changes something does not: so the looks of each row are counted anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// How many calls came before that change something.
    pub changes: usize,
    /// How many looks came since the last of them; `None` for a call that changes something itself.
    pub look: Option<usize>,
}

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Where it stands.
    pub place: Place,
    /// What it does: the API's own word, or `look`.
    pub verb: &'static str,
    /// The method and the path.
    pub text: String,
}

impl Call {
    /// The call with this method and path, after `calls`.
    pub fn after(calls: &[Self], method: &str, path: &str) -> Self {
        let verb = verb(method, path);
        let looks = calls.iter().rev().take_while(|call| call.is_look()).count();
        Self {
            place: Place {
                changes: calls.iter().filter(|call| !call.is_look()).count(),
                look: (verb == LOOK).then_some(looks),
            },
            verb,
            text: format!("{method} {path}"),
        }
    }

    /// Whether it changes nothing.
    pub fn is_look(&self) -> bool {
        self.verb == LOOK
    }
}

const LOOK: &str = "look";

/// What changes something, by the end of its path.
const CHANGES: [(&str, &str); 6] = [
    ("/images/create", "pull"),
    ("/containers/create", "create"),
    ("/update", "update"),
    ("/stop", "stop"),
    ("/rename", "rename"),
    ("/start", "start"),
];

fn verb(method: &str, path: &str) -> &'static str {
    let path = path.split('?').next().unwrap_or(path);
    let is_wait = path.ends_with("/attach") || path.ends_with("/wait");
    match method {
        "POST" if is_wait => LOOK,
        "POST" => {
            let change = CHANGES.iter().find(|(end, _)| path.ends_with(end));
            change.map_or("something else", |(_, verb)| verb)
        }
        "DELETE" => "remove",
        _ => LOOK,
    }
}

/// The calls of an upgrade that change something, each with what the call does and what the step or
/// repair is called.
pub type Story = &'static [(&'static str, &'static str)];

/// The upgrade that succeeds.
pub const UPGRADED: Story = &[
    ("pull", "pull"),
    ("create", "create"),
    ("update", "disarm"),
    ("stop", "stop"),
    ("rename", "park"),
    ("rename", "rename"),
    ("start", "start"),
    ("remove", "commit"),
];

/// The upgrade whose replacement fails verification.
pub const ROLLED_BACK: Story = &[
    ("pull", "pull"),
    ("create", "create"),
    ("update", "disarm"),
    ("stop", "stop"),
    ("rename", "park"),
    ("rename", "rename"),
    ("start", "start"),
    ("update", "disarm replacement"),
    ("stop", "stop replacement"),
    ("rename", "unname replacement"),
    ("rename", "unpark"),
    ("update", "rearm"),
    ("start", "start original"),
    ("remove", "remove replacement"),
];

/// The upgrade of what was started with `--rm`.
pub const UPGRADED_OF_RM: Story = &[
    ("pull", "pull"),
    ("create", "create stand-in"),
    ("create", "create"),
    ("stop", "stop"),
    ("rename", "rename"),
    ("start", "start"),
    ("remove", "commit"),
];

/// The same, whose replacement fails verification.
pub const ROLLED_BACK_OF_RM: Story = &[
    ("pull", "pull"),
    ("create", "create stand-in"),
    ("create", "create"),
    ("stop", "stop"),
    ("rename", "rename"),
    ("start", "start"),
    ("stop", "stop replacement"),
    ("create", "revive"),
    ("start", "start original"),
    ("remove", "remove stand-in"),
];

/// How many calls change something until the replacement is started.
pub const STARTED: usize = 7;

impl Place {
    /// The number of its row in the table of a story: a row of looks, then one for each call that
    /// changes something, followed by the looks after it.
    pub fn row(self) -> usize {
        2 * self.changes + usize::from(self.look.is_none())
    }

    /// What the row is called.
    pub fn name(self, story: Story) -> String {
        match (self.look, self.changes.checked_sub(1)) {
            (None, _) => story[self.changes].1.to_owned(),
            (Some(_), None) => "looks, recovery included".to_owned(),
            (Some(_), Some(last)) => format!("looks after {}", story[last].1),
        }
    }
}
