//! `docker upgrade`: what may be typed. Nothing is interpreted here; that is `settings`'.

use clap::{ArgGroup, ValueEnum};

/// Upgrade a container in place: swap its image, keep everything else
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own, as it was typed"
)]
#[derive(Debug, Clone, Default, clap::Args)]
#[command(
    override_usage = USAGE,
    after_help = AFTER_HELP,
    disable_help_flag = true,
    args_override_self = true,
    group = ArgGroup::new("change").multiple(true)
)]
pub(crate) struct Args {
    /// Image to upgrade to (default: the newest of the container's own tag)
    #[arg(long, value_name = "string", group = "change")]
    pub(super) image: Option<String>,

    /// Overwrite the entrypoint; an empty one is none
    #[arg(long, value_name = "string", group = "change")]
    pub(super) entrypoint: Option<String>,

    /// Set environment variables; one that is not set here either is removed
    #[arg(short, long, value_name = "list", group = "change")]
    pub(super) env: Vec<String>,

    /// Read in a file of environment variables
    #[arg(long, value_name = "list", group = "change")]
    pub(super) env_file: Vec<String>,

    /// Set metadata on the container
    #[arg(short, long, value_name = "list", group = "change")]
    pub(super) label: Vec<String>,

    /// Bind mount a volume: beside others, in place of what that path had
    #[arg(short, long, value_name = "list", group = "change")]
    pub(super) volume: Vec<String>,

    /// Attach a filesystem mount: beside others, in place of what that path had
    #[arg(long, value_name = "mount", group = "change")]
    pub(super) mount: Vec<String>,

    /// Memory limit
    #[arg(short, long, value_name = "bytes", group = "change")]
    pub(super) memory: Option<String>,

    /// Number of CPUs
    #[arg(long, value_name = "decimal", group = "change")]
    pub(super) cpus: Option<String>,

    /// Publish a container's port to the host: beside others, in place of what that port had
    #[arg(short, long, value_name = "list", group = "change")]
    pub(super) publish: Vec<String>,

    /// Connect the container to a network, beside those that it is on
    #[arg(long, value_name = "network", group = "change")]
    pub(super) network: Vec<String>,

    /// Pull the image before: "always", "missing", "never" (default: "missing" with --image, else
    /// "always"; a dry run pulls with "always" alone)
    #[arg(long, value_name = "string", value_enum, hide_possible_values = true)]
    pub(super) pull: Option<Pull>,

    /// Platform that the image is to be of
    #[arg(long, value_name = "string")]
    pub(super) platform: Option<String>,

    /// Seconds to wait before killing the container that is stopped
    #[arg(short, long, value_name = "int", allow_negative_numbers = true)]
    pub(super) time: Option<i32>,

    /// Signal to send to the container that is stopped
    #[arg(long, value_name = "string")]
    pub(super) signal: Option<String>,

    /// How long the new container must run (default 5s)
    #[arg(long, value_name = "duration")]
    pub(super) monitor: Option<String>,

    /// How long the new container may take to become healthy (default at least 5m)
    #[arg(long, value_name = "duration")]
    pub(super) healthy_deadline: Option<String>,

    /// Give up anonymous volumes for new ones
    #[arg(long, group = "change")]
    pub(super) renew_volumes: bool,

    /// Upgrade although nothing differs
    #[arg(long)]
    pub(super) force: bool,

    /// Only show what would change
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Only display the ID of the new container
    #[arg(short, long)]
    pub(super) quiet: bool,

    /// Format the output: "json" prints a line of JSON for each container
    #[arg(long, value_name = "string", value_enum, hide_possible_values = true)]
    pub(super) format: Option<Format>,

    /// Upgrade the containers that match, as "docker ps --filter" has it
    #[arg(short, long, value_name = "filter")]
    pub(super) filter: Vec<String>,

    /// Upgrade this container; IMAGE is the first word then
    #[arg(long, value_name = "string", conflicts_with_all = ["filter", "image"])]
    pub(super) name: Option<String>,

    /// Of several containers: how many at once (0 for all)
    #[arg(long, value_name = "uint", default_value_t = 1)]
    pub(super) parallelism: usize,

    /// Of several containers: how long to wait between them
    #[arg(long, value_name = "duration")]
    pub(super) delay: Option<String>,

    /// Of several containers: the share of failures to tolerate (default 0)
    #[arg(long, value_name = "float")]
    pub(super) max_failure_ratio: Option<f64>,

    /// Of several containers: action on failure ("pause", "continue", "rollback") (default "pause")
    #[arg(long, value_name = "string", value_enum, hide_possible_values = true)]
    pub(super) failure_action: Option<FailureAction>,

    /// Of several containers: leave out the last of them
    #[arg(long, value_name = "uint", default_value_t = 0)]
    pub(super) partition: usize,

    /// Go back to the container before the last upgrade
    #[arg(long, group = "instead", conflicts_with = "change")]
    pub(super) rollback: bool,

    /// Show which containers there were before
    #[arg(long, group = "instead", conflicts_with_all = ["change", "dry_run", "force"])]
    pub(super) history: bool,

    /// Finish or take back the upgrades that were left unfinished
    #[arg(long, group = "instead", conflicts_with_all = ["change", "force", "filter", "name"])]
    pub(super) recover: bool,

    /// Print usage
    #[arg(long)]
    pub(super) help: bool,

    /// CONTAINER [COMMAND] [ARG...], or IMAGE [COMMAND] [ARG...] after --name, or [COMMAND] [ARG...]
    /// after --filter.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub(super) words: Vec<String>,
}

/// Whether to pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Pull {
    Always,
    Missing,
    Never,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Json,
}

/// What becomes of the others when too many failed, in Swarm's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum FailureAction {
    /// No further one is begun; what was upgraded stays.
    #[default]
    Pause,
    /// They are upgraded all the same.
    Continue,
    /// No further one is begun, and what was upgraded is taken back.
    Rollback,
}

/// How it is called.
pub(super) const USAGE: &str = "\
docker upgrade [OPTIONS] CONTAINER [COMMAND] [ARG...]
        docker upgrade [OPTIONS] CONTAINER CONTAINER...
        docker upgrade [OPTIONS] --filter FILTER [COMMAND] [ARG...]
        docker upgrade [OPTIONS] --name CONTAINER IMAGE [COMMAND] [ARG...]";

/// What is no option's.
pub(super) const AFTER_HELP: &str = "\
Words behind CONTAINER are further containers where each of them is one, and a command
otherwise; behind -- they are always a command.

Exit codes:
  0    upgraded, or nothing to do; of Refit's own container: a helper goes on with it
  1    not upgraded: the container is as it was
  2    not upgraded, and the container could not be brought back yet
  64   the arguments are wrong: nothing was done
  69   the engine cannot be reached
  130  interrupted";
