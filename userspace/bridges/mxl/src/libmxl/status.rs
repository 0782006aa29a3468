//! Statuses of libmxl.

/// `mxlStatus`, but `MXL_STATUS_OK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Status {
    /// The library does not say more: its log does, with `MXL_LOG_LEVEL=debug`.
    #[error("the library failed (MXL_ERR_UNKNOWN)")]
    Unknown,
    /// No such flow.
    #[error("no such flow (MXL_ERR_FLOW_NOT_FOUND)")]
    NotFound,
    /// Its place in the ring has a later grain.
    #[error("the grain was overwritten (MXL_ERR_OUT_OF_RANGE_TOO_LATE)")]
    TooLate,
    /// It is not written yet.
    #[error("the grain is not written yet (MXL_ERR_OUT_OF_RANGE_TOO_EARLY)")]
    TooEarly,
    /// It did not come in time.
    #[error("nothing came in time (MXL_ERR_TIMEOUT)")]
    TimedOut,
    /// The flow's files were removed or replaced.
    #[error("the flow was removed or replaced (MXL_ERR_FLOW_INVALID)")]
    FlowInvalid,
    /// The file system forbids it.
    #[error("permission denied (MXL_ERR_PERMISSION_DENIED)")]
    Denied,
    /// Another one, by its number.
    #[error("mxlStatus {0}")]
    Other(i32),
}

impl Status {
    /// Of a status code.
    pub(super) const fn check(code: i32) -> Result<(), Self> {
        Err(match code {
            0 => return Ok(()),
            1 => Self::Unknown,
            2 => Self::NotFound,
            3 => Self::TooLate,
            4 => Self::TooEarly,
            7 => Self::TimedOut,
            10 => Self::Denied,
            11 => Self::FlowInvalid,
            code => Self::Other(code),
        })
    }
}
