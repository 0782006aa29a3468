//! The subject of a request, in its path.

use std::fmt::Debug;

use super::entry::{Parameter, ParameterKind};
use crate::group_name::{GroupName, GroupNameError};
use crate::id::{IdError, SessionRef};
use crate::problem::{Problem, ProblemCode};
use crate::recording::{RecordingError, RecordingRef};

/// The subject of a request: the values of the variables of its path, in order.
pub trait Target: Debug + Sized + Send {
    /// The variables.
    const VARIABLES: &'static [Parameter];
    /// Errors of each request about such a subject.
    const ERRORS: &'static [ProblemCode];

    /// Parses the values.
    ///
    /// # Errors
    /// `invalid_request`: a value is malformed.
    fn parse(values: &[String]) -> Result<Self, Problem>;

    /// The values as text.
    fn values(&self) -> Vec<String>;
}

const OF_SESSION: &[ProblemCode] = &[ProblemCode::NoSuchSession, ProblemCode::StaleSession];

const SESSION: Parameter = Parameter::path("id", ParameterKind::Name, "A session's id or name.");

/// The variable of a path that also names sessions that are gone.
pub(super) const LAST_SESSION: &[Parameter] = &[Parameter::path(
    "id",
    ParameterKind::Name,
    "A session's id, or a name: the last of that name.",
)];

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemCode::InvalidRequest, detail)
}

/// The value at `index`; the router gives one for each variable.
fn value(values: &[String], index: usize) -> &str {
    values.get(index).map_or("", String::as_str)
}

impl Target for () {
    const VARIABLES: &'static [Parameter] = &[];
    const ERRORS: &'static [ProblemCode] = &[];

    fn parse(_: &[String]) -> Result<Self, Problem> {
        Ok(())
    }

    fn values(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Target for SessionRef {
    const VARIABLES: &'static [Parameter] = &[SESSION];
    const ERRORS: &'static [ProblemCode] = OF_SESSION;

    fn parse(values: &[String]) -> Result<Self, Problem> {
        let session = value(values, 0).parse();
        session.map_err(|error: IdError| invalid(error.to_string()))
    }

    fn values(&self) -> Vec<String> {
        vec![self.to_string()]
    }
}

impl Target for GroupName {
    const VARIABLES: &'static [Parameter] = &[Parameter::path(
        "group",
        ParameterKind::Name,
        "A group's name.",
    )];
    const ERRORS: &'static [ProblemCode] = &[ProblemCode::NoSuchGroup];

    fn parse(values: &[String]) -> Result<Self, Problem> {
        let group = value(values, 0).parse();
        group.map_err(|error: GroupNameError| invalid(error.to_string()))
    }

    fn values(&self) -> Vec<String> {
        vec![self.to_string()]
    }
}

/// An attachment, by its session and its number.
impl Target for (SessionRef, u64) {
    const VARIABLES: &'static [Parameter] = &[
        SESSION,
        Parameter::path(
            "attachment",
            ParameterKind::Number,
            "An attachment's number.",
        ),
    ];
    const ERRORS: &'static [ProblemCode] = OF_SESSION;

    fn parse(values: &[String]) -> Result<Self, Problem> {
        let text = value(values, 1);
        let number = text
            .parse()
            .map_err(|_| invalid(format!("{text:?} is not an attachment's number")))?;
        Ok((SessionRef::parse(values)?, number))
    }

    fn values(&self) -> Vec<String> {
        vec![self.0.to_string(), self.1.to_string()]
    }
}

impl Target for RecordingRef {
    const VARIABLES: &'static [Parameter] = &[Parameter::path(
        "id",
        ParameterKind::Name,
        "A recording's id, or a name: the last of that name.",
    )];
    const ERRORS: &'static [ProblemCode] = &[ProblemCode::NoSuchRecording];

    fn parse(values: &[String]) -> Result<Self, Problem> {
        let recording = value(values, 0).parse();
        recording.map_err(|error: RecordingError| invalid(error.to_string()))
    }

    fn values(&self) -> Vec<String> {
        vec![self.to_string()]
    }
}

/// The code of the page about a problem; any text is looked up.
impl Target for String {
    const VARIABLES: &'static [Parameter] = &[Parameter::path(
        "code",
        ParameterKind::Text,
        "A problem's code.",
    )];
    const ERRORS: &'static [ProblemCode] = &[ProblemCode::NotFound];

    fn parse(values: &[String]) -> Result<Self, Problem> {
        Ok(value(values, 0).to_owned())
    }

    fn values(&self) -> Vec<String> {
        vec![self.clone()]
    }
}
