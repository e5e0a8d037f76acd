//! One table: what becomes of each field of a container's configuration.
//!
//! It has every field that the API names from 1.41 to 1.51 (moby `api/docs/v1.NN.yaml`:
//! `ContainerConfig`, `HostConfig`, `EndpointSettings`), in the API's order. A field that stands in
//! no row is [`Policy::Kept`]: it is carried over unchanged.

/// A part of a create body, and of an inspect document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// `Config`: the body itself.
    Config,
    /// `HostConfig`.
    HostConfig,
    /// An entry of `NetworkingConfig.EndpointsConfig`, or of `NetworkSettings.Networks`.
    Endpoint,
}

/// What becomes of a field, and how a patch of it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// It stays; a patch replaces it.
    Kept,
    /// It stays; a patch of it merges by key, this many objects deep.
    KeptByKey {
        /// Deeper values are replaced.
        depth: usize,
    },
    /// An image has a default for it: a value that equals the old image's follows the new image's;
    /// a patch replaces it.
    ImageDefault,
    /// As [`Policy::ImageDefault`], key by key; a patch merges by key.
    ImageDefaultByKey,
    /// `Env`: as [`Policy::ImageDefaultByKey`], by variable.
    Variables,
    /// `Entrypoint` and `Cmd`: as [`Policy::ImageDefault`], but the one tells of the other.
    Command,
    /// It stays where the engine takes it: not without a host name of the container's own.
    HostName,
    /// What is mounted stays, volumes by name; a patch merges by target.
    Mounts,
    /// It is replaced by what it gave the original: the mounts themselves.
    VolumesFrom,
    /// It stays, in the form that create takes.
    Links,
    /// The request's, or the container's own reference once more.
    Image,
    /// Configured, it stays; generated, it is left to the engine.
    MacAddress,
    /// It stays, without the container's own short ID.
    Aliases,
    /// The engine's own to say: never sent.
    Printed,
}

/// What the value of a patched field must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The engine's to refuse, at create, before anything is touched: nothing here reads it.
    Any,
    Text,
    /// A list of texts.
    Texts,
    /// A list of texts, or one text (Docker takes both for a command).
    Command,
    Object,
    /// A list of objects that have a text `Target`.
    Mounts,
    Bool,
    Integer,
}

/// A row of the table: the field as the API writes it, its policy, the shape of a patch.
pub(super) type Row = (&'static str, Policy, Shape);

const BY_KEY: Policy = Policy::KeptByKey { depth: 1 };

const CONFIG: &[Row] = &[
    ("Hostname", Policy::HostName, Shape::Text),
    ("Domainname", Policy::HostName, Shape::Text),
    ("User", Policy::ImageDefault, Shape::Text),
    ("AttachStdin", Policy::Kept, Shape::Bool),
    ("AttachStdout", Policy::Kept, Shape::Bool),
    ("AttachStderr", Policy::Kept, Shape::Bool),
    ("ExposedPorts", Policy::ImageDefaultByKey, Shape::Object),
    ("Tty", Policy::Kept, Shape::Bool),
    ("OpenStdin", Policy::Kept, Shape::Bool),
    ("StdinOnce", Policy::Kept, Shape::Bool),
    ("Env", Policy::Variables, Shape::Texts),
    ("Cmd", Policy::Command, Shape::Command),
    ("Healthcheck", Policy::ImageDefaultByKey, Shape::Object),
    ("ArgsEscaped", Policy::Kept, Shape::Bool),
    ("Image", Policy::Image, Shape::Text),
    ("Volumes", Policy::ImageDefaultByKey, Shape::Object),
    ("WorkingDir", Policy::ImageDefault, Shape::Text),
    ("Entrypoint", Policy::Command, Shape::Command),
    ("NetworkDisabled", Policy::Kept, Shape::Bool),
    ("MacAddress", Policy::MacAddress, Shape::Text),
    ("OnBuild", Policy::Kept, Shape::Texts),
    ("Labels", Policy::ImageDefaultByKey, Shape::Object),
    ("StopSignal", Policy::ImageDefault, Shape::Text),
    ("StopTimeout", Policy::Kept, Shape::Integer),
    // Create never takes it from the image, so a container's Shell is a person's.
    ("Shell", Policy::Kept, Shape::Texts),
    // The other parts of a create body.
    ("HostConfig", Policy::Kept, Shape::Object),
    ("NetworkingConfig", Policy::Kept, Shape::Object),
];

const HOST_CONFIG: &[Row] = &[
    ("CpuShares", Policy::Kept, Shape::Any),
    ("Memory", Policy::Kept, Shape::Integer),
    ("CgroupParent", Policy::Kept, Shape::Any),
    ("BlkioWeight", Policy::Kept, Shape::Any),
    ("BlkioWeightDevice", Policy::Kept, Shape::Any),
    ("BlkioDeviceReadBps", Policy::Kept, Shape::Any),
    ("BlkioDeviceWriteBps", Policy::Kept, Shape::Any),
    ("BlkioDeviceReadIOps", Policy::Kept, Shape::Any),
    ("BlkioDeviceWriteIOps", Policy::Kept, Shape::Any),
    ("CpuPeriod", Policy::Kept, Shape::Any),
    ("CpuQuota", Policy::Kept, Shape::Any),
    ("CpuRealtimePeriod", Policy::Kept, Shape::Any),
    ("CpuRealtimeRuntime", Policy::Kept, Shape::Any),
    ("CpusetCpus", Policy::Kept, Shape::Any),
    ("CpusetMems", Policy::Kept, Shape::Any),
    ("Devices", Policy::Kept, Shape::Any),
    ("DeviceCgroupRules", Policy::Kept, Shape::Any),
    ("DeviceRequests", Policy::Kept, Shape::Any),
    ("KernelMemory", Policy::Kept, Shape::Any),
    ("KernelMemoryTCP", Policy::Kept, Shape::Any),
    ("MemoryReservation", Policy::Kept, Shape::Any),
    ("MemorySwap", Policy::Kept, Shape::Integer),
    ("MemorySwappiness", Policy::Kept, Shape::Any),
    ("NanoCpus", Policy::Kept, Shape::Any),
    ("OomKillDisable", Policy::Kept, Shape::Any),
    ("Init", Policy::Kept, Shape::Any),
    ("PidsLimit", Policy::Kept, Shape::Any),
    ("Ulimits", Policy::Kept, Shape::Any),
    ("CpuCount", Policy::Kept, Shape::Any),
    ("CpuPercent", Policy::Kept, Shape::Any),
    ("IOMaximumIOps", Policy::Kept, Shape::Any),
    ("IOMaximumBandwidth", Policy::Kept, Shape::Any),
    ("Binds", Policy::Mounts, Shape::Texts),
    ("ContainerIDFile", Policy::Kept, Shape::Any),
    ("LogConfig", Policy::KeptByKey { depth: 2 }, Shape::Object),
    ("NetworkMode", Policy::Kept, Shape::Text),
    ("PortBindings", BY_KEY, Shape::Object),
    ("RestartPolicy", Policy::Kept, Shape::Object),
    ("AutoRemove", Policy::Kept, Shape::Bool),
    ("VolumeDriver", Policy::Kept, Shape::Any),
    ("VolumesFrom", Policy::VolumesFrom, Shape::Any),
    ("Mounts", Policy::Mounts, Shape::Mounts),
    ("ConsoleSize", Policy::Kept, Shape::Any),
    ("Annotations", BY_KEY, Shape::Object),
    ("CapAdd", Policy::Kept, Shape::Any),
    ("CapDrop", Policy::Kept, Shape::Any),
    ("CgroupnsMode", Policy::Kept, Shape::Any),
    ("Dns", Policy::Kept, Shape::Any),
    ("DnsOptions", Policy::Kept, Shape::Any),
    ("DnsSearch", Policy::Kept, Shape::Any),
    ("ExtraHosts", Policy::Kept, Shape::Any),
    ("GroupAdd", Policy::Kept, Shape::Any),
    ("IpcMode", Policy::Kept, Shape::Any),
    ("Cgroup", Policy::Kept, Shape::Any),
    ("Links", Policy::Links, Shape::Any),
    ("OomScoreAdj", Policy::Kept, Shape::Any),
    ("PidMode", Policy::Kept, Shape::Any),
    ("Privileged", Policy::Kept, Shape::Any),
    ("PublishAllPorts", Policy::Kept, Shape::Bool),
    ("ReadonlyRootfs", Policy::Kept, Shape::Any),
    ("SecurityOpt", Policy::Kept, Shape::Any),
    ("StorageOpt", BY_KEY, Shape::Object),
    ("Tmpfs", BY_KEY, Shape::Object),
    ("UTSMode", Policy::Kept, Shape::Text),
    ("UsernsMode", Policy::Kept, Shape::Any),
    ("ShmSize", Policy::Kept, Shape::Any),
    ("Sysctls", BY_KEY, Shape::Object),
    ("Runtime", Policy::Kept, Shape::Any),
    ("Isolation", Policy::Kept, Shape::Any),
    ("MaskedPaths", Policy::Kept, Shape::Any),
    ("ReadonlyPaths", Policy::Kept, Shape::Any),
];

const ENDPOINT: &[Row] = &[
    ("IPAMConfig", Policy::Kept, Shape::Any),
    ("Links", Policy::Kept, Shape::Any),
    ("MacAddress", Policy::MacAddress, Shape::Text),
    ("Aliases", Policy::Aliases, Shape::Texts),
    ("DriverOpts", Policy::Kept, Shape::Any),
    ("GwPriority", Policy::Kept, Shape::Any),
    ("NetworkID", Policy::Printed, Shape::Any),
    ("EndpointID", Policy::Printed, Shape::Any),
    ("Gateway", Policy::Printed, Shape::Any),
    ("IPAddress", Policy::Printed, Shape::Any),
    ("IPPrefixLen", Policy::Printed, Shape::Any),
    ("IPv6Gateway", Policy::Printed, Shape::Any),
    ("GlobalIPv6Address", Policy::Printed, Shape::Any),
    ("GlobalIPv6PrefixLen", Policy::Printed, Shape::Any),
    ("DNSNames", Policy::Printed, Shape::Any),
];

impl Part {
    pub(super) fn table(self) -> &'static [Row] {
        match self {
            Self::Config => CONFIG,
            Self::HostConfig => HOST_CONFIG,
            Self::Endpoint => ENDPOINT,
        }
    }

    /// What becomes of a field that stands in no row, too.
    pub(super) fn policy(self, field: &str) -> Policy {
        policy(self, field).unwrap_or(Policy::Kept)
    }
}

/// What becomes of a field; `None` where no row of the table has it (it is carried over unchanged).
/// `field` is the name as the API writes it.
#[must_use]
pub fn policy(part: Part, field: &str) -> Option<Policy> {
    let row = part.table().iter().find(|(name, ..)| *name == field);
    row.map(|(_, policy, _)| *policy)
}
