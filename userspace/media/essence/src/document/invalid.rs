//! Faults of a specification, by field.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// One invalid field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{field}: {problem}")]
pub struct SpecError {
    /// Path of the field in the document, with dots.
    #[cfg_attr(feature = "openapi", schema(examples("flow.payload_type")))]
    pub field: String,
    /// The value, what is wrong with it, and a valid value.
    #[cfg_attr(
        feature = "openapi",
        schema(examples("200 is not a dynamic payload type (RFC 3551 §6): give 96 to 127"))
    )]
    pub problem: String,
}

impl SpecError {
    /// A problem with `field` (a path with dots).
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

/// All invalid fields of a specification; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecErrors(pub Vec<SpecError>);

impl std::fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecErrors {}

/// Collects problems.
#[derive(Debug, Default)]
pub struct Problems(Vec<SpecError>);

impl Problems {
    /// The value, or notes the problem of `field` (a path with dots).
    pub fn take<T, E: std::error::Error>(
        &mut self,
        field: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        result
            .map_err(|e| self.0.push(SpecError::new(field, e.to_string())))
            .ok()
    }

    /// Notes what was found elsewhere.
    pub fn extend(&mut self, errors: SpecErrors) {
        self.0.extend(errors.0);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Problems> for SpecErrors {
    fn from(problems: Problems) -> Self {
        Self(problems.0)
    }
}

/// A number is out of range.
#[derive(Debug, thiserror::Error)]
#[error("{given} is out of range: give {least} to {most}{unit}")]
pub struct OutOfRange {
    given: u64,
    least: u64,
    most: u64,
    unit: &'static str,
}

/// The number, if it is in `range`; `unit` follows in the message.
///
/// # Errors
/// [`OutOfRange`].
pub fn within<T>(given: T, range: RangeInclusive<T>, unit: &'static str) -> Result<T, OutOfRange>
where
    T: Copy + PartialOrd + Into<u64>,
{
    if range.contains(&given) {
        return Ok(given);
    }
    let (least, most) = (*range.start(), *range.end());
    Err(OutOfRange {
        given: given.into(),
        least: least.into(),
        most: most.into(),
        unit,
    })
}
