//! Caps and bytes of a session of ancillary data: ANC packets of SMPTE ST 2038, a buffer a frame or field.

use gstreamer as gst;
use onair::{AncillaryStream, AncillaryView, UnitWriter, st2038};

/// All caps that any session may have.
pub(crate) fn template() -> gst::Caps {
    gst::Caps::builder("meta/x-st-2038")
        .field("alignment", "frame")
        .build()
}

/// The caps of a session; `None`: more than GStreamer counts.
pub(crate) fn caps(stream: &AncillaryStream) -> Option<gst::Caps> {
    let rate = stream.unit_rate();
    let rate = gst::Fraction::new(
        i32::try_from(rate.numerator()).ok()?,
        i32::try_from(rate.denominator()).ok()?,
    );
    let caps = gst::Caps::builder("meta/x-st-2038").field("alignment", "frame");
    Some(caps.field("framerate", rate).build())
}

/// The packets of a frame but for wrong ones, which no bit would tell from others.
pub(crate) fn given(unit: &[u8]) -> Vec<u8> {
    let unit = AncillaryView::parse(unit);
    unit.map_or_else(
        |_| Vec::new(),
        |unit| st2038::write(unit.iter().filter(|it| !it.record.is_wrong())),
    )
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
