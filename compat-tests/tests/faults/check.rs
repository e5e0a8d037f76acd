//! The invariants of DESIGN 6, as far as a real engine shows them at the end of a case.
//!
//! 1. No two members run at once: every member holds a lock of the volume that they share
//!    (`src/bin/sole.rs`), so the kernel itself says when a second one starts. The [lane](super::lane)
//!    looks for that, and
//! 2. that the name is exactly one container, running, and nothing of ours is left, and
//! 3. that every acknowledged write is there.
//! 4. A failure before stop costs no downtime: the original was started when it was.
//! 5. A rollback brings the same original back: its ID and configuration, address and ports.
//! 6. What the caller was told is true.

use compat_tests::Answer;
use serde_json::Value;

use super::{
    calls::Call,
    fault::Blow,
    lane::{Case, Replacement},
};

/// A case that came to rest.
pub struct Judge<'a> {
    pub case: Case,
    /// What the container is to be upgraded to.
    pub image: &'a str,
    pub calls: &'a [Call],
    /// What inspect printed before.
    pub was: &'a Value,
    /// What it prints now.
    pub is: &'a Value,
}

impl Judge<'_> {
    /// What is wrong.
    pub fn problems(&self, told: Option<&Answer>) -> Vec<String> {
        let stands = if self.is_upgraded() {
            self.upgraded()
        } else if self.is_revived() {
            self.revived()
        } else {
            self.same_original(told)
        };
        let is_true = match told {
            None => self.told_nothing(),
            Some(told) if told.status == 200 => self.told_of_success(told),
            Some(told) => self.told_of_failure(told),
        };
        let has_met = self.case.fault.is_some() || self.is_upgraded() == self.is_good();
        let faultless = expect(has_met, "without a fault, it went otherwise");
        [stands, is_true, faultless].concat()
    }

    fn is_upgraded(&self) -> bool {
        text(self.was, "/Id") != text(self.is, "/Id") && !self.is_revived()
    }

    /// Whether it is the original of `--rm`, which a rollback created again.
    fn is_revived(&self) -> bool {
        let marker = text(self.is, "/Config/Labels/io.refit.upgrade");
        text(self.was, "/Id") != text(self.is, "/Id") && marker.contains(r#""Role":"Revival""#)
    }

    fn is_good(&self) -> bool {
        self.case.replacement == Replacement::Good
    }

    fn upgraded(&self) -> Vec<String> {
        let mut problems = expect(self.is_good(), "a replacement that failed was committed");
        if text(self.is, "/Config/Image") != self.image {
            problems.push(format!("it is not of {}", self.image));
        }
        for pointer in [
            "/Config/Cmd",
            "/Config/Labels/refit-test",
            "/HostConfig/AutoRemove",
            "/HostConfig/RestartPolicy",
            "/HostConfig/PortBindings",
            "/NetworkSettings/Ports",
        ] {
            problems.extend(self.same(pointer));
        }
        problems.extend(self.same_address());
        problems
    }

    /// What a rollback created again is what the original was.
    fn revived(&self) -> Vec<String> {
        let mut problems: Vec<String> = ["/Config/Cmd", "/Config/Env", "/Config/Image", "/Image"]
            .into_iter()
            .chain(["/Config/Labels/refit-test", "/HostConfig", "/Mounts"])
            .chain(["/NetworkSettings/Ports"])
            .flat_map(|pointer| self.same(pointer))
            .collect();
        problems.extend(self.same_address());
        let was_stopped = self.calls.iter().any(|call| call.verb == "stop");
        problems.extend(expect(was_stopped, "it was never stopped, and is gone"));
        problems
    }

    fn same_original(&self, told: Option<&Answer>) -> Vec<String> {
        let mut problems = Vec::new();
        for pointer in [
            "/Created",
            "/Config",
            "/HostConfig",
            "/Mounts",
            "/NetworkSettings/Ports",
        ] {
            problems.extend(self.same(pointer));
        }
        problems.extend(self.same_address());
        let step = told.map(|told| told.text_of("Step")).unwrap_or_default();
        let is_early =
            ["lock", "pull", "plan", "create", "hold", "disarm"].contains(&step.as_str());
        let was_stopped = self.calls.iter().any(|call| call.verb == "stop");
        if (is_early || !was_stopped) && !self.case.met(Blow::ends_engine) {
            problems.extend(self.same("/State/StartedAt"));
        }
        problems
    }

    fn told_nothing(&self) -> Vec<String> {
        expect(
            self.case.met(Blow::ends_refit),
            "the caller was told nothing",
        )
    }

    fn told_of_success(&self, told: &Answer) -> Vec<String> {
        let body = told.json();
        let mut problems = expect(self.is_upgraded(), "told of success, and is the original");
        for (pointer, is) in [
            ("/Id", text(self.is, "/Id")),
            ("/Name", text(self.is, "/Name").trim_start_matches('/')),
            ("/Image", text(self.is, "/Config/Image")),
            ("/ImageId", text(self.is, "/Image")),
            ("/Previous/Id", text(self.was, "/Id")),
            ("/Previous/ImageId", text(self.was, "/Image")),
        ] {
            let said = text(&body, pointer);
            if said != is {
                problems.push(format!("told that {pointer} is {said:?}, and it is {is:?}"));
            }
        }
        for truth in ["Changed", "Running"] {
            problems.extend(expect(body[truth] == true, &format!("told: not {truth}")));
        }
        problems
    }

    fn told_of_failure(&self, told: &Answer) -> Vec<String> {
        let is_original = !self.is_upgraded();
        let mut problems = expect(
            told.status >= 400 && !told.text_of("message").is_empty(),
            "told neither of success nor of a failure",
        );
        problems.extend(match told.text_of("Rollback").as_str() {
            "not needed" if self.case.met(Blow::ends_engine) => {
                expect(is_original, "told that nothing was touched")
            }
            "not needed" => {
                let problem = expect(is_original, "told that nothing was touched");
                [problem, self.same("/State/StartedAt")].concat()
            }
            "restored" => expect(is_original, "told that the original is back"),
            // Either, later on; which one, the rest of the answer does not know yet.
            "incomplete" => Vec::new(),
            other => vec![format!("told of a rollback {other:?}")],
        });
        problems
    }

    /// What is not the same there; of an object, the fields that differ.
    fn same(&self, pointer: &str) -> Vec<String> {
        let part = |document: &Value| document.pointer(pointer).cloned().unwrap_or_default();
        let (was, is) = (part(self.was), part(self.is));
        if was == is {
            return Vec::new();
        }
        let (Some(fields), true) = (was.as_object(), is.is_object()) else {
            return vec![format!("{pointer} was {was}, and is {is}")];
        };
        let missing = is.as_object().into_iter().flatten();
        let missing = missing.filter(|(field, _)| !fields.contains_key(*field));
        let keys = fields.iter().chain(missing).map(|(field, _)| field);
        keys.flat_map(|field| self.same(&format!("{pointer}/{}", field.replace('/', "~1"))))
            .collect()
    }

    fn same_address(&self) -> Vec<String> {
        let networks = self.was["NetworkSettings"]["Networks"].as_object();
        let networks = networks.into_iter().flatten();
        let field = |network: &str, field| {
            self.same(&format!("/NetworkSettings/Networks/{network}/{field}"))
        };
        networks
            .flat_map(|(network, _)| [field(network, "IPAddress"), field(network, "IPAMConfig")])
            .flatten()
            .collect()
    }
}

fn expect(holds: bool, problem: &str) -> Vec<String> {
    if holds {
        return Vec::new();
    }
    vec![problem.to_owned()]
}

/// A text in a document; empty where there is none.
pub fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    let value = document.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_default()
}
