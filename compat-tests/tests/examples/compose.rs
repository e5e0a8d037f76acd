//! The project of compose.

use std::{collections::BTreeSet, fs, path::PathBuf};

use compat_tests::{LABEL, Scenario, same::Said};

use crate::{EXITS, WHY, at_refit, example};

/// A copy of the example's project, as a project of the scenario's.
struct Project {
    scenario: Scenario,
    folder: PathBuf,
    name: String,
}

impl Project {
    fn new(name: &str) -> Self {
        let scenario = Scenario::new(name);
        let folder = scenario.folder().join("project");
        fs::create_dir(&folder).expect("a folder");
        for file in ["compose.yaml", ".env", "upgrade.sh"] {
            fs::copy(example("compose").join(file), folder.join(file)).expect("copy it");
        }
        let name = scenario.named("project");
        let project = Self {
            scenario,
            folder,
            name,
        };
        project.add("");
        project
    }

    /// Adds what the test needs to the file, and this to the service `db`.
    fn add(&self, to_db: &str) {
        let label = format!("labels: {{ {LABEL}: {} }}", self.scenario.name());
        let file =
            format!("services:\n  db: {{ {label}{to_db} }}\n  worker: {{ {label}, scale: 2 }}\n");
        fs::write(self.folder.join("compose.override.yaml"), file).expect("write it");
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Said {
        at_refit(&self.scenario, program, arguments)
            .env("COMPOSE_PROJECT_NAME", &self.name)
            .within(&self.folder)
            .said()
    }

    fn upgrade(&self, arguments: &[&str]) -> Said {
        self.run("./upgrade.sh", arguments)
    }

    fn up(&self) {
        let said = self.run("docker", &["compose", "up", "-d"]);
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    /// The IDs of a service's containers.
    fn ids(&self, service: &str) -> BTreeSet<String> {
        let said = self.run("docker", &["compose", "ps", "-aq", service]);
        said.out().lines().map(str::to_owned).collect()
    }

    fn redis(&self, arguments: &[&str]) -> String {
        let db = ["compose", "exec", "-T", "db", "redis-cli"];
        let said = self.run("docker", &[&db, arguments].concat());
        said.out().trim().to_owned()
    }

    fn env(&self) -> String {
        fs::read_to_string(self.folder.join(".env")).expect("the file")
    }

    /// Compose finds nothing to do: it makes no container anew.
    fn assert_up_to_date(&self) {
        let ids = ["db", "worker"].map(|service| self.ids(service));
        assert_eq!(ids.each_ref().map(BTreeSet::len), [1, 2]);
        self.up();
        assert_eq!(["db", "worker"].map(|service| self.ids(service)), ids);
        assert!(!self.folder.join(".env.before").exists());
    }

    /// The images that a service's containers are of.
    fn images(&self, service: &str) -> BTreeSet<String> {
        let ids = self.ids(service).into_iter();
        ids.map(|id| self.scenario.text(&id, "/Config/Image"))
            .collect()
    }
}

#[test]
fn a_project_is_upgraded_service_by_service_and_compose_agrees() {
    let project = Project::new("example-compose");
    project.up();
    assert_eq!(project.redis(&["set", "word", "kept"]), "OK");
    let first = project.ids("db");

    let said = project.upgrade(&["db=redis:8.0"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(
        project.env(),
        "DB_IMAGE=redis:8.0\nWORKER_IMAGE=redis:7.0\n"
    );
    assert_ne!(project.ids("db"), first);
    assert!(
        project
            .redis(&["info", "server"])
            .contains("redis_version:8.")
    );
    assert_eq!(project.redis(&["get", "word"]), "kept");
    project.assert_up_to_date();

    // The first of these passes; what fails is put back.
    let db = project.ids("db");
    let said = project.upgrade(&["worker=redis:8.0", &format!("db={EXITS}")]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err().contains(WHY), "{said:?}");
    assert_eq!(
        project.env(),
        "DB_IMAGE=redis:8.0\nWORKER_IMAGE=redis:8.0\n"
    );
    assert_eq!(project.ids("db"), db);
    assert_eq!(project.images("worker"), ["redis:8.0".to_owned()].into());
    project.assert_up_to_date();
}

#[test]
fn what_the_file_says_otherwise_is_left_to_compose() {
    let project = Project::new("example-compose-otherwise");
    let named = ", environment: { IMAGE: \"$DB_IMAGE\" }";
    project.add(named);
    project.up();
    let env = project.env();
    let cases = [
        ("web", "", "there is no WEB_IMAGE in .env"),
        ("db", named, "DB_IMAGE says more than an image"),
        (
            "db",
            ", environment: { IMAGE: \"redis:7.0\" }, image: \"redis:7.0\"",
            "db does not take its image from DB_IMAGE",
        ),
        ("db", ", mem_limit: 64m", "db is not as its file says"),
    ];
    let db = project.ids("db");
    for (service, to_db, expected) in cases {
        project.add(to_db);
        let said = project.upgrade(&[&format!("{service}=redis:8.0")]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err().contains(expected), "{said:?}");
    }
    assert_eq!(project.env(), env);
    assert_eq!(project.ids("db"), db);
}
