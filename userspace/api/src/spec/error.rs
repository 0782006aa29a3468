//! Errors of a specification, by field.

use serde::{Deserialize, Serialize};

/// One invalid field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{field}: {problem}")]
pub struct SpecError {
    /// Path of the field in the document, with dots.
    #[cfg_attr(feature = "openapi", schema(examples("video.width")))]
    pub field: String,
    /// The value, what is wrong with it, and a valid value.
    #[cfg_attr(
        feature = "openapi",
        schema(examples("1281 is odd: 4:2:2 carries pixels in pairs, give an even width"))
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
