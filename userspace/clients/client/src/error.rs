//! Errors with their errno equivalents.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use onair_api::{Blocker, ProblemCode};
use onair_ipc::caller::{MapError, Refusal};
use onair_ipc::message::{PROTOCOL_MISMATCH, Refused};
use rustix::io::Errno;

/// Errors of the library.
///
/// ```no_run
/// use onair::{Client, Error, Timeout};
///
/// let session = Client::from_env().attach("studio")?;
/// match session.buffer_get(Timeout::millis(20)) {
///     Ok(buffer) => println!("{} bytes", buffer.len()),
///     Err(Error::TimedOut) => println!("no frame yet"),
///     Err(error) => println!("errno {}: {error}", error.errno()),
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `EAGAIN`: the session is stopped, or was stopped while the call waited.
    #[error("the session is stopped; wait_started() waits until it runs again")]
    Stopped,
    /// `ETIMEDOUT`: nothing arrived in time.
    #[error("nothing arrived in time; call again to wait longer")]
    TimedOut,
    /// `ETIMEDOUT`: nothing arrived in time, and nothing can: this process holds its whole quota.
    #[error("this process holds all {quota} buffers of its quota; put one, then call again")]
    AllHeld {
        /// Buffers that it may hold at a time.
        quota: usize,
    },
    /// `ESTALE`: the session, the attachment or the daemon is gone.
    #[error(
        "the session is gone (destroyed, evicted, detached, forked, or the daemon ended); drop it \
         and attach again"
    )]
    Stale,
    /// `EALREADY`: the buffer was put before.
    #[error("the buffer was already put; discard the handle")]
    AlreadyPut,
    /// `EINVAL`: this session did not loan the buffer.
    #[error("this session did not loan the buffer; put it into its own session")]
    NotHeld,
    /// `EINVAL`: frames of a receive session cannot be filled or submitted.
    #[error(
        "session {0:?} gives this process frames to read; use a send session to submit frames, or attach to a local \
         one to fill it"
    )]
    NotASender(String),
    /// `EINVAL`: a frame of a local session is not submitted before it is filled.
    #[error(
        "session {0:?} is local, and its readers get whole frames; fill the frame, then submit it"
    )]
    Local(String),
    /// `EINVAL`: the members of a group receive.
    #[error("session {0:?} sends; attach to each session of a group that sends")]
    NotAReceiver(String),
    /// `EINVAL`: a frame of this session has two fields, and its quota is one buffer.
    #[error(
        "a frame of session {0:?} has two fields, but its quota is 1; create it with a quota of at least 2"
    )]
    OneField(String),
    /// `EINVAL`: the session carries another essence than this call is for.
    #[error("session {session:?} carries {carries}, which this call is not for")]
    OtherEssence {
        /// The session.
        session: String,
        /// Name of the essence.
        carries: &'static str,
    },
    /// `EBUSY`: this process holds buffers or is inside calls, so it cannot detach.
    #[error(
        "{frames} buffers are held and {callers} threads are inside calls; put the buffers, join \
         the threads, and detach again"
    )]
    InUse {
        /// Buffers that this process holds (forgotten guards count).
        frames: usize,
        /// Threads of this process that are inside a call.
        callers: u32,
    },
    /// `EBUSY`: the session has users, so it is not destroyed.
    #[error(transparent)]
    Busy(Box<Busy>),
    /// `EINVAL`: the session was not stopped before destroy.
    #[error("session {0:?} is running; call stop() and join its callers before destroy()")]
    NotStopped(String),
    /// `EACCES`: this process did not create the session, so it may not destroy it.
    #[error(
        "session {0:?} was not created by this process; its owner, or onairctl, may destroy it"
    )]
    NotOwner(String),
    /// `ENOENT`: no such session.
    #[error("there is no session {name:?}: {message}")]
    NoSession {
        /// The requested name or id.
        name: String,
        /// The daemon's message.
        message: String,
    },
    /// `ESHUTDOWN`: the daemon is shutting down.
    #[error("the daemon is shutting down: {0}")]
    ShuttingDown(String),
    /// The daemon refused for another reason; the code determines the errno.
    #[error("{message} ({code})")]
    Refused {
        /// The stable code of the control API.
        code: String,
        /// The daemon's message.
        message: String,
    },
    /// The errno of the connect: no daemon answers at the socket.
    #[error("no daemon answers at {}: {source}; start onaird, and check that this user may use the socket", path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// `ETIMEDOUT`: the daemon did not answer a request.
    #[error("the daemon did not answer within {0:?}; it may be overloaded or wedged")]
    NoAnswer(Duration),
    /// `ESTALE`: the daemon closed the connection.
    #[error("the daemon closed the connection; attach again")]
    Disconnected,
    /// `EPROTO`: the daemon speaks another protocol, or sent a message that this library does not understand.
    #[error("the daemon and this library do not understand each other: {0}; use matching versions")]
    Protocol(String),
    /// `EPROTO`: the daemon sent memory that it could truncate. An access would then kill this
    /// process.
    #[error(
        "the daemon's file {file:?} {why}, so it could kill this process; attach to an onaird that \
         you trust"
    )]
    UnsafeMemory {
        /// The file.
        file: &'static str,
        /// Its fault.
        why: &'static str,
    },
    /// The kernel refused an operation; its errno.
    #[error("cannot {what}: {source}")]
    System {
        /// The operation.
        what: &'static str,
        /// The cause.
        source: io::Error,
    },
}

/// Users that keep a session from being destroyed.
///
/// ```no_run
/// # fn end(session: &onair::Session) {
/// if let Err(onair::Error::Busy(busy)) = session.destroy() {
///     for user in &busy.blockers {
///         println!("{user:?}");
///     }
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Busy {
    /// The daemon's message.
    pub message: String,
    /// Users of the session.
    pub blockers: Vec<Blocker>,
    /// Blockers from a newer daemon that this library cannot read.
    pub unreadable: usize,
    /// Whether the call waited for them until its time passed.
    pub waited: bool,
}

impl Error {
    /// The errno that C programs get, positive.
    #[must_use]
    pub fn errno(&self) -> i32 {
        let errno = match self {
            Self::Stopped => Errno::AGAIN,
            Self::TimedOut | Self::AllHeld { .. } | Self::NoAnswer(_) => Errno::TIMEDOUT,
            Self::Stale | Self::Disconnected => Errno::STALE,
            Self::AlreadyPut => Errno::ALREADY,
            Self::NotHeld
            | Self::NotASender(_)
            | Self::NotAReceiver(_)
            | Self::Local(_)
            | Self::NotStopped(_)
            | Self::OneField(_)
            | Self::OtherEssence { .. } => Errno::INVAL,
            Self::InUse { .. } | Self::Busy(_) => Errno::BUSY,
            Self::NotOwner(_) => Errno::ACCESS,
            Self::NoSession { .. } => Errno::NOENT,
            Self::ShuttingDown(_) => Errno::SHUTDOWN,
            Self::Refused { code, .. } => known(code).map_or(Errno::PROTO, errno_of),
            Self::Protocol(_) | Self::UnsafeMemory { .. } => Errno::PROTO,
            Self::NoDaemon { source, .. } | Self::System { source, .. } => {
                return source.raw_os_error().unwrap_or(Errno::IO.raw_os_error());
            }
        };
        errno.raw_os_error()
    }

    /// Whether another attempt to attach may succeed: the daemon is away, starting or busy, or has no such session yet.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        // The daemon is slow to see this process, or its probe comes back.
        let is_blind =
            matches!(self, Self::Refused { code, .. } if code == ProblemCode::ProbeBlind.as_str());
        let passing = [
            Errno::NOENT,
            Errno::CONNREFUSED,
            Errno::CONNRESET,
            Errno::TIMEDOUT,
            Errno::STALE,
            Errno::BUSY,
            Errno::SHUTDOWN,
            Errno::NOBUFS,
            Errno::DQUOT,
        ];
        is_blind || passing.contains(&Errno::from_raw_os_error(self.errno()))
    }

    /// The error for the daemon's refusal of a request about `session`.
    pub(crate) fn refused(refused: Refused, session: &str) -> Self {
        let Refused {
            code,
            message,
            blockers,
        } = refused;
        if code == PROTOCOL_MISMATCH {
            return Self::Protocol(message);
        }
        match known(&code) {
            Some(
                busy @ (ProblemCode::Busy | ProblemCode::DeadlinePassed | ProblemCode::Quarantined),
            ) => Self::Busy(Box::new(Busy::of(
                message,
                blockers,
                busy == ProblemCode::DeadlinePassed,
            ))),
            Some(ProblemCode::Running) => Self::NotStopped(session.to_owned()),
            Some(ProblemCode::NoSuchSession) => Self::NoSession {
                name: session.to_owned(),
                message,
            },
            Some(ProblemCode::StaleSession) => Self::Stale,
            Some(ProblemCode::ShuttingDown) => Self::ShuttingDown(message),
            _ => Self::Refused { code, message },
        }
    }
}

impl Busy {
    fn of(message: String, blockers: Vec<serde_json::Value>, waited: bool) -> Self {
        let count = blockers.len();
        let blockers: Vec<Blocker> = blockers
            .into_iter()
            .filter_map(|blocker| serde_json::from_value(blocker).ok())
            .collect();
        Self {
            message,
            unreadable: count - blockers.len(),
            blockers,
            waited,
        }
    }
}

impl From<Refusal> for Error {
    #[inline]
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Again => Self::Stopped,
            Refusal::TimedOut => Self::TimedOut,
            Refusal::Stale => Self::Stale,
            Refusal::Already => Self::AlreadyPut,
            Refusal::Invalid => Self::NotHeld,
        }
    }
}

impl From<MapError> for Error {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Contradiction(_) => Self::Protocol(error.to_string()),
            MapError::Unsafe { file, why } => Self::UnsafeMemory { file, why },
            MapError::System(source) => Self::System {
                what: "map the session's memory",
                source,
            },
        }
    }
}

fn known(code: &str) -> Option<ProblemCode> {
    ProblemCode::ALL
        .iter()
        .copied()
        .find(|known| known.as_str() == code)
}

/// Control API code → errno, as in the docs.
fn errno_of(code: ProblemCode) -> Errno {
    match code {
        ProblemCode::InvalidRequest
        | ProblemCode::InvalidSpec
        | ProblemCode::NoPackets
        | ProblemCode::KeyReused => Errno::INVAL,
        ProblemCode::NoSuchSession
        | ProblemCode::NoSuchAttachment
        | ProblemCode::NoSuchGroup
        | ProblemCode::NotConverted
        | ProblemCode::NoSuchRecording => Errno::NOENT,
        ProblemCode::NoPicture | ProblemCode::CertificatePending => Errno::NODATA,
        ProblemCode::StaleSession => Errno::STALE,
        ProblemCode::NoSuchPort => Errno::NODEV,
        ProblemCode::NameTaken => Errno::EXIST,
        ProblemCode::Busy
        | ProblemCode::DeadlinePassed
        | ProblemCode::Quarantined
        | ProblemCode::Draining => Errno::BUSY,
        ProblemCode::Running => Errno::INVAL,
        ProblemCode::Forbidden => Errno::ACCESS,
        ProblemCode::LimitReached | ProblemCode::PollerFull => Errno::DQUOT,
        ProblemCode::DataplaneBusy | ProblemCode::PollerDown | ProblemCode::RequestTimeout => {
            Errno::TIMEDOUT
        }
        ProblemCode::InProgress => Errno::INPROGRESS,
        ProblemCode::PreconditionFailed => Errno::REMCHG,
        ProblemCode::TooLarge | ProblemCode::HeadersTooLarge => Errno::MSGSIZE,
        ProblemCode::Overloaded => Errno::NOBUFS,
        ProblemCode::FramesDropped => Errno::CANCELED,
        ProblemCode::ShuttingDown => Errno::SHUTDOWN,
        ProblemCode::NoConverter => Errno::NOPKG,
        ProblemCode::ProbeBlind | ProblemCode::DiskFailed | ProblemCode::Internal => Errno::IO,
        // No library of this release makes such a request.
        ProblemCode::NotFound
        | ProblemCode::MethodNotAllowed
        | ProblemCode::UnsupportedMediaType
        | ProblemCode::NotReplaced => Errno::PROTO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> Error {
        let refused = Refused {
            code: code.to_owned(),
            message: "words".to_owned(),
            blockers: vec![serde_json::json!({"kind": "of a later version"})],
        };
        Error::refused(refused, "cam1")
    }

    #[test]
    fn refused_codes_then_typed_with_errno() {
        for (code, errno) in [
            ("busy", Errno::BUSY),
            ("deadline_passed", Errno::BUSY),
            ("running", Errno::INVAL),
            ("no_such_session", Errno::NOENT),
            ("stale_session", Errno::STALE),
            ("shutting_down", Errno::SHUTDOWN),
            ("forbidden", Errno::ACCESS),
            ("name_taken", Errno::EXIST),
            ("no_such_group", Errno::NOENT),
            ("probe_blind", Errno::IO),
            ("frames_dropped", Errno::CANCELED),
            ("invalid_request", Errno::INVAL),
            ("no_picture", Errno::NODATA),
            ("unheard_of", Errno::PROTO),
        ] {
            assert_eq!(refused(code).errno(), errno.raw_os_error(), "{code}");
        }
    }

    #[test]
    fn refused_blockers_of_a_later_version_then_counted_not_lost() {
        let Error::Busy(busy) = refused("busy") else {
            panic!("busy");
        };
        assert_eq!((busy.blockers.len(), busy.unreadable), (0, 1));
        assert!(!busy.waited);
    }

    #[test]
    fn calls_refusals_then_distinct_errnos() {
        let all = [
            Refusal::Again,
            Refusal::TimedOut,
            Refusal::Stale,
            Refusal::Already,
            Refusal::Invalid,
        ];
        let mut errnos = all.map(|refusal| Error::from(refusal).errno()).to_vec();
        errnos.dedup();
        assert_eq!(errnos.len(), all.len());
    }
}
