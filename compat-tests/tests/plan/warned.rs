//! What a user is warned of, on containers that earn it.

use compat_tests::Scenario;
use serde_json::json;

/// The warnings of an upgrade from one image of these lines of a Dockerfile to another.
struct Pair {
    scenario: Scenario,
    old: String,
    new: String,
}

impl Pair {
    fn new(name: &str, old: &str, new: &str) -> Self {
        let scenario = Scenario::new(name);
        let [old, new] = [("old", old), ("new", new)].map(|(what, lines)| {
            scenario.build(what, &["serve"], &format!("{lines}\nCMD [\"serve\"]"))
        });
        Self { scenario, old, new }
    }

    /// Runs a container of the old image with these options, upgrades it, and returns the warnings,
    /// which the dry run gives, too.
    fn warnings(&self, options: &[&str]) -> Vec<String> {
        let name = self.scenario.named("box");
        let run = [&["--name", &name], options, &[self.old.as_str()]].concat();
        self.scenario.run(&run);
        let path = format!("/containers/{name}/upgrade?pull=never&t=2");
        let body = json!({ "Image": self.new, "UpgradeConfig": { "Monitor": 200_000_000 } });
        let [dry, done] = ["&dryRun=1", ""].map(|query| {
            let answer = self
                .scenario
                .post(&format!("{path}{query}"), &body.to_string());
            assert_eq!(answer.status, 200, "{}", answer.text);
            let mut warnings = answer.warnings();
            warnings.retain(|warning| !warning.starts_with("the address on network "));
            warnings
        });
        assert_eq!(dry, done);
        self.scenario.docker(&["rm", "-fv", &name]);
        done
    }
}

/// Whether one of the warnings says this.
fn says(warnings: &[String], text: &str) -> bool {
    warnings.iter().any(|warning| warning.contains(text))
}

#[test]
fn what_may_surprise_is_told() {
    let pair = Pair::new(
        "warned",
        "ENV LEVEL=info\nEXPOSE 80\nVOLUME /old\nUSER 0",
        "ENV LEVEL=debug\nEXPOSE 80 81\nVOLUME /new\nUSER 65534",
    );
    let plain = pair.warnings(&[]);
    // Beside the volumes and their owner, nothing of these.
    assert!(says(&plain, "a VOLUME at /new: a new volume"), "{plain:?}");
    assert!(
        says(&plain, "no VOLUME at /old: what is mounted"),
        "{plain:?}"
    );
    assert!(says(&plain, "the user was root, and is 65534"), "{plain:?}");
    for text in ["LEVEL", "compose", "port", "inside the volume"] {
        assert!(!says(&plain, text), "{text}: {plain:?}");
    }
    // The client's order of -e is not the engine's: given by itself, it stands before the image's.
    let level = pair.warnings(&["-e", "LEVEL=info"]);
    assert!(says(&level, "Env.LEVEL"), "{level:?}");
    let ports = pair.warnings(&["-P"]);
    assert!(says(&ports, "exposes port 81/tcp"), "{ports:?}");
    let inside = pair.warnings(&["-v", "/old", "-v", "/etc:/old/etc:ro"]);
    assert!(
        says(&inside, "/etc of the host is mounted at /old/etc"),
        "{inside:?}"
    );
    let compose = pair.warnings(&["--label", "com.docker.compose.service=web"]);
    assert!(says(&compose, "service web"), "{compose:?}");
}

#[test]
fn an_upgrade_that_changes_nothing_else_is_told_nothing() {
    let lines = "ENV LEVEL=info\nEXPOSE 80\nVOLUME /data";
    let pair = Pair::new("unwarned", lines, &format!("{lines}\nLABEL version=2"));
    let options = [
        "-v",
        "warned-data:/named",
        "-p",
        "127.0.0.1:20180:80",
        "--user=0",
    ];
    assert_eq!(pair.warnings(&options), [""; 0]);
    pair.scenario.forget_volume("warned-data");
}
