//! Caps and bytes of a session of ancillary data: ANC packets of SMPTE ST 2038.

use gstreamer as gst;
use onair::{AncPacket, AncillaryStream, AncillaryView, UnitWriter, st2038};

const NAME: &str = "meta/x-st-2038";

/// Portion of a frame or field in one buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Alignment {
    /// All of it.
    #[default]
    Frame,
    /// A packet.
    Packet,
    /// The packets of a line.
    Line,
}

impl Alignment {
    const ALL: [Self; 3] = [Self::Frame, Self::Packet, Self::Line];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Packet => "packet",
            Self::Line => "line",
        }
    }

    /// Of negotiated caps; those of pictures have none.
    pub(crate) fn of(caps: &gst::CapsRef) -> Self {
        let field = caps
            .structure(0)
            .and_then(|it| it.get::<&str>("alignment").ok());
        let found = Self::ALL.into_iter().find(|it| Some(it.as_str()) == field);
        found.unwrap_or_default()
    }
}

/// All caps that any session may have.
pub(crate) fn template() -> gst::Caps {
    gst::Caps::builder(NAME)
        .field("alignment", alignments())
        .build()
}

/// In the order in which they are chosen.
fn alignments() -> gst::List {
    gst::List::new(Alignment::ALL.map(Alignment::as_str))
}

fn rate(stream: &AncillaryStream) -> Option<gst::Fraction> {
    let rate = stream.unit_rate();
    Some(gst::Fraction::new(
        i32::try_from(rate.numerator()).ok()?,
        i32::try_from(rate.denominator()).ok()?,
    ))
}

/// The caps of a session; `None`: more than GStreamer counts. A sink also takes packets that say no rate.
pub(crate) fn caps(stream: &AncillaryStream, is_source: bool) -> Option<gst::Caps> {
    let mut caps = template();
    caps.make_mut().set("framerate", rate(stream)?);
    if !is_source {
        caps.merge(template());
    }
    Some(caps)
}

/// Whether negotiated caps have another rate than the session.
pub(crate) fn is_other_rate(stream: &AncillaryStream, caps: &gst::CapsRef) -> bool {
    let said = caps
        .structure(0)
        .and_then(|it| it.get::<gst::Fraction>("framerate").ok());
    said.is_some_and(|said| Some(said) != rate(stream))
}

/// The packets of a frame but for wrong ones, which no bit would tell from others: the bytes of each buffer.
pub(crate) fn given(unit: &[u8], alignment: Alignment) -> Vec<Vec<u8>> {
    let Ok(unit) = AncillaryView::parse(unit) else {
        return Vec::from([Vec::new()]);
    };
    let mut packets: Vec<_> = unit.iter().filter(|it| !it.record.is_wrong()).collect();
    let line = |it: &AncPacket<'_>| it.record.place.line;
    match alignment {
        Alignment::Frame => vec![st2038::write(packets)],
        Alignment::Packet => packets.into_iter().map(|it| st2038::write([it])).collect(),
        Alignment::Line => {
            packets.sort_by_key(line);
            let lines = packets.chunk_by(|a, b| line(a) == line(b));
            lines.map(|it| st2038::write(it.iter().copied())).collect()
        }
    }
}

/// Frames of the buffers that a pipeline gives, if a buffer is a part of one.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) alignment: Alignment,
    time: Option<gst::ClockTime>,
    packets: Vec<u8>,
    /// Frames that are not sent yet, the oldest first.
    pub(crate) frames: Vec<Vec<u8>>,
}

impl Gathered {
    /// Adds a buffer. A frame ends with a buffer that is marked, or before one of another time.
    pub(crate) fn add(&mut self, buffer: &gst::BufferRef, bytes: &[u8]) {
        if self.alignment == Alignment::Frame {
            return self.frames.push(bytes.to_vec());
        }
        if buffer.pts() != self.time {
            self.end();
            self.time = buffer.pts();
        }
        self.packets.extend_from_slice(bytes);
        if buffer.flags().contains(gst::BufferFlags::MARKER) {
            self.end();
        }
    }

    /// Ends the frame under way.
    pub(crate) fn end(&mut self) {
        if !self.packets.is_empty() {
            self.frames.push(std::mem::take(&mut self.packets));
        }
    }

    /// Forgets what is not sent.
    pub(crate) fn clear(&mut self) {
        self.packets.clear();
        self.frames.clear();
    }
}

/// Why a frame of ancillary data cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSent {
    #[error(transparent)]
    Bytes(#[from] st2038::St2038Error),
    #[error("an ANC packet has a wrong parity or checksum")]
    Wrong,
    #[error(transparent)]
    Full(#[from] onair::UnitFull),
}

/// Fills a buffer with the packets of a frame.
pub(crate) fn fill(packets: &[u8], unit: &mut [u8]) -> Result<(), NotSent> {
    let packets = st2038::read(packets)?;
    if packets.iter().any(|it| it.is_wrong) {
        return Err(NotSent::Wrong);
    }
    let mut unit = UnitWriter::new(unit)?;
    for packet in packets {
        unit.push(packet.place, packet.kind, &packet.data)?;
    }
    Ok(())
}
