//! The words of IS-04 for a format.

use onair_essence::video::FrameRate;
use serde_json::{Map, Value, json};

/// What the resources of a session say of its format.
pub(in crate::resources) struct Described {
    /// The last part of `format`.
    pub(in crate::resources) format: &'static str,
    /// Media type.
    pub(in crate::resources) media_type: &'static str,
    /// Units of a second of media, where there are any.
    pub(in crate::resources) grain_rate: Option<Value>,
    /// Fields of the source.
    pub(in crate::resources) source: Map<String, Value>,
    /// Fields of the flow; `None` of a format that IS-04 has no words for.
    pub(in crate::resources) flow: Option<Map<String, Value>>,
    /// Fields of the sender.
    pub(in crate::resources) sender: Map<String, Value>,
    /// What a receiver takes (BCP-004-01).
    pub(in crate::resources) constraints: Map<String, Value>,
}

/// Any of `values`.
pub(in crate::resources) fn constraint(values: impl IntoIterator<Item = Value>) -> Value {
    json!({"enum": values.into_iter().collect::<Vec<_>>()})
}

/// A rate as a fraction.
pub(super) fn fraction(rate: FrameRate) -> Value {
    json!({"numerator": rate.numerator(), "denominator": rate.denominator()})
}

/// The fields of an object.
pub(super) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
