//! A problem of a session, and its effect on the session's signal.

use onair_api::{SessionProblem, SessionProblemKind as Kind, SignalState};

/// A problem that concerns no packet source.
pub(super) const fn problem(problem: Kind, detail: String) -> SessionProblem {
    SessionProblem {
        problem,
        detail,
        ssrc: None,
        other_ssrc: None,
    }
}

/// The state of the signal while a problem of this kind lasts.
pub(super) const fn signal_during(problem: Kind) -> SignalState {
    match problem {
        Kind::LinkDown
        | Kind::PeerUnresolved
        | Kind::PeerBroadcast
        | Kind::GroupNotJoined
        | Kind::SourceStopped
        | Kind::SourceGone
        | Kind::NoFiller
        | Kind::PollerStalled
        | Kind::NoSignal => SignalState::Absent,
        Kind::WrongFormat => SignalState::Mismatch,
        Kind::TwoSources | Kind::SenderChanged => SignalState::OtherSender,
        // With a leg or a recording that fails, less is protected or kept than is asked for.
        Kind::Impaired | Kind::LegFault | Kind::RecordingLoses => SignalState::Impaired,
        Kind::Timestamps => SignalState::Timestamps,
        // Frames arrive; a client or a switch may do without them.
        Kind::QuerierGone | Kind::SlowClient | Kind::ClientStopped | Kind::DrainBlocked => {
            SignalState::Ok
        }
    }
}
