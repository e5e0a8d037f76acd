//! What a helper is to do: its label says it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::HELPER_LABEL;
use crate::{
    engine::{Container, StopOptions},
    plan::Object,
    upgrade::{
        outcome::{Pull, Request, Step},
        owner::Owner,
    },
};

/// What a helper is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Errand {
    /// The ID of the transaction.
    pub transaction: String,
    /// The full ID of its leader.
    pub leader: String,
    /// The name of its leader.
    pub name: String,
    /// The name of the container that Refit runs in: the leader, or a companion.
    pub own: String,
    /// The process that sent the helper.
    pub owner: Option<Owner>,
    /// What is to be done.
    pub task: Task,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Task {
    /// Carry out the transaction.
    Upgrade(Box<Asked>),
    /// Bring to its end what was left unfinished of it, in this step.
    Recover(Step),
}

/// A request for an upgrade that is due, of an image that the engine has; its credentials are not
/// needed any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Asked {
    patch: Object,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    renew_volumes: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    go_back: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_timeout: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<String>,
    monitor: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthy_deadline: Option<Duration>,
    require_same_address: bool,
    /// What the image is called.
    pub image: String,
    /// Its ID: the name may pass to another one.
    pub image_id: String,
}

impl Errand {
    /// That of a container, if it is a helper.
    pub fn of(container: &Container) -> Option<Self> {
        serde_json::from_str(container.label(HELPER_LABEL)?).ok()
    }

    /// The label's value.
    pub fn to_label(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Asked {
    /// What of a request goes along.
    pub fn of(request: &Request, image: &str, image_id: &str) -> Self {
        Self {
            patch: request.patch.clone(),
            platform: request.platform.as_ref().map(ToString::to_string),
            renew_volumes: request.renew_volumes,
            go_back: request.go_back,
            stop_timeout: request.stop.timeout,
            stop_signal: request.stop.signal.clone(),
            monitor: request.monitor,
            healthy_deadline: request.healthy_deadline,
            require_same_address: request.require_same_address,
            image: image.to_owned(),
            image_id: image_id.to_owned(),
        }
    }

    /// The request again.
    pub fn request(&self) -> Request {
        Request {
            patch: self.patch.clone(),
            pull: if self.go_back {
                // The image of then may be gone for good, and another one have its reference.
                Pull::Missing
            } else {
                Pull::Never
            },
            platform: self.platform.as_ref().and_then(|text| text.parse().ok()),
            renew_volumes: self.renew_volumes,
            go_back: self.go_back,
            stop: StopOptions {
                timeout: self.stop_timeout,
                signal: self.stop_signal.clone(),
            },
            // That it is due was found already.
            force: true,
            dry_run: false,
            registry_auth: None,
            monitor: self.monitor,
            healthy_deadline: self.healthy_deadline,
            require_same_address: self.require_same_address,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_asked_goes_along_but_for_the_credentials() {
        let patch = json!({ "Image": "refit:2", "Env": ["A=1"], "Cmd": null });
        let request = Request {
            patch: patch.as_object().expect("an object").clone(),
            pull: Pull::Always,
            platform: "linux/arm64".parse().ok(),
            renew_volumes: true,
            stop: StopOptions {
                timeout: Some(-1),
                signal: Some("INT".to_owned()),
            },
            force: false,
            go_back: false,
            dry_run: false,
            registry_auth: Some("secret".to_owned()),
            monitor: Duration::from_nanos(7),
            healthy_deadline: Some(Duration::from_secs(600)),
            require_same_address: true,
        };
        let errand = Errand {
            transaction: "one".to_owned(),
            leader: "id".to_owned(),
            name: "refit".to_owned(),
            own: "refit".to_owned(),
            owner: Owner::this_process(),
            task: Task::Upgrade(Box::new(Asked::of(&request, "refit:2", "sha256:2"))),
        };
        let label = errand.to_label();
        assert!(!label.contains("secret"), "{label}");
        let read: Errand = serde_json::from_str(&label).expect("an errand");
        assert_eq!(read, errand);
        let Task::Upgrade(asked) = read.task else {
            panic!("an upgrade");
        };
        let again = asked.request();
        assert_eq!((again.pull, again.registry_auth), (Pull::Never, None));
        assert_eq!(again.patch, request.patch);
        assert_eq!(again.stop, request.stop);
        assert_eq!(again.platform, request.platform);
        assert_eq!(again.monitor, request.monitor);
        assert_eq!(again.healthy_deadline, request.healthy_deadline);
        assert!(again.force && again.renew_volumes && again.require_same_address);
        assert!(!again.go_back && !label.contains("GoBack"), "{label}");
    }

    #[test]
    fn a_helper_that_goes_back_may_pull() {
        let request = Request {
            go_back: true,
            ..Request::default()
        };
        let asked = Asked::of(&request, "refit:1", "sha256:1");
        let text = serde_json::to_string(&asked).expect("JSON");
        let read: Asked = serde_json::from_str(&text).expect("what is asked");
        let again = read.request();
        assert!(again.go_back && again.force);
        assert_eq!(again.pull, Pull::Missing);
    }
}
