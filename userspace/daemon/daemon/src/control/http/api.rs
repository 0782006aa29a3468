//! State of the handlers.

use axum::body::Bytes;
use onair_settings::access::authority::Authority;

use super::limits::Limits;
use super::replay::Replays;
use crate::control::handle::ControlHandle;
use crate::shutdown::ShutdownCoordinator;
use crate::takeover::Takeover;

/// The state that every handler has.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) handle: ControlHandle,
    pub(super) authority: Authority,
    pub(super) limits: Limits,
    pub(super) shutdown: ShutdownCoordinator,
    pub(super) takeover: Takeover,
    /// Its own description.
    pub(super) openapi: Bytes,
    pub(super) replays: Replays,
}
