//! Why a video cannot be sent.

use crate::essence::OfField;
use crate::video::SenderType;
use crate::video::pattern::PatternError;
use crate::video::st2110_20::PacketiseError;

/// Why a video cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum VideoNotSendable {
    /// The packets cannot carry it.
    #[error(transparent)]
    Packets(#[from] PacketiseError),
    /// The sender type allows fewer packets at once.
    #[error(
        "CMAX {given} is above what a sender of type {sender} may have with this video, {most}: give 1 to {most} \
         or leave it out (ST 2110-21 §6.6.1)"
    )]
    Cmax {
        /// The wanted CMAX.
        given: u32,
        /// CMAX of the type.
        most: u64,
        /// The type.
        sender: SenderType,
    },
    /// The pattern does not fit.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl OfField for VideoNotSendable {
    fn field(&self) -> Option<&'static str> {
        matches!(self, Self::Cmax { .. }).then_some("video.cmax")
    }
}
