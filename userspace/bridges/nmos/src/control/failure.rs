//! Why a command fails.

/// `NcMethodResultError`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The message is none of IS-12.
    #[error("no message of IS-12: {0}")]
    Format(String),
    /// No such object.
    #[error("no object has the oid {0}: the members of a block have theirs")]
    Oid(u64),
    /// No such property.
    #[error("the class {0} has no such property: the class manager lists those it has")]
    Property(&'static str),
    /// No such method.
    #[error("the class {0} has no such method: the class manager lists those it has")]
    Method(&'static str),
    /// The property never changes by a command.
    #[error("{0} is read-only")]
    ReadOnly(&'static str),
    /// No such item.
    #[error("{0} has no item {1}")]
    Index(&'static str, u64),
    /// An argument cannot be taken.
    #[error("argument {0}: {1}")]
    Argument(&'static str, String),
    /// Not possible for this object.
    #[error("{0}")]
    Invalid(String),
    /// The answer to several commands would be too long.
    #[error("the answer is too long: send fewer commands in one message")]
    TooLong,
}

impl Failure {
    /// `NcMethodStatus`.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Format(_) => 400,
            Self::Oid(_) => 404,
            Self::ReadOnly(_) => 405,
            Self::Invalid(_) => 406,
            Self::TooLong => 413,
            Self::Index(..) => 414,
            Self::Argument(..) => 417,
            Self::Method(_) => 501,
            Self::Property(_) => 502,
        }
    }
}
