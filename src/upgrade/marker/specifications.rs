//! What the earlier containers were made of: ten specifications in one compressed string.
//!
//! Labels are printed in every event of a container, and one specification is a few kilobytes of JSON
//! that hardly differs from the next: packed together they are little more than one.

use std::io::{Read, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// How large they may be in all, unpacked. One of a database under compose is 4 KB.
const UNPACKED: usize = 1024 * 1024;

/// How large they may be packed, as the label has them. Ten of a database under compose are 4 KB.
const PACKED: usize = 128 * 1024;

/// Specifications, the latest first, `null` where one is not known: a JSON array, packed by gzip, in
/// base64 (`base64 -d | gunzip` shows it).
///
/// Their environment may hold secrets. The label is shown to those alone who may inspect the container,
/// and so see the same in its own environment: to everybody who may use the Docker API, and to nobody
/// else.
///
/// It is read with care: whoever may create a container may write whatever label. What cannot be
/// unpacked, or would be too large, is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Specifications(String);

impl Specifications {
    /// Packs these, the latest first; the oldest are left out where they would be too large.
    #[must_use]
    pub fn pack(specifications: &[Option<Value>]) -> Self {
        for kept in (1..=specifications.len()).rev() {
            let specifications = &specifications[..kept];
            if specifications.iter().all(Option::is_none) {
                break;
            }
            if let Some(packed) = pack(specifications) {
                return Self(packed);
            }
        }
        Self::default()
    }

    /// Unpacks them; none of those that are left out, or cannot be trusted.
    #[must_use]
    pub fn unpack(&self) -> Vec<Option<Value>> {
        unpack(&self.0).unwrap_or_default()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Specifications {
    /// Whatever stands there in the place of a string is no reason not to read the rest of the marker.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::String(packed) => Self(packed),
            _ => Self::default(),
        })
    }
}

fn pack(specifications: &[Option<Value>]) -> Option<String> {
    let json = serde_json::to_vec(specifications).ok()?;
    if json.len() > UNPACKED {
        return None;
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&json).ok()?;
    let packed = STANDARD.encode(gzip.finish().ok()?);
    (packed.len() <= PACKED).then_some(packed)
}

fn unpack(packed: &str) -> Option<Vec<Option<Value>>> {
    if packed.len() > PACKED {
        return None;
    }
    let gzip = STANDARD.decode(packed).ok()?;
    let mut json = Vec::new();
    // One byte more tells what is too large.
    let mut bounded = GzDecoder::new(gzip.as_slice()).take(UNPACKED as u64 + 1);
    bounded.read_to_end(&mut json).ok()?;
    if json.len() > UNPACKED {
        return None;
    }
    let specifications: Vec<Value> = serde_json::from_slice(&json).ok()?;
    let has_parts = |specification: &Value| {
        let parts = ["Config", "HostConfig"].into_iter();
        parts.map(|part| &specification[part]).all(Value::is_object)
    };
    let known = |specification: Value| Some(specification).filter(has_parts);
    Some(specifications.into_iter().map(known).collect())
}

#[cfg(test)]
mod tests;
