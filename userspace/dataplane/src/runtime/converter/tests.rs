//! A frame is converted in strips, and comes back whatever happens between two of them.

use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_ipc::layout::Geometry;
use onair_pixels::PixelFormat;
use proptest::prelude::*;

use super::*;
use crate::feed::{ConverterFeed, feed};
use crate::sleeper::Sleeper;

/// Lines of a frame, each a short strip.
pub(crate) const LINES: u32 = 9;

/// Wide enough for that.
pub(crate) fn config() -> ConvertConfig {
    let format = VideoFormat::new(8192, LINES, Depth::Ten, FrameRate::new(25, 1).unwrap());
    ConvertConfig {
        conversion: Conversion::new(&format.unwrap(), PixelFormat::V210).unwrap(),
        max_attachments: 1,
    }
}

/// A source of frames.
pub(crate) struct Source {
    feed: ConverterFeed,
    memory: FrameMemory,
}

impl Source {
    /// With the way to a converted session that counts in `stats`.
    pub(crate) fn of(stats: &Arc<SessionStats>) -> (Self, Intake) {
        let pgroups = Geometry::new(4, 8192 * 5 / 2 * LINES).unwrap();
        let memory = FrameMemory::create(pgroups, true).unwrap();
        let converter = Arc::new(Sleeper::new().unwrap());
        let (feed, intake) = feed(2, converter, Arc::clone(stats));
        (Self { feed, memory }, intake)
    }

    pub(crate) fn give(&mut self, number: u64) {
        let meta = FrameMeta {
            number,
            ..FrameMeta::default()
        };
        self.feed.reap();
        let frame = (0..4).find(|it| !self.feed.has(*it)).unwrap();
        self.feed.give(frame, &meta, &self.memory);
    }
}

/// Memory of a converted session.
pub(crate) fn frames() -> FrameMemory {
    let bytes = u32::try_from(config().conversion.buffer_bytes()).unwrap();
    FrameMemory::create(Geometry::new(3, bytes).unwrap(), true).unwrap()
}

struct Ends {
    source: Source,
    converter: Converter,
    stats: Arc<SessionStats>,
}

fn ends() -> Ends {
    let stats = Arc::new(SessionStats::new(1));
    let mut converter = Converter::new(config(), frames(), Arc::clone(&stats)).unwrap();
    converter.run_beside_packets(true);
    let (source, intake) = Source::of(&stats);
    converter.connect(intake);
    converter.resume();
    Ends {
        source,
        converter,
        stats,
    }
}

/// Frames converted, and dropped by a stop.
fn counted(ends: &Ends) -> (u64, u64) {
    let counters = &ends.stats.counters;
    (
        counters.frames_complete.get(),
        counters.frames_dropped_stop.get(),
    )
}

#[test]
fn frame_in_short_strips_then_returned_after_the_last_line() {
    let mut ends = ends();
    assert!(!ends.converter.convert_strip(), "no frame waits");
    ends.source.give(1);
    assert!(ends.converter.has_some());
    for _ in 1..LINES {
        assert!(ends.converter.convert_strip());
        assert!(ends.converter.is_amid_a_frame());
        ends.source.feed.reap();
        assert!(ends.source.feed.has(0));
    }
    assert_eq!(counted(&ends), (0, 0));
    assert!(ends.converter.convert_strip());
    assert!(!ends.converter.is_amid_a_frame() && !ends.converter.has_some());
    ends.source.feed.reap();
    assert!(ends.source.feed.is_empty());
    assert_eq!(counted(&ends), (1, 0));
}

#[test]
fn session_stopped_amid_a_frame_then_the_source_has_all_back() {
    let mut ends = ends();
    ends.source.give(1);
    ends.source.give(2);
    assert!(ends.converter.convert_strip());
    ends.converter.quiesce();
    ends.source.feed.reap();
    assert!(ends.source.feed.is_empty());
    assert_eq!(counted(&ends), (0, 1));
    // Again, when it is handed back.
    ends.converter.quiesce();
    assert_eq!(counted(&ends), (0, 1));
    ends.converter.resume();
    ends.source.give(3);
    (0..LINES).for_each(|_| assert!(ends.converter.convert_strip()));
    assert_eq!(counted(&ends), (1, 1));
}

proptest! {
    #[test]
    fn anything_in_any_order_then_each_frame_comes_back_once(
        steps in prop::collection::vec(0u8..6, 0..200)
    ) {
        let mut ends = ends();
        let mut number = 0;
        for step in steps {
            match step {
                0 => {
                    number += 1;
                    ends.source.give(number);
                }
                1 => ends.converter.quiesce(),
                2 => ends.converter.resume(),
                _ => {
                    ends.converter.convert_strip();
                }
            }
        }
        ends.converter.quiesce();
        ends.source.feed.reap();
        prop_assert!(ends.source.feed.is_empty());
        let (converted, dropped) = counted(&ends);
        let left_out = ends.stats.counters.frames_not_converted.get();
        prop_assert!(converted + dropped + left_out <= number);
    }
}
