//! What is remembered of packets that may be of JPEG XS.

use crate::ancillary::unit::Signalled;
use crate::jpeg_xs::codestream::UnitHeader;
use crate::jpeg_xs::rfc9134::{HEADER_BYTES, PayloadHeader};

/// What the packets of a stream show, if it is JPEG XS.
#[derive(Debug, Clone, Default)]
pub(super) struct Codestreams {
    /// The headers of the first unit that shows some.
    pub(super) first: Option<(PayloadHeader, UnitHeader)>,
    /// A second field came.
    pub(super) interlaced: bool,
    /// Bytes since the last marker.
    bytes: u64,
    /// Most bytes from marker to marker.
    pub(super) most: u64,
}

impl Codestreams {
    /// Adds a payload; `payload_bytes` are its bytes on the wire.
    pub(super) fn add(&mut self, payload: &[u8], payload_bytes: usize, marker: bool) {
        let Ok((header, data)) = PayloadHeader::parse(payload) else {
            return;
        };
        self.interlaced |= header.field == Signalled::Second;
        self.bytes += payload_bytes.saturating_sub(HEADER_BYTES) as u64;
        if marker {
            self.most = self.most.max(self.bytes);
            self.bytes = 0;
        }
        if self.first.is_none() && header.place() == 0 {
            let unit = UnitHeader::parse(data).ok();
            self.first = unit.map(|unit| (header, unit));
        }
    }
}
