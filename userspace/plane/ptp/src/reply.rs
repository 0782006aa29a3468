//! Answers.

use super::{
    CurrentData, DataSet, DefaultData, HardwareClock, MANAGEMENT, ParentData, PortIdentity,
    PortProperties, TLV_AT, TimeProperties, VERSION,
};
use onair_net::bytes::u16_at;

/// Action of an answer (table 38).
const RESPONSE: u8 = 2;
/// TLV types (table 34).
const TLV_MANAGEMENT: u16 = 1;
const TLV_ERROR: u16 = 2;
/// Length of a management id, before the data.
const ID_BYTES: usize = 2;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Domain of the clock that answers.
    pub domain: u8,
    /// The port that answers.
    pub source: PortIdentity,
    /// The request's [`super::Request::source`].
    pub target: PortIdentity,
    /// Number of the request.
    pub sequence: u16,
    /// Content of the reply.
    pub content: Content,
}

/// Content of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// [`DataSet::Default`]
    Default(DefaultData),
    /// [`DataSet::Current`]
    Current(CurrentData),
    /// [`DataSet::Parent`]
    Parent(ParentData),
    /// [`DataSet::TimeProperties`]
    TimeProperties(TimeProperties),
    /// [`DataSet::Port`]
    Port(PortProperties),
    /// [`DataSet::PortProperties`]
    PortProperties(PortProperties),
    /// [`DataSet::PortHardwareClock`]
    HardwareClock(HardwareClock),
    /// The clock does not answer that.
    Refused {
        /// Management id that it was asked for.
        about: u16,
        /// Reason (table 72).
        error: u16,
    },
}

impl Content {
    /// The management id that it is an answer to.
    #[must_use]
    pub fn about(&self) -> u16 {
        let data_set = match self {
            Self::Default(_) => DataSet::Default,
            Self::Current(_) => DataSet::Current,
            Self::Parent(_) => DataSet::Parent,
            Self::TimeProperties(_) => DataSet::TimeProperties,
            Self::Port(_) => DataSet::Port,
            Self::PortProperties(_) => DataSet::PortProperties,
            Self::HardwareClock(_) => DataSet::PortHardwareClock,
            Self::Refused { about, .. } => return *about,
        };
        data_set.id()
    }
}

/// Why a message is not an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// Fewer bytes than its fields require.
    #[error("the message is truncated")]
    Truncated,
    /// Of another version of the protocol.
    #[error("the message is of version {0} of PTP, not 2")]
    Version(u8),
    /// Not a management message, or not an answer.
    #[error("the message is no answer to a management message")]
    Kind,
    /// A data set that is never asked for.
    #[error("the message has a TLV that was not asked for")]
    Tlv,
    /// A field has a value that no clock may give it.
    #[error("a field of the data set is invalid")]
    Field,
}

impl Reply {
    /// Parses a datagram.
    ///
    /// # Errors
    /// [`Reject`]: the first reason that applies.
    pub fn parse(datagram: &[u8]) -> Result<Self, Reject> {
        let length = u16_at(datagram, 2).ok_or(Reject::Truncated)?;
        let bytes = datagram.get(..length.into()).ok_or(Reject::Truncated)?;
        let byte = |at: usize| bytes.get(at).copied().ok_or(Reject::Truncated);
        let (kind, version) = (byte(0)? & 0x0f, byte(1)? & 0x0f);
        if version != VERSION {
            return Err(Reject::Version(version));
        }
        if kind != MANAGEMENT || byte(46)? & 0x0f != RESPONSE {
            return Err(Reject::Kind);
        }
        let word = |at| u16_at(bytes, at).ok_or(Reject::Truncated);
        let port = |at| PortIdentity::read(bytes, at).ok_or(Reject::Truncated);
        let tlv_length = usize::from(word(TLV_AT + 2)?);
        let tlv = bytes.get(TLV_AT + 4..TLV_AT + 4 + tlv_length);
        let tlv = tlv.ok_or(Reject::Truncated)?;
        Ok(Self {
            domain: byte(4)?,
            source: port(20)?,
            target: port(34)?,
            sequence: word(30)?,
            content: content(word(TLV_AT)?, tlv)?,
        })
    }
}

/// The TLV without its type and length.
fn content(tlv_type: u16, tlv: &[u8]) -> Result<Content, Reject> {
    let word = |at| u16_at(tlv, at).ok_or(Reject::Truncated);
    if tlv_type == TLV_ERROR {
        return Ok(Content::Refused {
            error: word(0)?,
            about: word(2)?,
        });
    }
    if tlv_type != TLV_MANAGEMENT {
        return Err(Reject::Tlv);
    }
    let id = word(0)?;
    let data = &tlv[ID_BYTES..];
    let is = |data_set: DataSet| id == data_set.id();
    let content = if is(DataSet::Default) {
        DefaultData::read(data).map(Content::Default)
    } else if is(DataSet::Current) {
        CurrentData::read(data).map(Content::Current)
    } else if is(DataSet::Parent) {
        ParentData::read(data).map(Content::Parent)
    } else if is(DataSet::TimeProperties) {
        TimeProperties::read(data).map(Content::TimeProperties)
    } else if is(DataSet::Port) {
        PortProperties::read_standard(data).map(Content::Port)
    } else if is(DataSet::PortProperties) {
        PortProperties::read(data).map(Content::PortProperties)
    } else if is(DataSet::PortHardwareClock) {
        HardwareClock::read(data).map(Content::HardwareClock)
    } else {
        return Err(Reject::Tlv);
    };
    content.ok_or(Reject::Field)
}
