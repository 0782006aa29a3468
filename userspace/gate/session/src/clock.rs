//! An instant as a number, for a trace.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The zero of a process's traces: an instant means nothing in another process.
fn zero() -> Instant {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    *ZERO.get_or_init(Instant::now)
}

/// Nanoseconds since the zero.
pub(crate) fn ns(at: Instant) -> i64 {
    let zero = zero();
    let ns = |it: Duration| i64::try_from(it.as_nanos()).unwrap_or(i64::MAX);
    match at.checked_duration_since(zero) {
        Some(since) => ns(since),
        None => -ns(zero - at),
    }
}

fn instant<E: serde::de::Error>(ns: i64) -> Result<Instant, E> {
    let apart = Duration::from_nanos(ns.unsigned_abs());
    let at = match ns {
        0.. => zero().checked_add(apart),
        _ => zero().checked_sub(apart),
    };
    at.ok_or_else(|| E::custom("the time is too far away"))
}

/// `#[serde(with = "…")]` for an instant.
pub(crate) mod at {
    use std::time::Instant;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(at: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(super::ns(*at))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Instant, D::Error> {
        super::instant(i64::deserialize(deserializer)?)
    }
}

/// As [`at`], if there is one.
pub(crate) mod maybe_at {
    use std::time::Instant;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        at: &Option<Instant>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(super::ns).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Instant>, D::Error> {
        let ns = Option::<i64>::deserialize(deserializer)?;
        ns.map(super::instant).transpose()
    }
}
