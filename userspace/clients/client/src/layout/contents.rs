//! Contents of a session's buffers, if the caller knows them only at run time.

use std::fmt;

use onair_essence::ancillary::AncillaryStream;
use onair_essence::audio::AudioFormat;
use onair_essence::jpeg_xs::JpegXsStream;
use onair_ipc::message::Attached;
use onair_pixels::PixelFormat;

use super::Layout;
use crate::carries::{Carries, Described, LayoutError};

/// Contents of a session's buffers, of any essence: for bindings and tools.
///
/// ```no_run
/// use onair::{Client, Contents, Timeout};
///
/// let session = Client::from_env().attach_of::<Contents>("studio", None)?;
/// match session.layout() {
///     Contents::Video(layout) => println!("{}", layout.video),
///     Contents::Audio(format) => println!("{format}"),
///     Contents::Ancillary(stream) => println!("{stream}"),
///     Contents::JpegXs(stream) => println!("{stream}"),
/// }
/// # Ok::<(), onair::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Pictures.
    Video(Layout),
    /// Blocks of samples.
    Audio(AudioFormat),
    /// ANC packets.
    Ancillary(AncillaryStream),
    /// Codestreams of JPEG XS.
    JpegXs(JpegXsStream),
}

impl Contents {
    /// Name of the essence: "video", "audio", "ancillary" or `"jpeg_xs"`.
    #[must_use]
    pub const fn essence(&self) -> &'static str {
        match self {
            Self::Video(_) => "video",
            Self::Audio(_) => "audio",
            Self::Ancillary(_) => "ancillary",
            Self::JpegXs(_) => "jpeg_xs",
        }
    }

    /// Whether units have the same bytes in the same places: what a sender says of its pictures may differ.
    pub(crate) fn has_same_bytes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Video(own), Self::Video(other)) => {
                let appearance = other.appearance;
                Layout { appearance, ..*own } == *other
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Video(layout) => layout.video.fmt(f),
            Self::Audio(format) => format.fmt(f),
            Self::Ancillary(stream) => stream.fmt(f),
            Self::JpegXs(stream) => stream.fmt(f),
        }
    }
}

/// `$body` of what is there.
macro_rules! each {
    ($contents:expr, $it:ident => $body:expr) => {
        match $contents {
            Contents::Video($it) => $body,
            Contents::Audio($it) => $body,
            Contents::Ancillary($it) => $body,
            Contents::JpegXs($it) => $body,
        }
    };
}

impl Described for Contents {
    fn of(attached: &Attached) -> Result<Self, LayoutError> {
        if attached.format.audio().is_some() {
            return AudioFormat::of(attached).map(Self::Audio);
        }
        if attached.format.ancillary().is_some() {
            return AncillaryStream::of(attached).map(Self::Ancillary);
        }
        if attached.format.jpeg_xs().is_some() {
            return JpegXsStream::of(attached).map(Self::JpegXs);
        }
        Layout::of(attached).map(Self::Video)
    }

    #[inline]
    fn fewer_bytes(&self, tag: impl FnOnce() -> u32) -> Option<usize> {
        each!(self, it => it.fewer_bytes(tag))
    }

    fn row(&self) -> (u32, u32) {
        each!(self, it => it.row())
    }

    fn rate(&self) -> (u32, u32) {
        each!(self, it => it.rate())
    }

    fn pixel_format(&self) -> Option<PixelFormat> {
        each!(self, it => it.pixel_format())
    }
}

/// Contents that may be pictures: a [`Layout`], or [`Contents`].
pub trait Pictured: Carries {
    /// Their layout; `None`: it has something else.
    fn pictures(&self) -> Option<&Layout>;
}

impl Pictured for Layout {
    fn pictures(&self) -> Option<&Self> {
        Some(self)
    }
}

impl Pictured for Contents {
    fn pictures(&self) -> Option<&Layout> {
        match self {
            Self::Video(layout) => Some(layout),
            Self::Audio(_) | Self::Ancillary(_) | Self::JpegXs(_) => None,
        }
    }
}
