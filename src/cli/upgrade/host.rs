//! Which engine is meant, by the docker CLI's own rules (docker/cli, `command.resolveContextName`):
//! `-H`, then `--context`, `DOCKER_HOST`, `DOCKER_CONTEXT`, and the context that the configuration
//! has as the current one.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::process::Command;

use super::stdio::Bridge;
use crate::engine::Address;

/// The socket of an engine that nothing is said of.
const DEFAULT: &str = "unix:///var/run/docker.sock";

/// What the docker CLI takes in front of the name of a command.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(crate) struct Args {
    /// Location of client config files
    #[arg(long, value_name = "string")]
    config: Option<PathBuf>,

    /// Name of the context to use to connect to the daemon
    #[arg(short, long, value_name = "string")]
    context: Option<String>,

    /// Enable debug mode
    #[arg(short = 'D', long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    debug: Option<bool>,

    /// Daemon socket to connect to
    #[arg(short = 'H', long, value_name = "list")]
    host: Vec<String>,

    /// Set the logging level
    #[arg(short, long, value_name = "string")]
    log_level: Option<String>,

    /// Use TLS; implied by --tlsverify
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls: Option<bool>,

    /// Trust certs signed only by this CA
    #[arg(long, value_name = "string")]
    tlscacert: Option<String>,

    /// Path to TLS certificate file
    #[arg(long, value_name = "string")]
    tlscert: Option<String>,

    /// Path to TLS key file
    #[arg(long, value_name = "string")]
    tlskey: Option<String>,

    /// Use TLS and verify the remote
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tlsverify: Option<bool>,
}

/// How an engine is reached.
#[derive(Debug)]
pub(super) struct Host {
    /// Where, for us.
    pub(super) address: Address,
    /// Where, for people.
    pub(super) name: String,
    /// What carries each connection, where it is not ours to make.
    _bridge: Option<Bridge>,
}

impl Args {
    /// Whether what happens is to be logged.
    pub(super) fn is_debug(&self) -> bool {
        self.debug.unwrap_or_default()
    }

    /// The configuration of the docker CLI.
    pub(super) fn config_file(&self) -> Option<PathBuf> {
        let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".docker"));
        let folder = self.config.clone();
        let folder = folder.or_else(|| env::var_os("DOCKER_CONFIG").map(PathBuf::from));
        folder
            .or_else(home)
            .map(|folder| folder.join("config.json"))
    }

    /// Finds the engine.
    ///
    /// A unix socket, and TCP without TLS, are dialled as they are. For everything else (`ssh://`, TLS)
    /// the docker CLI carries each connection: it has the keys, the agent and the rules.
    pub(super) async fn resolve(&self) -> anyhow::Result<Host> {
        if self.host.len() > 1 {
            bail!("specify only one -H");
        }
        if !self.host.is_empty() && self.context.is_some() {
            bail!("conflicting options: cannot specify both --host and --context");
        }
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let host = self.host.first().cloned();
        let context = self.context.clone();
        let host = host.or_else(|| match context {
            Some(_) => None,
            None => variable("DOCKER_HOST"),
        });
        let context = match host {
            Some(_) => None,
            None => context
                .or_else(|| variable("DOCKER_CONTEXT"))
                .or_else(|| self.current_context()),
        };
        if let Some(context) = context.filter(|context| context != "default") {
            return self.of_context(&context).await;
        }
        // That context is the variable's host.
        let host = host.or_else(|| variable("DOCKER_HOST"));
        self.of_host(host.as_deref().unwrap_or(DEFAULT))
    }

    /// What the configuration says is the current context.
    fn current_context(&self) -> Option<String> {
        let config = fs::read(self.config_file()?).ok()?;
        let config: Value = serde_json::from_slice(&config).ok()?;
        Some(config.get("currentContext")?.as_str()?.to_owned())
    }

    /// The engine at a host without a context.
    fn of_host(&self, host: &str) -> anyhow::Result<Host> {
        let wants_tls = [self.tls, self.tlsverify].contains(&Some(true))
            || env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty())
            || env::var_os("DOCKER_TLS").is_some_and(|value| !value.is_empty());
        if let Some(address) = plain(host)
            && !(wants_tls && matches!(address, Address::Tcp(_)))
        {
            return Ok(Host::plain(address));
        }
        if !host.starts_with("tcp://") && !host.starts_with("ssh://") {
            bail!("unable to parse docker host `{host}`");
        }
        Host::carried(host, self.to_arguments(host))
    }

    /// The engine of a context, which the docker CLI knows.
    async fn of_context(&self, name: &str) -> anyhow::Result<Host> {
        let config = self.config.iter().flat_map(|folder| {
            let folder = folder.display().to_string();
            ["--config".to_owned(), folder]
        });
        let asked = Command::new(program())
            .args(config.clone())
            .args([
                "context",
                "inspect",
                "--format",
                "{{json .Endpoints.docker}}",
            ])
            .arg(name)
            .stdin(Stdio::null())
            .output()
            .await
            .with_context(|| format!("ask docker of the context {name}"))?;
        if !asked.status.success() {
            bail!("{}", String::from_utf8_lossy(&asked.stderr).trim());
        }
        let endpoint: Value = serde_json::from_slice(&asked.stdout)
            .with_context(|| format!("read the context {name}"))?;
        let host = endpoint
            .get("Host")
            .and_then(Value::as_str)
            .unwrap_or(DEFAULT);
        if let Some(address @ Address::Unix(_)) = plain(host) {
            return Ok(Host::plain(address));
        }
        // Whether it has TLS is the context's to say.
        let arguments = ["--context".to_owned(), name.to_owned()];
        Host::carried(host, config.chain(arguments).collect())
    }

    /// The arguments that have the docker CLI reach the same host.
    fn to_arguments(&self, host: &str) -> Vec<String> {
        let texts = [
            (
                "--config",
                self.config.as_ref().map(|path| path.display().to_string()),
            ),
            ("--tlscacert", self.tlscacert.clone()),
            ("--tlscert", self.tlscert.clone()),
            ("--tlskey", self.tlskey.clone()),
        ];
        let flags = [("--tls", self.tls), ("--tlsverify", self.tlsverify)];
        let texts = texts
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        let flags = flags
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        std::iter::once(format!("--host={host}"))
            .chain(texts)
            .chain(flags)
            .collect()
    }
}

impl Host {
    fn plain(address: Address) -> Self {
        Self {
            name: address.to_string(),
            address,
            _bridge: None,
        }
    }

    fn carried(name: &str, arguments: Vec<String>) -> anyhow::Result<Self> {
        let bridge = Bridge::start(program(), arguments)?;
        Ok(Self {
            address: bridge.address(),
            name: name.to_owned(),
            _bridge: Some(bridge),
        })
    }
}

/// An address that can be dialled without further ado.
fn plain(host: &str) -> Option<Address> {
    let host = host.strip_suffix('/').unwrap_or(host);
    host.parse().ok()
}

/// The docker CLI: the one that called us, if one did.
fn program() -> PathBuf {
    env::var_os("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND")
        .filter(|program| !program.is_empty())
        .map_or_else(|| Path::new("docker").to_owned(), PathBuf::from)
}
