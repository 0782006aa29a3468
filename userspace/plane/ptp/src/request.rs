//! Requests.

use super::{MANAGEMENT, PortIdentity, TLV_AT, TLV_HEAD, VERSION};

/// A data set that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataSet {
    /// The clock itself: identity, domain, number of ports.
    Default,
    /// Offset and path delay.
    Current,
    /// The grandmaster.
    Parent,
    /// Time scale and offset of UTC.
    TimeProperties,
    /// The state of each port.
    Port,
    /// State, interface and kind of timestamps of each port: an extension of linuxptp. It answers
    /// on its socket for writing, not on the read-only one.
    PortProperties,
    /// The hardware clock of each port: an extension of linuxptp 4.0.
    PortHardwareClock,
}

impl DataSet {
    /// Its management id (table 40; for extensions, `tlv.h` of linuxptp).
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::Default => 0x2000,
            Self::Current => 0x2001,
            Self::Parent => 0x2002,
            Self::TimeProperties => 0x2003,
            Self::Port => 0x2004,
            Self::PortProperties => 0xc004,
            Self::PortHardwareClock => 0xc009,
        }
    }

    /// Whether each port of the clock answers for itself.
    #[must_use]
    pub const fn is_of_ports(self) -> bool {
        matches!(
            self,
            Self::Port | Self::PortProperties | Self::PortHardwareClock
        )
    }
}

/// A request to read a data set: it goes no further than to the clock that gets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The data set asked for.
    pub data_set: DataSet,
    /// PTP domain: a clock of another one does not answer.
    pub domain: u8,
    /// Number of the request; its answer has the same.
    pub sequence: u16,
    /// The requester; the answer is addressed to it.
    pub source: PortIdentity,
}

impl Request {
    /// Length of a request, in bytes.
    pub const LENGTH: usize = TLV_AT + TLV_HEAD;

    /// The message (figures 10, 38 and 41).
    #[must_use]
    pub fn bytes(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let mut put = |at: usize, field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
        };
        let length = u16::try_from(Self::LENGTH).expect("it is 54");
        put(0, &[MANAGEMENT, VERSION]);
        put(2, &length.to_be_bytes());
        put(4, &[self.domain]);
        put(20, &self.source.bytes());
        put(30, &self.sequence.to_be_bytes());
        // Control field of management messages, and the interval that they have (tables 23, 24).
        put(32, &[4, 0x7f]);
        put(34, &PortIdentity::ALL.bytes());
        // Boundary hops 0, action GET 0.
        let tlv_type: u16 = 1;
        let tlv_length: u16 = 2;
        put(TLV_AT, &tlv_type.to_be_bytes());
        put(TLV_AT + 2, &tlv_length.to_be_bytes());
        put(TLV_AT + 4, &self.data_set.id().to_be_bytes());
        bytes
    }
}
