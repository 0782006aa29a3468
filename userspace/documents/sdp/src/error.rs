//! Why a text is not a session description of ST 2110.

/// A fault, with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {parameter}: {fault}")]
pub struct SdpError {
    /// Line of the text, from 1.
    pub line: usize,
    /// The parameter, attribute or line type, as it is named in SDP.
    pub parameter: String,
    /// Its fault.
    pub fault: Fault,
}

impl SdpError {
    pub(crate) fn new(line: usize, parameter: impl Into<String>, fault: Fault) -> Self {
        Self {
            line,
            parameter: parameter.into(),
            fault,
        }
    }

    pub(crate) fn invalid(
        line: usize,
        parameter: impl Into<String>,
        value: &str,
        wanted: impl Into<String>,
    ) -> Self {
        let fault = Fault::Invalid {
            value: value.chars().take(80).collect(),
            wanted: wanted.into(),
        };
        Self::new(line, parameter, fault)
    }
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Longer than any description.
    #[error("the text is longer than {0} bytes")]
    TooLong(usize),
    /// It is required and not there.
    #[error("missing")]
    Missing,
    /// It is there twice, with two values.
    #[error("given twice, with two values")]
    Twice,
    /// Its value is wrong.
    #[error("{value:?} is invalid: give {wanted}")]
    Invalid {
        /// The first 80 characters of the value.
        value: String,
        /// The valid values.
        wanted: String,
    },
}
