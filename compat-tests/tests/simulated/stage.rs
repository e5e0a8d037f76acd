//! A real engine with the image and the networks of the transcripts.

use std::time::Duration;

use compat_tests::{Scenario, engines};
use refit::engine::{Address, DockerEngine, Engine, EngineError, Limits, Result};

use crate::upgrade::{
    behaviours::{NETWORKS, Stage},
    simulated::Death,
};

/// Ends when it is asked to. Its log tells when it can be asked.
const SERVE: &str = "trap 'exit 0' TERM\necho ready\nsleep 100000 &\nwait";

/// Does not: a first process is ended by no signal that it does not handle.
const STUBBORN: &str = "echo ready\nexec sleep 100000";

/// Ends by itself, with a code, after so many milliseconds.
const EXIT: &str = "trap 'exit 0' TERM\necho ready\nusleep $(($2 * 1000)) &\nwait $!\nexit $1";

/// What the image of most containers says.
const BEHAVING: &str = r#"ENV PATH=/usr/local/bin:/bin A=image B=image
LABEL of-image=1
EXPOSE 7000
VOLUME /anonymous
WORKDIR /tmp
USER root
CMD ["serve"]"#;

/// What the image says that has an entry point.
const ENTERED: &str = r#"ENTRYPOINT ["env"]
CMD ["serve"]"#;

/// An engine without a Refit.
pub struct Real {
    scenario: Scenario,
    engine: DockerEngine,
    prefix: String,
}

impl Real {
    pub fn new(name: &str) -> Self {
        let scenario = Scenario::without_refit(name);
        for (image, dockerfile) in [("behaving", BEHAVING), ("entered", ENTERED)] {
            let programs = [("serve", SERVE), ("stubborn", STUBBORN), ("exit", EXIT)];
            scenario.build_with(image, &programs, dockerfile);
        }
        for network in NETWORKS {
            scenario.docker(&["network", "create", &scenario.named(network)]);
        }
        let address: Address = scenario.engine().parse().expect("an address");
        Self {
            engine: DockerEngine::new(address, Limits::default()),
            prefix: scenario.named(""),
            scenario,
        }
    }
}

impl Stage for Real {
    fn engine(&self) -> &dyn Engine {
        &self.engine
    }

    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn kill(&self, container: &str) -> Result<()> {
        let answer = self
            .scenario
            .ask("POST", &format!("/containers/{container}/kill"));
        match answer.status {
            204 => Ok(()),
            status => Err(EngineError::Refused {
                status,
                message: answer.text,
            }),
        }
    }

    /// An engine removes a container's volumes after it has forgotten the container: it is asked more
    /// than once.
    fn has_volume(&self, volume: &str) -> bool {
        (0..5).all(|_| {
            let answer = self.scenario.ask("GET", &format!("/volumes/{volume}"));
            let is_there = answer.status == 200;
            if is_there {
                std::thread::sleep(Duration::from_millis(200));
            }
            is_there
        })
    }

    fn restart(&self, how: Death) {
        match how {
            Death::Graceful => engines::manage("restart"),
            Death::Killed => {
                engines::manage("kill");
                engines::manage("start");
            }
        }
    }

    fn clear(&self, containers: &[String], volumes: &[String]) {
        for container in containers {
            self.scenario.remove(container);
        }
        for volume in volumes {
            self.scenario.ask("DELETE", &format!("/volumes/{volume}"));
        }
    }
}
