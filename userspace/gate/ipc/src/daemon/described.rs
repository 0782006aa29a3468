//! Memory in a session's trace: its description, and memory of the same layout in another process. The
//! words are not described: what was read of them stands beside.

use std::sync::Arc;

use serde::de::Error as _;
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::frames::FrameMemory;
use crate::layout::Geometry;
use crate::lender::Lender;
use crate::memory::AttachmentMemory;

#[derive(Serialize, Deserialize)]
struct Words {
    session: u64,
    attachment: u64,
    geometry: Geometry,
}

#[derive(Serialize, Deserialize)]
struct Frames {
    geometry: Geometry,
    readers_only: bool,
    filled: bool,
}

#[derive(Deserialize)]
struct Loans {
    words: AttachmentMemory,
    quota: u32,
    fills: bool,
    samples: bool,
}

/// A layout that a file gives.
fn checked<E: serde::de::Error>(geometry: Geometry) -> Result<Geometry, E> {
    let valid = geometry.is_valid().then_some(geometry);
    valid.ok_or_else(|| E::custom("the geometry is not consistent"))
}

impl Serialize for AttachmentMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let words = Words {
            session: self.session(),
            attachment: self.attachment(),
            geometry: self.geometry(),
        };
        words.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AttachmentMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let it = Words::deserialize(deserializer)?;
        let made = Self::create(it.session, it.attachment, checked(it.geometry)?);
        made.map_err(D::Error::custom)
    }
}

impl Serialize for FrameMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let frames = Frames {
            geometry: self.geometry(),
            readers_only: self.file().is_for_readers(),
            filled: self.file().is_filled(),
        };
        frames.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FrameMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let it = Frames::deserialize(deserializer)?;
        let geometry = checked(it.geometry)?;
        let made = match it.filled {
            true => Self::create_filled(geometry),
            false => Self::create(geometry, it.readers_only),
        };
        made.map_err(D::Error::custom)
    }
}

impl Serialize for Lender {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut loans = serializer.serialize_struct("Loans", 4)?;
        loans.serialize_field("words", &**self.memory())?;
        loans.serialize_field("quota", &self.quota())?;
        loans.serialize_field("fills", &self.fills())?;
        loans.serialize_field("samples", &self.samples())?;
        loans.end()
    }
}

/// The ledger is empty.
impl<'de> Deserialize<'de> for Lender {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let it = Loans::deserialize(deserializer)?;
        let lender = Self::new(Arc::new(it.words), it.quota);
        Ok(lender.of_role(it.fills).of_sampler(it.samples))
    }
}

/// For a field with shared memory: `#[serde(with = "onair_ipc::described::shared")]`.
pub mod shared {
    use super::{Arc, Deserialize, Deserializer, Serialize, Serializer};

    /// Describes it.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<T: Serialize, S: Serializer>(
        it: &Arc<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        T::serialize(it, serializer)
    }

    /// Makes it of its description.
    ///
    /// # Errors
    /// The description is invalid, or the kernel has no memory.
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}

/// As [`shared`], for a list.
pub mod all_shared {
    use super::{Arc, Deserialize, Deserializer, Serialize, Serializer};

    /// Describes them.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<T: Serialize, S: Serializer>(
        all: &[Arc<T>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(all.iter().map(|it| &**it))
    }

    /// Makes them of their descriptions.
    ///
    /// # Errors
    /// As [`shared::deserialize`](super::shared::deserialize).
    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Arc<T>>, D::Error> {
        let all = Vec::<T>::deserialize(deserializer)?;
        Ok(all.into_iter().map(Arc::new).collect())
    }
}
