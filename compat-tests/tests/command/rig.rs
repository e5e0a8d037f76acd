//! A docker CLI that has the plugin.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use compat_tests::{
    Scenario,
    same::{Ask, Side},
    variable,
};
use serde_json::json;

/// A container of this one is upgraded to the other: they say the same, and run as long as they may.
pub const BEFORE: &str = "refit-test/before";
pub const AFTER: &str = "refit-test/after";

/// Ends at once.
pub const EXITS: &str = "refit-test/exits";

/// A scenario with a folder of the docker CLI's configuration, and the plugin in it.
pub struct Rig {
    pub scenario: Scenario,
    /// The name of its container.
    pub name: String,
}

impl Rig {
    pub fn new(name: &str) -> Self {
        Self::of(Scenario::new(name))
    }

    pub fn of(scenario: Scenario) -> Self {
        let plugins = scenario.folder().join("config/cli-plugins");
        fs::create_dir_all(&plugins).expect("a folder");
        symlink(variable("REFIT_BIN"), plugins.join("docker-upgrade")).expect("the plugin");
        let name = scenario.named("db");
        Self { scenario, name }
    }

    /// The folder of the docker CLI's configuration.
    pub fn config(&self) -> PathBuf {
        self.scenario.folder().join("config")
    }

    /// Refit's socket, and the engine's.
    pub fn sides(&self) -> [Side<'_>; 2] {
        [self.scenario.through(), self.scenario.directly()]
    }

    /// `docker upgrade` with these arguments.
    pub fn upgrade(&self, side: &Side<'_>, arguments: &[&str]) -> Ask {
        let words = [&["upgrade"], arguments].concat();
        self.configured(side.docker(&words))
    }

    /// `docker` with these arguments, through Refit.
    pub fn docker(&self, arguments: &[&str]) -> Ask {
        self.configured(self.scenario.through().docker(arguments))
    }

    /// `docker` with these arguments, which say themselves where the engine is.
    pub fn at_no_host(&self, arguments: &[&str]) -> Ask {
        self.configured(Ask::new(&compat_tests::docker_program(), arguments))
    }

    /// `refit` with these arguments.
    pub fn refit(&self, side: &Side<'_>, arguments: &[&str]) -> Ask {
        let ask = Ask::new(&variable("REFIT_BIN"), arguments);
        self.configured(ask).env("DOCKER_HOST", side.address())
    }

    fn configured(&self, ask: Ask) -> Ask {
        let config = self.config();
        ask.env("DOCKER_CONFIG", printable(&config))
    }

    /// What `docker login` writes.
    pub fn log_in(&self, registry: &str, credentials: &str) {
        let auth = json!({ "auth": STANDARD.encode(credentials) });
        self.write_config(&json!({ "auths": { registry: auth } }));
    }

    /// What `docker context use` writes.
    pub fn use_context(&self, context: &str) {
        self.write_config(&json!({ "currentContext": context }));
    }

    fn write_config(&self, config: &serde_json::Value) {
        fs::write(self.config().join("config.json"), config.to_string())
            .expect("the configuration");
    }
}

fn printable(path: &Path) -> &str {
    path.to_str().expect("a printable path")
}

/// A port that nobody listens at.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}
