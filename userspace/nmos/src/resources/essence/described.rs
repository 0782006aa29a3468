//! The words of IS-04 for a format.

use onair_essence::video::FrameRate;
use serde_json::{Value, json};

/// What the resources of a session say of its format. Fields are those of an object, or null.
pub(in crate::resources) struct Described {
    /// The last part of `format`.
    pub(in crate::resources) format: &'static str,
    /// Media type.
    pub(in crate::resources) media_type: &'static str,
    /// `grain_rate`, if there are units of a second of media.
    pub(in crate::resources) rate: Value,
    /// Fields of the source.
    pub(in crate::resources) source: Value,
    /// Fields of the flow; `None` of a format that IS-04 has no words for.
    pub(in crate::resources) flow: Option<Value>,
    /// Fields of the sender.
    pub(in crate::resources) sender: Value,
    /// What a receiver takes (BCP-004-01).
    pub(in crate::resources) constraints: Value,
}

/// Any of `values`.
pub(in crate::resources) fn constraint(values: impl IntoIterator<Item = Value>) -> Value {
    json!({"enum": values.into_iter().collect::<Vec<_>>()})
}

/// A rate as a fraction.
pub(super) fn fraction(rate: FrameRate) -> Value {
    json!({"numerator": rate.numerator(), "denominator": rate.denominator()})
}
