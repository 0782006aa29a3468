//! A unit of a group's member: loaned, or a copy of it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use onair_pixels::{ConvertError, PixelFormat};

use crate::layout::Pictured as _;
use crate::{AnySession, Contents, Field, OwnedBuffer, Status};

/// A unit of a member: a frame or field, a block of samples, the ANC packets of a frame. It is the member's buffer,
/// which its drop returns; or a copy, if this process has half of the member's quota already.
///
/// ```no_run
/// # fn show(unit: &onair::Unit) {
/// let name = unit.session().name();
/// println!("{name}: {} bytes of {:?}", unit.len(), unit.media_time_ns());
/// # }
/// ```
pub struct Unit {
    member: usize,
    facts: Facts,
    bytes: Held,
}

#[derive(Clone, Copy)]
struct Facts {
    number: u64,
    rtp_timestamp: u32,
    media_time_ns: Option<u64>,
    first_packet_ns: u64,
    status: Status,
    field: Option<Field>,
}

enum Held {
    Loan(OwnedBuffer<Contents>),
    Copy(Arc<AnySession>, Vec<u8>),
}

impl Unit {
    pub(super) fn of(member: usize, buffer: OwnedBuffer<Contents>) -> Self {
        let facts = Facts {
            number: buffer.number(),
            rtp_timestamp: buffer.rtp_timestamp(),
            media_time_ns: buffer.media_time_ns(),
            first_packet_ns: buffer.first_packet_ns(),
            status: buffer.status(),
            field: buffer.field(),
        };
        let session = buffer.session();
        // The other half of the quota is for what comes next.
        let bytes = match session.buffers_held() * 2 > session.quota() {
            true => Held::Copy(Arc::clone(session), buffer.to_vec()),
            false => Held::Loan(buffer),
        };
        Self {
            member,
            facts,
            bytes,
        }
    }

    /// Index of its member in [`Group::members`](crate::Group::members).
    #[must_use]
    pub const fn member(&self) -> usize {
        self.member
    }

    /// The member's session that it came from.
    #[must_use]
    pub fn session(&self) -> &Arc<AnySession> {
        match &self.bytes {
            Held::Loan(buffer) => buffer.session(),
            Held::Copy(session, _) => session,
        }
    }

    /// Meaning of its bytes.
    #[must_use]
    pub fn contents(&self) -> &Contents {
        self.session().layout()
    }

    /// As [`Buffer::number`](crate::Buffer::number).
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.facts.number
    }

    /// As [`Buffer::rtp_timestamp`](crate::Buffer::rtp_timestamp).
    #[must_use]
    pub const fn rtp_timestamp(&self) -> u32 {
        self.facts.rtp_timestamp
    }

    /// As [`Buffer::media_time_ns`](crate::Buffer::media_time_ns): its place in the order of the group.
    #[must_use]
    pub const fn media_time_ns(&self) -> Option<u64> {
        self.facts.media_time_ns
    }

    /// As [`Buffer::first_packet_ns`](crate::Buffer::first_packet_ns).
    #[must_use]
    pub const fn first_packet_ns(&self) -> u64 {
        self.facts.first_packet_ns
    }

    /// As [`Buffer::status`](crate::Buffer::status).
    #[must_use]
    pub const fn status(&self) -> Status {
        self.facts.status
    }

    /// As [`Buffer::field`](crate::Buffer::field).
    #[must_use]
    pub const fn field(&self) -> Option<Field> {
        self.facts.field
    }

    /// The loaned buffer; `None`: the unit is a copy.
    #[must_use]
    pub const fn buffer(&self) -> Option<&OwnedBuffer<Contents>> {
        match &self.bytes {
            Held::Loan(buffer) => Some(buffer),
            Held::Copy(..) => None,
        }
    }

    /// As [`Buffer::unpack`](crate::Buffer::unpack).
    ///
    /// # Errors
    /// As there.
    pub fn unpack(&self, format: PixelFormat, pixels: &mut [u8]) -> Result<(), ConvertError> {
        let layout = self.contents().pictures().ok_or(ConvertError::NoPicture)?;
        layout.unpack(self.field(), (self, format), pixels)
    }

    /// As [`Buffer::unpack_lines`](crate::Buffer::unpack_lines).
    ///
    /// # Errors
    /// As there.
    pub fn unpack_lines(&self, format: PixelFormat, pixels: &mut [u8]) -> Result<(), ConvertError> {
        let layout = self.contents().pictures().ok_or(ConvertError::NoPicture)?;
        layout.unpack_lines(self.field(), (self, format), pixels)
    }
}

impl Deref for Unit {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.bytes {
            Held::Loan(buffer) => buffer,
            Held::Copy(_, bytes) => bytes,
        }
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unit")
            .field("session", &self.session().name())
            .field("number", &self.number())
            .field("media_time_ns", &self.media_time_ns())
            .field("is_copy", &matches!(self.bytes, Held::Copy(..)))
            .finish_non_exhaustive()
    }
}
