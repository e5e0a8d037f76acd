//! Platforms, as `docker run --platform` writes them.

use std::{fmt, str::FromStr};

use serde_json::Value;

/// An operating system, an architecture and its variant: `linux/arm64`, `linux/arm/v7`, `linux`,
/// `arm64`. The rules are those of containerd's `platforms.Parse`; no crate has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// As it was written, for the engine.
    text: String,
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
}

/// A text that is no platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a platform is expected: os/architecture, such as linux/arm64")]
pub struct PlatformError;

/// The operating systems that can stand alone.
const SYSTEMS: [&str; 5] = ["linux", "windows", "darwin", "freebsd", "solaris"];

/// The architectures that can stand alone.
const ARCHITECTURES: [&str; 12] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips64", "mips64le", "ppc64", "ppc64le", "riscv64",
    "s390x", "wasm",
];

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let is_part = |part: &&str| {
            let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            !part.is_empty() && part.bytes().all(is_known)
        };
        let lower = text.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('/').collect();
        if !parts.iter().all(is_part) {
            return Err(PlatformError);
        }
        let (os, architecture, variant) = match parts.as_slice() {
            [os] if SYSTEMS.contains(os) => (Some(*os), None, None),
            [architecture] => {
                let (name, _) = normal(architecture, None);
                if !ARCHITECTURES.contains(&name) {
                    return Err(PlatformError);
                }
                (None, Some(*architecture), None)
            }
            [os, architecture] => (Some(*os), Some(*architecture), None),
            [os, architecture, variant] => (Some(*os), Some(*architecture), Some(*variant)),
            _ => return Err(PlatformError),
        };
        let (architecture, variant) = match architecture.map(|name| normal(name, variant)) {
            Some((name, variant)) => (Some(name), variant),
            None => (None, None),
        };
        Ok(Self {
            os: os.map(str::to_owned),
            architecture: architecture.map(str::to_owned),
            variant: variant.map(str::to_owned),
            text: text.to_owned(),
        })
    }
}

impl Platform {
    /// Whether an image, as inspect prints it, is for this platform. What the image does not say
    /// does not differ.
    #[must_use]
    pub fn is_of(&self, image: &Value) -> bool {
        let text = |field: &str| image.get(field).and_then(Value::as_str).unwrap_or_default();
        let (architecture, variant) = normal(text("Architecture"), Some(text("Variant")));
        let differs = |wanted: Option<&String>, is: &str| {
            !is.is_empty() && wanted.is_some_and(|wanted| wanted != is)
        };
        !differs(self.os.as_ref(), text("Os"))
            && !differs(self.architecture.as_ref(), architecture)
            && !differs(self.variant.as_ref(), variant.unwrap_or_default())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The one name that an architecture and its variant have.
fn normal<'a>(architecture: &'a str, variant: Option<&'a str>) -> (&'a str, Option<&'a str>) {
    match (architecture, variant) {
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant.filter(|v| *v != "v1")),
        ("i386" | "i486" | "i586" | "i686", _) => ("386", None),
        ("aarch64" | "arm64", variant) => ("arm64", variant.filter(|v| !["8", "v8"].contains(v))),
        ("armhf", _) | ("arm", Some("7")) => ("arm", Some("v7")),
        ("armel", _) | ("arm", Some("6")) => ("arm", Some("v6")),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_platform_is_that_of_an_image_or_not() {
        let amd64 = json!({ "Os": "linux", "Architecture": "amd64" });
        let arm64 = json!({ "Os": "linux", "Architecture": "arm64", "Variant": "v8" });
        let arm_v7 = json!({ "Os": "linux", "Architecture": "arm", "Variant": "v7" });
        let cases = [
            ("linux/amd64", [true, false, false]),
            ("Linux/x86_64", [true, false, false]),
            ("linux", [true, true, true]),
            ("windows", [false, false, false]),
            ("arm64", [false, true, false]),
            ("aarch64", [false, true, false]),
            ("linux/arm64", [false, true, false]),
            ("linux/arm64/v8", [false, true, false]),
            ("linux/arm", [false, false, true]),
            ("linux/armhf", [false, false, true]),
            ("linux/arm/v6", [false, false, false]),
        ];
        for (text, expected) in cases {
            let platform: Platform = text.parse().expect(text);
            let is_of = [&amd64, &arm64, &arm_v7].map(|image| platform.is_of(image));
            assert_eq!(is_of, expected, "{text}");
            assert_eq!(platform.to_string(), text);
            assert!(platform.is_of(&json!({})), "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "/",
            "linux/",
            "nonsense",
            "linux//v8",
            "a/b/c/d",
            "linux/a b",
            "linux/é",
        ] {
            assert_eq!(text.parse::<Platform>(), Err(PlatformError), "{text}");
        }
    }
}
