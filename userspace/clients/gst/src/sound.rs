//! Caps and bytes of a session of audio: its samples as on the wire, which GStreamer knows.

use gstreamer as gst;
use onair::{AudioFormat, AudioView, Coding, S24, write_samples};

/// All caps that any session may have.
pub(crate) fn template() -> gst::Caps {
    let rates = AudioFormat::SAMPLE_RATES.map(|it| i32::try_from(it).unwrap_or(i32::MAX));
    let most = i32::try_from(AudioFormat::MAX_CHANNELS).unwrap_or(i32::MAX);
    gst::Caps::builder("audio/x-raw")
        .field("format", gst::List::new(["S16BE", "S24BE"]))
        .field("layout", "interleaved")
        .field("rate", gst::List::new(rates))
        .field("channels", gst::IntRange::new(1, most))
        .build()
}

/// The caps of a session; `None`: more than GStreamer counts.
pub(crate) fn caps(format: &AudioFormat) -> Option<gst::Caps> {
    let caps = gst::Caps::builder("audio/x-raw")
        .field("format", name(format))
        .field("layout", "interleaved")
        .field("rate", i32::try_from(format.sample_rate()).ok()?)
        .field("channels", i32::try_from(format.channels()).ok()?);
    Some(match format.channels() {
        ..=2 => caps.build(),
        _ => caps
            .field("channel-mask", gst::Bitmask::new(mask(format)))
            .build(),
    })
}

fn name(format: &AudioFormat) -> &'static str {
    match format.coding() {
        Coding::L16 => "S16BE",
        Coding::L24 | Coding::Am824 => "S24BE",
    }
}

/// The loudspeakers of a session of 5.1 (FL, FR, FC, LFE, RL, RR); others have no places.
fn mask(format: &AudioFormat) -> u64 {
    let order = format.order().map(ToString::to_string);
    match order.as_deref() {
        Some("SMPTE2110.(51)") => 0x3f,
        _ => 0,
    }
}

/// Time of a block.
pub(crate) fn frame_time(format: &AudioFormat) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(format.nanos(format.block_samples().into()))
}

/// Bytes of a block in a pipeline.
pub(crate) fn block_bytes(format: &AudioFormat) -> usize {
    let sample = match format.coding() {
        Coding::Am824 => 3,
        other => other.bytes() as usize,
    };
    sample * format.block_samples() as usize * format.channels() as usize
}

/// The samples of a block that a pipeline does not know as they are: AES3.
pub(crate) fn converted(format: &AudioFormat, block: &[u8]) -> Option<Vec<u8>> {
    if format.coding() != Coding::Am824 {
        return None;
    }
    let view = AudioView::new(format, block);
    let mut samples = vec![S24::default(); view.samples() * format.channels() as usize];
    view.interleaved(&mut samples);
    let bytes = samples.iter().flat_map(|it| {
        let [_, a, b, c] = it.0.to_be_bytes();
        [a, b, c]
    });
    Some(bytes.collect())
}

/// Fills a block with the samples of a pipeline.
pub(crate) fn fill(format: &AudioFormat, samples: &[u8], block: &mut [u8]) {
    if format.coding() != Coding::Am824 {
        block.copy_from_slice(samples);
        return;
    }
    let samples = samples.as_chunks().0.iter();
    let samples = samples.map(|&[a, b, c]| S24(i32::from_be_bytes([a, b, c, 0]) >> 8));
    write_samples(format, &samples.collect::<Vec<_>>(), block);
}
