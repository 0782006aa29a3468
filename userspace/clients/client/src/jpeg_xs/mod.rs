//! Sessions of JPEG XS: their buffers are codestreams.

use onair_essence::jpeg_xs::codestream::{HEAD_BYTES, HeaderError, UnitHeader, boxes_of};
use onair_essence::jpeg_xs::{JpegXsStream, tag};
use onair_ipc::message::Attached;

use crate::carries::{Described, LayoutError};
use crate::{BufferOf, Client, Contents, Error, Field, LenderOf, Session};

/// An attachment to a session of JPEG XS; its layout is the format.
pub type JpegXsSession = Session<JpegXsStream>;

impl Described for JpegXsStream {
    fn of(attached: &Attached) -> Result<Self, LayoutError> {
        let kind = attached.format.kind();
        let stream = attached.format.jpeg_xs();
        let stream = stream.ok_or(LayoutError::Essence(kind.name()))?.clone();
        let bytes = attached.geometry.frame_bytes;
        if stream.bytes == bytes {
            Ok(stream)
        } else {
            Err(LayoutError::Sizes(stream.to_string(), bytes))
        }
    }

    #[inline]
    fn fewer_bytes(&self, tag: impl FnOnce() -> u32) -> Option<usize> {
        tag::bytes(tag())
    }

    fn row(&self) -> (u32, u32) {
        (1, 1)
    }

    fn rate(&self) -> (u32, u32) {
        let rate = self.unit_rate();
        (rate.numerator(), rate.denominator())
    }
}

/// The boxes and the codestream of a frame or field.
#[derive(Clone, Copy, Debug)]
pub struct CodestreamView<'a> {
    bytes: &'a [u8],
    field: Option<Field>,
}

impl<'a> CodestreamView<'a> {
    /// Of a buffer of any essence; `None`: it has none.
    #[must_use]
    pub fn of<S: LenderOf<Layout = Contents>>(buffer: &'a BufferOf<S>) -> Option<Self> {
        let is_jpeg_xs = matches!(buffer.layout(), Contents::JpegXs(_));
        is_jpeg_xs.then(|| Self {
            bytes: buffer,
            field: tag::field(buffer.tag()),
        })
    }

    /// All of it.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Which field it is; `None`: a frame.
    #[must_use]
    pub const fn field(&self) -> Option<Field> {
        self.field
    }

    /// Its headers.
    ///
    /// # Errors
    /// [`HeaderError`]: it has none.
    pub fn header(&self) -> Result<UnitHeader, HeaderError> {
        UnitHeader::parse(&self.bytes[..self.bytes.len().min(HEAD_BYTES)])
    }

    /// The boxes that a sender of this format puts before a codestream that has none.
    #[must_use]
    pub fn boxes_of(stream: &JpegXsStream) -> Vec<u8> {
        boxes_of(stream)
    }

    /// The codestream without the boxes before it.
    ///
    /// # Errors
    /// [`HeaderError`]: it has no headers.
    pub fn codestream(&self) -> Result<&'a [u8], HeaderError> {
        let start = self.header()?.boxes.bytes;
        Ok(&self.bytes[start..])
    }
}

impl<S: LenderOf<Layout = JpegXsStream>> BufferOf<S> {
    /// The boxes and the codestream; of an incomplete buffer with the bytes of an earlier one where some are missing.
    #[must_use]
    pub fn codestream(&self) -> CodestreamView<'_> {
        CodestreamView {
            bytes: self,
            field: tag::field(self.tag()),
        }
    }
}

impl Client {
    /// Attaches this process to a session of JPEG XS, by name or id.
    ///
    /// ```no_run
    /// use onair::{Client, Timeout};
    ///
    /// let session = Client::from_env().attach_jpeg_xs("xs1")?;
    /// let buffer = session.buffer_get(Timeout::NEVER)?;
    /// if buffer.status().is_complete() {
    ///     println!("{} bytes for a decoder", buffer.codestream().codestream()?.len());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Client::attach`]; [`Error::Protocol`] if the session carries no JPEG XS.
    pub fn attach_jpeg_xs(&self, session: &str) -> Result<JpegXsSession, Error> {
        self.attach_of(session, None)
    }
}
