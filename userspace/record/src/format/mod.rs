//! Encoders: events become packets in a capture file, or frames.
//!
//! An [`Encoder`] determines the bytes; [`Files`] determines where they go and when a new file
//! begins. Another essence needs another encoder.

pub(crate) mod pcapng;
pub(crate) mod video;

use crate::event::Event;
use crate::files::Files;
use crate::manifest::Frames;
use crate::spec::{Format, Spec};

/// Turns events into bytes of files.
pub(crate) trait Encoder: Send {
    /// Begins a file: writes its header.
    fn begin_file(&mut self, files: &mut Files);

    /// Handles an event of producer number `producer`.
    fn event(&mut self, producer: usize, event: &Event<'_>, files: &mut Files);

    /// Called about once a second.
    fn tick(&mut self, files: &mut Files);

    /// No more events follow: completes pending work.
    fn close(&mut self, files: &mut Files);

    /// Ends a file: writes its trailer.
    fn end_file(&mut self, files: &mut Files);

    /// Taken events of `producer` that are neither written nor lost yet.
    fn under_way(&self, producer: usize) -> u64 {
        let _ = producer;
        0
    }

    /// Frame counts, of a frame encoder.
    fn frames(&self) -> Option<&Frames> {
        None
    }
}

/// Starts a new file if `bytes` bytes of an event at `at_ns` do not belong in the current one.
pub(crate) fn make_place(
    encoder: &mut (impl Encoder + ?Sized),
    files: &mut Files,
    size: usize,
    at_ns: u64,
) {
    if files.must_split(size, at_ns) {
        encoder.end_file(files);
        files.next_part();
        encoder.begin_file(files);
    }
}

pub(crate) fn encoder(spec: &Spec) -> Box<dyn Encoder> {
    match spec.format {
        Format::Pcapng => Box::new(pcapng::Pcapng::new(spec)),
        Format::Y4m(config) => Box::new(video::VideoEncoder::new(config, true)),
        Format::Raw(config) => Box::new(video::VideoEncoder::new(config, false)),
    }
}
