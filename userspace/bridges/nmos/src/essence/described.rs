//! The words of IS-04 for a format.

use onair_essence::video::FrameRate;
use serde_json::{Value, json};

/// Properties of a session's resources that follow from its format. Fields are those of an object, or null.
pub(crate) struct Described {
    /// The last part of `format`.
    pub(crate) format: &'static str,
    /// Media type.
    pub(crate) media_type: &'static str,
    /// `grain_rate`, if there are units of a second of media.
    pub(crate) rate: Value,
    /// Fields of the source.
    pub(crate) source: Value,
    /// Fields of the flow; `None` of a format that IS-04 has no words for.
    pub(crate) flow: Option<Value>,
    /// Fields of the sender.
    pub(crate) sender: Value,
    /// Streams that a receiver takes (BCP-004-01).
    pub(crate) constraints: Value,
}

/// Any of `values`.
pub(crate) fn constraint(values: impl IntoIterator<Item = Value>) -> Value {
    json!({"enum": values.into_iter().collect::<Vec<_>>()})
}

/// A rate as a fraction.
pub(super) fn fraction(rate: FrameRate) -> Value {
    json!({"numerator": rate.numerator(), "denominator": rate.denominator()})
}
