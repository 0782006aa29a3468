//! Session descriptions (SDP, RFC 8866) of ST 2110 essences, as typed values: parsed and written.
//!
//! `sdp-types` reads and writes the lines of RFC 8866. Here are the attributes of ST 2110: formats
//! (`fmtp`) of ST 2110-20, -22, -30, -31 and -40, clocks (RFC 7273), source filters (RFC 4570), and
//! duplicate legs (RFC 7104). No I/O, and no decision about what OnAir carries, except
//! [`DescribedVideo::carried`], [`Media::format`] and [`SessionDescription::chosen`].
//!
//! Parsing accepts what plants send: parameters in any order, trailing semicolons, unknown
//! parameters and attributes, lines that continue on the next one. It refuses what is wrong, with
//! line and parameter. What it accepts although it is wrong is in [`SessionDescription::warnings`].
//! Any bytes may come in: they never cause a panic.
#![forbid(unsafe_code)]

mod carried;
mod clock;
mod description;
mod error;
mod essence;
mod fmtp;
mod rate;
mod text;
mod warning;
mod words;

pub use carried::chosen::{Chosen, NoneChosen};
pub use carried::{NoFormat, NotCarried};
pub use clock::{MediaClock, ReferenceClock};
pub use description::{Essence, Media, Origin, SessionDescription};
pub use error::{Fault, SdpError};
pub use essence::ancillary::{Ancillary, AncillaryStandard, TransmissionModel};
pub use essence::audio::{Aes3, Audio, PcmDepth};
pub use essence::compressed::Compressed;
pub use essence::video::{DescribedVideo, TimestampMode};
pub use onair_essence::audio::{ChannelGroup, ChannelOrder};
pub use rate::DescribedRate;
pub use warning::Warning;
pub use words::Word;
