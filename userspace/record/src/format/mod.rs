//! What is made of events: packets in a capture file, or frames.
//!
//! An [`Encoder`] decides what the bytes are; [`Files`] decides where they go and when a new file
//! begins. An essence of another kind is another encoder.

pub(crate) mod pcapng;
pub(crate) mod planar;
pub(crate) mod video;

use crate::event::Event;
use crate::files::Files;
use crate::manifest::Frames;
use crate::spec::{Format, Spec};

/// Turns events into bytes of files.
pub(crate) trait Encoder: Send {
    /// A file begins: what has to stand first.
    fn begin_file(&mut self, files: &mut Files);

    /// An event of producer number `producer`.
    fn event(&mut self, producer: usize, event: &Event<'_>, files: &mut Files);

    /// About once a second.
    fn tick(&mut self, files: &mut Files);

    /// No more events come: what is under way is finished.
    fn close(&mut self, files: &mut Files);

    /// A file ends: what has to stand last.
    fn end_file(&mut self, files: &mut Files);

    /// Events of `producer` that were taken and are not decided yet.
    fn under_way(&self, producer: usize) -> u64 {
        let _ = producer;
        0
    }

    /// The frames so far, of an encoder that makes frames.
    fn frames(&self) -> Option<&Frames> {
        None
    }
}

/// Begins a new file if `octets` of an event at `at_ns` have no place in this one any more.
pub(crate) fn make_place(
    encoder: &mut (impl Encoder + ?Sized),
    files: &mut Files,
    octets: usize,
    at_ns: u64,
) {
    if files.must_split(octets, at_ns) {
        encoder.end_file(files);
        files.next_part();
        encoder.begin_file(files);
    }
}

pub(crate) fn encoder(spec: &Spec) -> Box<dyn Encoder> {
    match spec.format {
        Format::Pcapng => Box::new(pcapng::Pcapng::new(spec)),
        Format::Y4m(config) => Box::new(video::Video::new(config, true)),
        Format::Raw(config) => Box::new(video::Video::new(config, false)),
    }
}
