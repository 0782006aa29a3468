//! The stage of a connection, and the stage after a request.

use std::os::fd::OwnedFd;

use onair_engine::inputs::Reservation;
use onair_ipc::message::{Attach, Response};
use onair_probe::{Armed, Probe};
use tokio::time::Instant;

use super::places::TakenPlace;

/// The stage of a connection.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has not sent hello.
    New,
    /// It may create and attach.
    Ready,
    /// It was given a token.
    Proving(Box<Proving>),
    /// It carries an attachment.
    Attached,
}

/// The client's wish. As of [`Attach`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    pub(super) after: Option<u32>,
    pub(super) fills: bool,
    pub(super) samples: bool,
}

impl From<&Attach> for Role {
    fn from(attach: &Attach) -> Self {
        Self {
            after: attach.after,
            fills: attach.fills,
            samples: attach.samples,
        }
    }
}

/// A client that was given a token.
#[derive(Debug)]
pub(super) struct Proving {
    pub(super) reservation: Reservation,
    pub(super) role: Role,
    pub(super) probe: Probe,
    pub(super) token: u64,
    pub(super) armed: Armed,
    /// Its place among the user's clients that are being proven.
    pub(super) _place: TakenPlace,
    /// When the challenge was sent.
    pub(super) since: Instant,
}

/// The result of handling a request.
pub(super) struct Handled {
    pub(super) response: Response,
    pub(super) descriptors: Vec<OwnedFd>,
    pub(super) stage: Stage,
}

impl Handled {
    pub(super) fn plain(response: impl Into<Response>, stage: Stage) -> Self {
        Self {
            response: response.into(),
            descriptors: Vec::new(),
            stage,
        }
    }
}
