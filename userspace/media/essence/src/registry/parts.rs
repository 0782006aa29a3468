//! Types with one part for each essence. Written out, so that a name leads to its place; an essence that is missing
//! in a match does not compile.

use std::fmt::{self, Debug};

use serde::{Deserialize, Deserializer, Serialize};

use crate::ancillary::{
    AncillaryDocument, AncillaryStream, AncillaryTiming, ListedAncillary, SeenAncillary,
};
use crate::audio::{AudioDocument, AudioFormat, AudioTiming, ListedAudio, SeenAudio};
use crate::essence::{Essence, Seen};
use crate::invalid::SpecErrors;
use crate::jpeg_xs::{JpegXsDocument, JpegXsStream, JpegXsTiming, ListedJpegXs, SeenJpegXs};
use crate::measure::Measure as _;
use crate::send::Packetise;
use crate::video::{ListedVideo, Picture, VideoDocument, VideoFormat, VideoStream, VideoTiming};

/// Which essence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EssenceKind {
    /// Uncompressed video: ST 2110-20.
    Video,
    /// Audio: ST 2110-30 and -31.
    Audio,
    /// Ancillary data: ST 2110-40.
    Ancillary,
    /// JPEG XS: ST 2110-22.
    JpegXs,
}

impl EssenceKind {
    /// Its name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Ancillary => "ancillary",
            Self::JpegXs => "jpeg_xs",
        }
    }

    /// As [`Essence::NAME`].
    #[must_use]
    pub const fn standard(self) -> &'static str {
        match self {
            Self::Video => VideoStream::NAME,
            Self::Audio => AudioFormat::NAME,
            Self::Ancillary => AncillaryStream::NAME,
            Self::JpegXs => JpegXsStream::NAME,
        }
    }
}

/// A format in JSON, such as `{"video": {…}}`. Only its shape is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FormatDocument {
    /// Uncompressed video: ST 2110-20.
    Video(VideoDocument),
    /// Audio: ST 2110-30 and -31.
    Audio(AudioDocument),
    /// Ancillary data: ST 2110-40.
    Ancillary(AncillaryDocument),
    /// JPEG XS: ST 2110-22.
    JpegXs(JpegXsDocument),
}

impl FormatDocument {
    /// Which essence it is of.
    #[must_use]
    pub const fn kind(&self) -> EssenceKind {
        match self {
            Self::Video(_) => EssenceKind::Video,
            Self::Audio(_) => EssenceKind::Audio,
            Self::Ancillary(_) => EssenceKind::Ancillary,
            Self::JpegXs(_) => EssenceKind::JpegXs,
        }
    }
}

/// Facts about a format that packets show; in JSON without the essence's name, which stands beside it:
/// [`SeenFormat::of_document`] reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum SeenFormat {
    /// Uncompressed video: ST 2110-20.
    Video(Picture),
    /// Audio: ST 2110-30 and -31.
    Audio(SeenAudio),
    /// Ancillary data: ST 2110-40.
    Ancillary(SeenAncillary),
    /// JPEG XS: ST 2110-22.
    JpegXs(SeenJpegXs),
    /// They are of another essence, or show nothing of it yet.
    Nothing {},
}

impl SeenFormat {
    /// The fields of a document for the essence with this name.
    ///
    /// # Errors
    /// They are not what packets of this essence show.
    pub fn of_document<'de, D: Deserializer<'de>>(
        essence: &str,
        fields: D,
    ) -> Result<Self, D::Error> {
        match essence {
            "video" => Picture::deserialize(fields).map(Self::Video),
            "audio" => SeenAudio::deserialize(fields).map(Self::Audio),
            "ancillary" => SeenAncillary::deserialize(fields).map(Self::Ancillary),
            "jpeg_xs" => SeenJpegXs::deserialize(fields).map(Self::JpegXs),
            _ => Ok(Self::Nothing {}),
        }
    }
}

/// For people; empty if they show nothing.
impl fmt::Display for SeenFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Video(it) => fmt::Display::fmt(it, f),
            Self::Audio(it) => fmt::Display::fmt(it, f),
            Self::Ancillary(it) => fmt::Display::fmt(it, f),
            Self::JpegXs(it) => fmt::Display::fmt(it, f),
            Self::Nothing {} => Ok(()),
        }
    }
}

impl Seen for SeenFormat {
    fn flags(&self) -> String {
        match self {
            Self::Video(it) => it.flags(),
            Self::Audio(it) => it.flags(),
            Self::Ancillary(it) => it.flags(),
            Self::JpegXs(it) => it.flags(),
            Self::Nothing {} => String::new(),
        }
    }
}

/// A format in a list of sessions; in JSON without the essence's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum ListedFormat {
    /// Uncompressed video: ST 2110-20.
    Video(ListedVideo),
    /// Audio: ST 2110-30 and -31.
    Audio(ListedAudio),
    /// Ancillary data: ST 2110-40.
    Ancillary(ListedAncillary),
    /// JPEG XS: ST 2110-22.
    JpegXs(ListedJpegXs),
}

/// The timing of packets, measured while they arrive; in JSON without the essence's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
#[expect(clippy::large_enum_variant, reason = "there is one a session")]
pub enum TimingDocument {
    /// Uncompressed video: ST 2110-20.
    Video(VideoTiming),
    /// Audio: ST 2110-30 and -31.
    Audio(AudioTiming),
    /// Ancillary data: ST 2110-40.
    Ancillary(AncillaryTiming),
    /// JPEG XS: ST 2110-22.
    JpegXs(JpegXsTiming),
}

/// Format of a session's units, and how its packets are sent. Always valid. In JSON it is a [`FormatDocument`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "FormatDocument", try_from = "FormatDocument")]
pub enum Format {
    /// Uncompressed video: ST 2110-20.
    Video(VideoStream),
    /// Audio: ST 2110-30 and -31.
    Audio(AudioFormat),
    /// Ancillary data: ST 2110-40.
    Ancillary(AncillaryStream),
    /// JPEG XS: ST 2110-22.
    JpegXs(JpegXsStream),
}

/// Makes units from packets. `S` is the handle of a unit's memory.
#[derive(Debug)]
pub enum Depacketiser<S: Copy + Debug> {
    /// Uncompressed video: ST 2110-20.
    Video(<VideoStream as Essence>::Receive<S>),
    /// Audio: ST 2110-30 and -31.
    Audio(<AudioFormat as Essence>::Receive<S>),
    /// Ancillary data: ST 2110-40.
    Ancillary(<AncillaryStream as Essence>::Receive<S>),
    /// JPEG XS: ST 2110-22.
    JpegXs(<JpegXsStream as Essence>::Receive<S>),
}

/// Makes packets of units.
#[derive(Debug)]
pub enum Packetiser {
    /// Uncompressed video: ST 2110-20.
    Video(<VideoStream as Essence>::Send),
    /// Audio: ST 2110-30 and -31.
    Audio(<AudioFormat as Essence>::Send),
    /// Ancillary data: ST 2110-40.
    Ancillary(<AncillaryStream as Essence>::Send),
    /// JPEG XS: ST 2110-22.
    JpegXs(<JpegXsStream as Essence>::Send),
}

/// One packet of a unit.
#[derive(Debug)]
pub enum Packet<'a> {
    /// Uncompressed video: ST 2110-20.
    Video(<<VideoStream as Essence>::Send as Packetise>::Packet<'a>),
    /// Audio: ST 2110-30 and -31.
    Audio(<<AudioFormat as Essence>::Send as Packetise>::Packet<'a>),
    /// Ancillary data: ST 2110-40.
    Ancillary(<<AncillaryStream as Essence>::Send as Packetise>::Packet<'a>),
    /// JPEG XS: ST 2110-22.
    JpegXs(<<JpegXsStream as Essence>::Send as Packetise>::Packet<'a>),
}

/// The built-in test signal.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a session")]
pub enum Signal {
    /// Uncompressed video: ST 2110-20.
    Video(<VideoStream as Essence>::Signal),
    /// Audio: ST 2110-30 and -31.
    Audio(<AudioFormat as Essence>::Signal),
    /// Ancillary data: ST 2110-40.
    Ancillary(<AncillaryStream as Essence>::Signal),
    /// JPEG XS: ST 2110-22.
    JpegXs(<JpegXsStream as Essence>::Signal),
}

/// Measures the timing of packets.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one a session")]
pub enum Monitor {
    /// Uncompressed video: ST 2110-20.
    Video(<VideoStream as Essence>::Timing),
    /// Audio: ST 2110-30 and -31.
    Audio(<AudioFormat as Essence>::Timing),
    /// Ancillary data: ST 2110-40.
    Ancillary(<AncillaryStream as Essence>::Timing),
    /// JPEG XS: ST 2110-22.
    JpegXs(<JpegXsStream as Essence>::Timing),
}

/// Why a format cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum NotSendable {
    /// Uncompressed video: ST 2110-20.
    #[error(transparent)]
    Video(<VideoStream as Essence>::NotSendable),
    /// Audio: ST 2110-30 and -31.
    #[error(transparent)]
    Audio(<AudioFormat as Essence>::NotSendable),
    /// Ancillary data: ST 2110-40.
    #[error(transparent)]
    Ancillary(<AncillaryStream as Essence>::NotSendable),
    /// JPEG XS: ST 2110-22.
    #[error(transparent)]
    JpegXs(<JpegXsStream as Essence>::NotSendable),
}

impl From<Option<Picture>> for SeenFormat {
    fn from(seen: Option<Picture>) -> Self {
        seen.map_or(Self::Nothing {}, Self::Video)
    }
}

impl From<Option<SeenAudio>> for SeenFormat {
    fn from(seen: Option<SeenAudio>) -> Self {
        seen.map_or(Self::Nothing {}, Self::Audio)
    }
}

impl From<Option<SeenAncillary>> for SeenFormat {
    fn from(seen: Option<SeenAncillary>) -> Self {
        seen.map_or(Self::Nothing {}, Self::Ancillary)
    }
}

impl From<Option<SeenJpegXs>> for SeenFormat {
    fn from(seen: Option<SeenJpegXs>) -> Self {
        seen.map_or(Self::Nothing {}, Self::JpegXs)
    }
}

impl From<FormatDocument> for ListedFormat {
    fn from(document: FormatDocument) -> Self {
        match document {
            FormatDocument::Video(it) => Self::Video(it.into()),
            FormatDocument::Audio(it) => Self::Audio(it.into()),
            FormatDocument::Ancillary(it) => Self::Ancillary(it.into()),
            FormatDocument::JpegXs(it) => Self::JpegXs(it.into()),
        }
    }
}

impl From<VideoStream> for Format {
    fn from(format: VideoStream) -> Self {
        Self::Video(format)
    }
}

impl From<AudioFormat> for Format {
    fn from(format: AudioFormat) -> Self {
        Self::Audio(format)
    }
}

impl From<AncillaryStream> for Format {
    fn from(format: AncillaryStream) -> Self {
        Self::Ancillary(format)
    }
}

impl From<JpegXsStream> for Format {
    fn from(format: JpegXsStream) -> Self {
        Self::JpegXs(format)
    }
}

impl From<Format> for FormatDocument {
    fn from(format: Format) -> Self {
        match format {
            Format::Video(it) => Self::Video(it.into()),
            Format::Audio(it) => Self::Audio(it.into()),
            Format::Ancillary(it) => Self::Ancillary(it.into()),
            Format::JpegXs(it) => Self::JpegXs(it.into()),
        }
    }
}

impl TryFrom<FormatDocument> for Format {
    type Error = SpecErrors;

    fn try_from(document: FormatDocument) -> Result<Self, SpecErrors> {
        match document {
            FormatDocument::Video(it) => VideoStream::check(&it).map(Self::Video),
            FormatDocument::Audio(it) => AudioFormat::check(&it).map(Self::Audio),
            FormatDocument::Ancillary(it) => AncillaryStream::check(&it).map(Self::Ancillary),
            FormatDocument::JpegXs(it) => JpegXsStream::check(&it).map(Self::JpegXs),
        }
    }
}

impl Format {
    /// Whether its payload begins with the upper 16 bits of the sequence number (RFC 4175 §4.3, RFC 8331 §2.1).
    #[must_use]
    pub const fn extends_sequence(&self) -> bool {
        matches!(self, Self::Video(_) | Self::Ancillary(_))
    }

    /// As [`Essence::of_sender`].
    #[must_use]
    pub fn of_sender(self) -> Self {
        match self {
            Self::Video(it) => Self::Video(it.of_sender()),
            Self::Audio(it) => Self::Audio(it.of_sender()),
            Self::Ancillary(it) => Self::Ancillary(it.of_sender()),
            Self::JpegXs(it) => Self::JpegXs(it.of_sender()),
        }
    }

    /// Which essence it is of.
    #[must_use]
    pub const fn kind(&self) -> EssenceKind {
        match self {
            Self::Video(_) => EssenceKind::Video,
            Self::Audio(_) => EssenceKind::Audio,
            Self::Ancillary(_) => EssenceKind::Ancillary,
            Self::JpegXs(_) => EssenceKind::JpegXs,
        }
    }

    /// Whether packets show another format, as far as they show one.
    #[must_use]
    pub fn differs_from(&self, seen: &SeenFormat) -> bool {
        match (self, seen) {
            (_, SeenFormat::Nothing {}) => false,
            (Self::Video(it), SeenFormat::Video(seen)) => it.differs_from(seen),
            (Self::Audio(it), SeenFormat::Audio(seen)) => it.differs_from(seen),
            (Self::Ancillary(it), SeenFormat::Ancillary(seen)) => it.differs_from(seen),
            (Self::JpegXs(it), SeenFormat::JpegXs(seen)) => it.differs_from(seen),
            _ => true,
        }
    }

    /// As [`Essence::OF_OTHER_FORMATS`].
    #[must_use]
    pub const fn of_other_formats(&self) -> &'static [&'static str] {
        match self {
            Self::Video(_) => VideoStream::OF_OTHER_FORMATS,
            Self::Audio(_) => AudioFormat::OF_OTHER_FORMATS,
            Self::Ancillary(_) => AncillaryStream::OF_OTHER_FORMATS,
            Self::JpegXs(_) => JpegXsStream::OF_OTHER_FORMATS,
        }
    }

    /// As [`Essence::REASONS`].
    #[must_use]
    pub const fn reasons(&self) -> &'static [&'static str] {
        match self {
            Self::Video(_) => VideoStream::REASONS,
            Self::Audio(_) => AudioFormat::REASONS,
            Self::Ancillary(_) => AncillaryStream::REASONS,
            Self::JpegXs(_) => JpegXsStream::REASONS,
        }
    }

    /// As [`Essence::receive`].
    #[must_use]
    pub fn depacketiser<S: Copy + Debug>(
        &self,
        payload_type: u8,
        timeout_ns: u64,
    ) -> Depacketiser<S> {
        match self {
            Self::Video(it) => Depacketiser::Video(it.receive(payload_type, timeout_ns)),
            Self::Audio(it) => Depacketiser::Audio(it.receive(payload_type, timeout_ns)),
            Self::Ancillary(it) => Depacketiser::Ancillary(it.receive(payload_type, timeout_ns)),
            Self::JpegXs(it) => Depacketiser::JpegXs(it.receive(payload_type, timeout_ns)),
        }
    }

    /// As [`Essence::send`].
    ///
    /// # Errors
    /// As there.
    pub fn packetiser(&self, max_bytes: usize) -> Result<Packetiser, NotSendable> {
        match self {
            Self::Video(it) => it
                .send(max_bytes)
                .map(Packetiser::Video)
                .map_err(NotSendable::Video),
            Self::Audio(it) => it
                .send(max_bytes)
                .map(Packetiser::Audio)
                .map_err(NotSendable::Audio),
            Self::Ancillary(it) => it
                .send(max_bytes)
                .map(Packetiser::Ancillary)
                .map_err(NotSendable::Ancillary),
            Self::JpegXs(it) => it
                .send(max_bytes)
                .map(Packetiser::JpegXs)
                .map_err(NotSendable::JpegXs),
        }
    }

    /// As [`Essence::signal`].
    ///
    /// # Errors
    /// As there.
    pub fn signal(&self) -> Result<Signal, NotSendable> {
        match self {
            Self::Video(it) => it.signal().map(Signal::Video).map_err(NotSendable::Video),
            Self::Audio(it) => it.signal().map(Signal::Audio).map_err(NotSendable::Audio),
            Self::Ancillary(it) => it
                .signal()
                .map(Signal::Ancillary)
                .map_err(NotSendable::Ancillary),
            Self::JpegXs(it) => it.signal().map(Signal::JpegXs).map_err(NotSendable::JpegXs),
        }
    }

    /// As [`Essence::monitor`].
    #[must_use]
    pub fn monitor(&self) -> Option<Monitor> {
        match self {
            Self::Video(it) => it.monitor().map(Monitor::Video),
            Self::Audio(it) => it.monitor().map(Monitor::Audio),
            Self::Ancillary(it) => it.monitor().map(Monitor::Ancillary),
            Self::JpegXs(it) => it.monitor().map(Monitor::JpegXs),
        }
    }
}

impl Format {
    /// Uncompressed video: ST 2110-20.
    #[must_use]
    pub const fn video(&self) -> Option<&VideoStream> {
        match self {
            Self::Video(it) => Some(it),
            _ => None,
        }
    }

    /// Audio: ST 2110-30 and -31.
    #[must_use]
    pub const fn audio(&self) -> Option<&AudioFormat> {
        match self {
            Self::Audio(it) => Some(it),
            _ => None,
        }
    }

    /// Ancillary data: ST 2110-40.
    #[must_use]
    pub const fn ancillary(&self) -> Option<&AncillaryStream> {
        match self {
            Self::Ancillary(it) => Some(it),
            _ => None,
        }
    }

    /// JPEG XS: ST 2110-22.
    #[must_use]
    pub const fn jpeg_xs(&self) -> Option<&JpegXsStream> {
        match self {
            Self::JpegXs(it) => Some(it),
            _ => None,
        }
    }
}

impl Monitor {
    /// Uncompressed video: ST 2110-20.
    #[must_use]
    pub const fn video(&self) -> Option<&<VideoStream as Essence>::Timing> {
        match self {
            Self::Video(it) => Some(it),
            _ => None,
        }
    }

    /// Audio: ST 2110-30 and -31.
    #[must_use]
    pub const fn audio(&self) -> Option<&<AudioFormat as Essence>::Timing> {
        match self {
            Self::Audio(it) => Some(it),
            _ => None,
        }
    }

    /// Ancillary data: ST 2110-40.
    #[must_use]
    pub const fn ancillary(&self) -> Option<&<AncillaryStream as Essence>::Timing> {
        match self {
            Self::Ancillary(it) => Some(it),
            _ => None,
        }
    }

    /// JPEG XS: ST 2110-22.
    #[must_use]
    pub const fn jpeg_xs(&self) -> Option<&<JpegXsStream as Essence>::Timing> {
        match self {
            Self::JpegXs(it) => Some(it),
            _ => None,
        }
    }

    pub(super) fn figures(&self, now_ns: u64) -> Option<TimingDocument> {
        match self {
            Self::Video(it) => it.document(now_ns).map(TimingDocument::Video),
            Self::Audio(it) => it.document(now_ns).map(TimingDocument::Audio),
            Self::Ancillary(it) => it.document(now_ns).map(TimingDocument::Ancillary),
            Self::JpegXs(it) => it.document(now_ns).map(TimingDocument::JpegXs),
        }
    }
}

impl Packetiser {
    #[inline]
    pub(super) fn one(&self, tag: u32, index: u32) -> Option<Packet<'_>> {
        match self {
            Self::Video(it) => it.packet(tag, index).map(Packet::Video),
            Self::Audio(it) => it.packet(tag, index).map(Packet::Audio),
            Self::Ancillary(it) => it.packet(tag, index).map(Packet::Ancillary),
            Self::JpegXs(it) => it.packet(tag, index).map(Packet::JpegXs),
        }
    }
}

impl From<VideoFormat> for Format {
    fn from(format: VideoFormat) -> Self {
        Self::Video(format.into())
    }
}
