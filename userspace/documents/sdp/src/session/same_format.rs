//! Whether a described stream has a session's format, and what it says of its packets' timing.

use onair_api::SessionPatch;
use onair_essence::FormatDocument;
use onair_essence::ancillary::{AncillaryDocument, AncillaryStream};
use onair_essence::audio::{AudioDocument, AudioFormat};
use onair_essence::jpeg_xs::{JpegXsDocument, JpegXsStream};
use onair_essence::video::{VideoDocument, VideoStream};

use super::Unusable;

/// The frame rate of a format that has one.
#[must_use]
pub const fn frame_rate(format: &mut FormatDocument) -> Option<&mut String> {
    match format {
        FormatDocument::Video(it) => Some(&mut it.frame_rate),
        FormatDocument::Audio(_) => None,
        FormatDocument::Ancillary(it) => Some(&mut it.frame_rate),
        FormatDocument::JpegXs(it) => Some(&mut it.frame_rate),
    }
}

/// Bytes of a codestream in a bandwidth of so many kbit/s, with the frame rate of `format`: what a receiver has room for, as
/// the description may leave headers out; of a sender, what stays within it with the headers (RFC 8866 §5.8).
pub(super) fn bytes_within(format: &JpegXsDocument, kbps: u64, receives: bool) -> Option<u32> {
    let stream = JpegXsStream::try_from(format).ok()?;
    let bytes = match receives {
        true => JpegXsStream::bytes_within(kbps, stream.unit_rate()),
        false => stream.bytes_sent_within(kbps),
    };
    Some(u32::try_from(bytes).unwrap_or(u32::MAX))
}

/// The timing that a description, named `name`, says, for a session that has the same format.
pub(super) fn timing(
    name: &str,
    its: &FormatDocument,
    own: &FormatDocument,
) -> Result<SessionPatch, Unusable> {
    match (its, own) {
        (FormatDocument::Video(its), FormatDocument::Video(own)) => of_video(name, its, own)?,
        (FormatDocument::Audio(its), FormatDocument::Audio(own)) => of_audio(name, its, own)?,
        (FormatDocument::Ancillary(its), FormatDocument::Ancillary(own)) => {
            of_ancillary(name, its, own)?;
        }
        (FormatDocument::JpegXs(its), FormatDocument::JpegXs(own)) => of_jpeg_xs(name, its, own)?,
        _ => {
            let (name, essence) = (name.to_owned(), own.kind().name());
            return Err(Unusable::NoEssence { name, essence });
        }
    }
    let mut change = SessionPatch::default();
    change.change_to(its);
    Ok(change)
}

fn invalid(name: &str, error: &dyn std::fmt::Display) -> Unusable {
    let (name, error) = (name.to_owned(), error.to_string());
    Unusable::Invalid { name, error }
}

fn other(name: &str, its: &dyn std::fmt::Display, own: &dyn std::fmt::Display) -> Unusable {
    Unusable::OtherFormat {
        name: name.to_owned(),
        its: its.to_string(),
        own: own.to_string(),
    }
}

fn of_video(name: &str, its: &VideoDocument, own: &VideoDocument) -> Result<(), Unusable> {
    let stream =
        |it: &VideoDocument| VideoStream::try_from(it).map_err(|error| invalid(name, &error));
    let (its, own) = (stream(its)?, stream(own)?);
    if its.format != own.format {
        return Err(other(name, &its.format, &own.format));
    }
    Ok(())
}

fn of_audio(name: &str, its: &AudioDocument, own: &AudioDocument) -> Result<(), Unusable> {
    let samples = |it: &AudioDocument| (it.coding, it.sample_rate, it.channels);
    if samples(its) != samples(own) {
        return Err(other(name, its, own));
    }
    match AudioFormat::try_from(its) {
        Ok(_) => Ok(()),
        Err(error) => Err(invalid(name, &error)),
    }
}

fn of_ancillary(
    name: &str,
    its: &AncillaryDocument,
    own: &AncillaryDocument,
) -> Result<(), Unusable> {
    // 50 is 50/1.
    let stream = |it: &AncillaryDocument| {
        AncillaryStream::try_from(it).map_err(|error| invalid(name, &error))
    };
    match stream(its)?.rate == stream(own)?.rate {
        true => Ok(()),
        false => Err(other(name, its, own)),
    }
}

fn of_jpeg_xs(name: &str, its: &JpegXsDocument, own: &JpegXsDocument) -> Result<(), Unusable> {
    let stream =
        |it: &JpegXsDocument| JpegXsStream::try_from(it).map_err(|error| invalid(name, &error));
    let (theirs, mine) = (stream(its)?, stream(own)?);
    let picture = |it: &JpegXsStream| {
        let samples = (it.width, it.height, it.sampling, it.depth);
        (samples, it.interlaced, it.rate, it.mode, it.in_order)
    };
    // A description has the bandwidth with the headers of its packets, from which `theirs` is as if without.
    let (bytes, max_udp) = (mine.bytes, theirs.max_udp);
    let sent = JpegXsStream {
        bytes,
        max_udp,
        ..mine.clone()
    };
    let most = JpegXsStream::bytes_within(sent.bandwidth_kbps(), sent.unit_rate());
    if picture(&theirs) != picture(&mine) || u64::from(theirs.bytes) > most {
        let up_to = |it: &JpegXsDocument| format!("{it} of up to {} bytes", it.bytes);
        return Err(other(name, &up_to(its), &up_to(own)));
    }
    Ok(())
}
