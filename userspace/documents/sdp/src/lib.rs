//! Session descriptions (SDP, RFC 8866) of ST 2110 essences, as typed values: parsed and written.
//!
//! The lines of RFC 8866, and the attributes of ST 2110: formats (`fmtp`) of ST 2110-20, -22, -30, -31 and -40, clocks
//! (RFC 7273), source filters (RFC 4570), and duplicate legs (RFC 7104). No I/O, and no decision about what OnAir
//! carries, except [`Media::format`] and [`SessionDescription::streams`].
//!
//! Each part that is read ends in one of three ways: *carried*, in a typed value that a session has; *noted*, with a reason
//! ([`Notes`]); or *fatal*, an [`SdpError`] with line and parameter. Fatal are only size, rate, sampling, depth, scan,
//! address, port, payload type and coding, where they are missing or impossible. Any bytes may come in: they never cause
//! a panic.
#![forbid(unsafe_code)]

mod carried;
mod clock;
mod description;
mod error;
mod essence;
mod fmtp;
mod rate;
pub mod session;
mod text;
mod words;

pub use carried::streams::{NoneChosen, Stream};
pub use carried::{NoFormat, NotCarried};
pub use clock::{MediaClock, ReferenceClock};
pub use description::{Essence, Media, Origin, SessionDescription, UnreadMedia};
pub use error::Notes;
pub use error::{Fault, SdpError};
pub use essence::ancillary::{Ancillary, AncillaryStandard, TransmissionModel};
pub use essence::audio::{Aes3, Audio, PcmDepth};
pub use essence::compressed::Compressed;
pub use essence::video::DescribedVideo;
pub use onair_essence::audio::{ChannelGroup, ChannelOrder};
pub use rate::DescribedRate;
pub use words::Word;
