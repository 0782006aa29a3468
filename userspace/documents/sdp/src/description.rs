//! A session description as values.

use std::net::IpAddr;

use onair_essence::Format;

use crate::clock::{MediaClock, ReferenceClock};
use crate::error::{Notes, SdpError};
use crate::essence::ancillary::Ancillary;
use crate::essence::audio::{Aes3, Audio, described};
use crate::essence::compressed::Compressed;
use crate::essence::video::DescribedVideo;

/// A session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// Its originator.
    pub origin: Origin,
    /// Name of the session.
    pub name: String,
    /// Text for people.
    pub info: Option<String>,
    /// Groups of media that are copies of each other (`group:DUP`, ST 2022-7), by their `mid`.
    pub duplicates: Vec<Vec<String>>,
    /// The media, in order. Both legs of ST 2022-7 are media of their own.
    pub media: Vec<Media>,
    /// Media that cannot be read, beside others that can.
    pub unread: Vec<UnreadMedia>,
    /// Parts of the session level that are read but not carried.
    pub notes: Notes,
}

/// A medium that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadMedia {
    /// Name in groups.
    pub mid: Option<String>,
    /// Its UDP port is 0: the sender does not send it (RFC 8866 §5.14).
    pub is_off: bool,
    /// It is of another protocol than RTP.
    pub is_of_another: bool,
    /// The fault.
    pub error: SdpError,
}

/// The originator of a description (`o=`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// User name; absent for `-`.
    pub user: Option<String>,
    /// Identity of the session.
    pub session: String,
    /// Version of the description.
    pub version: u64,
    /// Address of the machine.
    pub address: String,
}

/// One RTP stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Destination: a multicast group or a receiver's address.
    pub destination: IpAddr,
    /// Destination's UDP port.
    pub port: u16,
    /// Time to live of a multicast group; IPv6 has none in SDP.
    pub ttl: Option<u8>,
    /// RTP payload type, 0 to 127.
    pub payload_type: u8,
    /// The only sources that send (`source-filter: incl`); empty: any.
    pub sources: Vec<IpAddr>,
    /// Bandwidth in kbit/s (`b=AS`).
    pub bandwidth: Option<u64>,
    /// Name in groups.
    pub mid: Option<String>,
    /// Text for people (`i=`).
    pub title: Option<String>,
    /// The sender sends it; not so with `a=inactive`.
    pub is_active: bool,
    /// The clock behind the timestamps.
    pub reference_clock: Option<ReferenceClock>,
    /// How timestamps follow from it.
    pub media_clock: Option<MediaClock>,
    /// Its essence.
    pub essence: Essence,
    /// Line of its `m=`.
    pub line: usize,
    /// Parts of it that are read but not carried.
    pub notes: Notes,
}

/// Essence of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Essence {
    /// ST 2110-20.
    Video(DescribedVideo),
    /// ST 2110-22.
    Compressed(Compressed),
    /// ST 2110-30.
    Audio(Audio),
    /// ST 2110-31.
    Aes3(Aes3),
    /// ST 2110-40.
    Ancillary(Ancillary),
    /// Anything else.
    Other {
        /// Media type, such as `video`.
        kind: String,
        /// Encoding and clock rate, such as `H264/90000`.
        encoding: String,
        /// Parameters; empty if there are none.
        parameters: String,
    },
}

impl Essence {
    /// The essence of a session.
    #[must_use]
    pub fn of(format: &Format) -> Self {
        match format {
            Format::Video(video) => Self::Video((*video).into()),
            Format::Audio(audio) => described(audio, Self::Audio, Self::Aes3),
            Format::Ancillary(ancillary) => Self::Ancillary(ancillary.into()),
            Format::JpegXs(stream) => Self::Compressed(stream.into()),
        }
    }
}
