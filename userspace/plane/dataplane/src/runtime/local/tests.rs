//! Each reader gets, in order, each frame that a client submits, and each frame has one place at a time.

use std::mem::take;

use onair_essence::video::{Depth, Field, FrameRate, Sampling, Scan, VideoFormat};
use onair_ipc::caller::OwnedLoan;
use onair_ipc::freshness::Freshness;
use onair_ipc::layout::Geometry;
use onair_session::Runtime as _;
use proptest::prelude::*;

use super::*;
use crate::runtime::test_client::{SESSION, TestClient};
use crate::runtime::{Runtime, RuntimeKind};

const QUOTA: u32 = 2;
const READERS: u32 = 3;
/// How far TAI is ahead.
const AHEAD_NS: u64 = 37_000_000_000;

fn format(scan: Scan) -> Format {
    let rate = FrameRate::new(50, 1).unwrap();
    let of = (Sampling::YCbCr422, Depth::Ten);
    VideoFormat::of((320, 36), of, scan, rate).unwrap().into()
}

impl TestClient {
    /// Submits a frame that begins with `text`.
    fn submit(&self, text: &[u8]) {
        let mut frame = self.take().expect("a free frame");
        frame.bytes_mut().unwrap()[..text.len()].copy_from_slice(text);
        frame.submit().unwrap();
    }

    /// The first bytes of the frames that are ready, which it returns.
    fn read_all(&self) -> Vec<u8> {
        let frames = std::iter::from_fn(|| self.take());
        frames.map(|it| it.bytes()[0]).collect()
    }
}

struct Rig {
    runtime: Runtime,
    frames: FrameMemory,
    attached: u64,
    now_ns: u64,
    /// The daemon's thread replaces pages at once.
    replaces: bool,
}

impl Rig {
    fn new(scan: Scan) -> Self {
        Self::of(scan, false)
    }

    fn of(scan: Scan, is_described: bool) -> Self {
        let format = format(scan);
        let bytes = u32::try_from(format.unit_bytes()).unwrap();
        let geometry = Geometry::new(QUOTA * (READERS + 1) + 1, bytes).unwrap();
        let frames = FrameMemory::create_filled(geometry).unwrap();
        let config = LocalConfig {
            frame_bytes: format.unit_bytes(),
            is_described,
            format,
            max_attachments: READERS as usize + 1,
            clock: Arc::new(MediaClock::ahead_by(AHEAD_NS)),
        };
        let mut runtime = Runtime::local(SESSION, config, frames.clone()).unwrap();
        runtime.resume(None, 1);
        Self {
            runtime,
            frames,
            attached: 0,
            now_ns: 1,
            replaces: true,
        }
    }

    fn attach(&mut self, fills: bool) -> TestClient {
        self.attached += 1;
        if fills {
            self.freshness().begin_tenure();
        }
        let format = format(Scan::Progressive);
        let client = TestClient::new(self.attached, (fills, true), QUOTA, format, &self.frames);
        let lender = client.lender().of_role(fills);
        assert!(self.runtime.attach(Box::new(lender), None).is_ok());
        self.look();
        client
    }

    /// Attaches a reader whose last frame had this timestamp.
    fn reader_that_had(&mut self, after: u32) -> TestClient {
        self.attached += 1;
        let format = format(Scan::Progressive);
        let client = TestClient::new(self.attached, (false, true), QUOTA, format, &self.frames);
        let lender = client.lender().of_client_that_had(Some(after));
        assert!(self.runtime.attach(Box::new(lender), None).is_ok());
        self.look();
        client
    }

    fn timestamp(&self) -> u32 {
        ticks(self.now_ns + AHEAD_NS, 90_000)
    }

    fn look(&mut self) -> bool {
        self.now_ns += LOOK_NS;
        let had = self.runtime.look(self.now_ns);
        if !take(&mut self.runtime.attachments_mut().are_to_renew) || !self.replaces {
            return had;
        }
        self.freshness().replace().unwrap();
        self.runtime.look(self.now_ns) || had
    }

    fn freshness(&self) -> &Freshness {
        self.frames.freshness().unwrap()
    }

    fn local(&self) -> &Local {
        let RuntimeKind::Local(local) = &self.runtime.kind else {
            unreachable!("it is local");
        };
        local
    }

    fn counted(&self) -> (u64, u64, u64) {
        let counted = self.runtime.stats().snapshot();
        (
            counted.frames_submitted,
            counted.frames_complete,
            counted.frames_dropped_stop + counted.frames_dropped_detached,
        )
    }

    /// Frames that no client has.
    fn free(&self) -> usize {
        let have = |frame: &u32| self.local().attachments.have(*frame);
        (0..self.frames.count()).filter(|it| !have(it)).count()
    }
}

#[test]
fn frames_submitted_then_every_reader_has_them_in_order() {
    let mut rig = Rig::new(Scan::Interlaced);
    let early = rig.attach(false);
    assert_eq!(rig.runtime.due_ns(rig.now_ns), u64::MAX, "nobody fills");
    let filler = rig.attach(true);
    assert!(rig.runtime.due_ns(rig.now_ns) <= rig.now_ns + LOOK_NS);
    let late = rig.attach(false);
    // The order of submission counts, not that of the frames.
    let (first, second) = (filler.take().unwrap(), filler.take().unwrap());
    for mut frame in [second, first] {
        frame.bytes_mut().unwrap()[0] = 7 - u8::try_from(frame.frame()).unwrap();
        frame.submit().unwrap();
    }
    assert!(rig.look() && !rig.look());
    for reader in [&early, &late] {
        let mut frames: Vec<_> = std::iter::from_fn(|| reader.take()).collect();
        let told: Vec<_> = frames
            .iter()
            .map(|it| (it.bytes()[0], it.meta().number, it.meta().tag))
            .collect();
        assert_eq!(told, [(6, 0, 1), (7, 1, 2)]);
        let meta = frames[0].meta();
        assert!(meta.is_complete() && meta.last_packet_ns <= rig.now_ns);
        assert_eq!(meta.media_time_ns, meta.first_packet_ns + AHEAD_NS);
        assert_eq!(meta.rtp_timestamp, ticks(meta.media_time_ns, 90_000));
        assert!(frames[0].bytes_mut().is_none(), "a reader does not write");
    }
    assert_eq!(rig.counted(), (2, 2, 0));
}

#[test]
fn reader_slow_then_it_alone_loses_and_the_filler_goes_on() {
    let mut rig = Rig::new(Scan::Progressive);
    let (slow, fast) = (rig.attach(false), rig.attach(false));
    let filler = rig.attach(true);
    let mut held = Vec::new();
    for number in 0..20 {
        filler.submit(&[number]);
        assert!(rig.look());
        assert_eq!(fast.read_all(), [number]);
        if number < 2 {
            held.extend(slow.take());
        }
    }
    assert_eq!(held.len(), 2);
    assert!(slow.take().is_none());
    let seen = held.iter().map(|it| it.bytes()[0]);
    assert_eq!(seen.collect::<Vec<_>>(), [0, 1], "as they were");
    assert_eq!(rig.runtime.stats().snapshot().frames_dropped_slow, 18);
}

#[test]
fn reader_comes_back_after_the_filler_then_it_misses_none() {
    // The last case has more than there are frames: the oldest are given up.
    for (filled, had, then) in [(5, 0, 0), (5, 2, 2), (40, 0, 33)] {
        let mut rig = Rig::new(Scan::Progressive);
        rig.runtime.quiesce(rig.now_ns);
        rig.runtime.keep_units();
        rig.runtime.resume(None, rig.now_ns);
        let filler = rig.attach(true);
        let other = rig.attach(false);
        let mut after = rig.timestamp();
        for number in 0..filled {
            filler.submit(&[number]);
            assert!(rig.look());
            assert_eq!(other.read_all(), [number]);
            if number + 1 == had {
                after = rig.timestamp();
            }
        }
        let reader = rig.reader_that_had(after);
        let mut came = reader.read_all();
        for number in filled..filled + 5 {
            filler.submit(&[number]);
            rig.look();
            came.extend(reader.read_all());
            rig.look();
            came.extend(reader.read_all());
            assert_eq!(other.read_all(), [number]);
        }
        assert_eq!(
            came,
            (then..filled + 5).collect::<Vec<_>>(),
            "{filled} {had}"
        );
    }
}

#[test]
fn session_stopped_then_what_was_submitted_is_counted() {
    let mut rig = Rig::new(Scan::Progressive);
    let (reader, filler) = (rig.attach(false), rig.attach(true));
    filler.submit(&[1]);
    let late = filler.take().unwrap();
    rig.runtime.quiesce(rig.now_ns);
    assert!(rig.runtime.is_quiet());
    assert_eq!(rig.counted(), (1, 1, 0));
    assert_eq!(reader.read_all(), [1]);
    late.submit().unwrap();
    assert_eq!(rig.runtime.settle(), 1);
    assert_eq!(rig.counted(), (2, 1, 1));
    assert!(filler.take().is_none(), "nothing is offered");
    rig.runtime.resume(None, rig.now_ns);
    filler.submit(&[2]);
    rig.look();
    let frame = reader.take().unwrap();
    assert_eq!((frame.bytes()[0], frame.meta().number), (2, 1));
}

#[test]
fn flush_then_what_was_submitted_is_published_at_once() {
    let mut rig = Rig::new(Scan::Progressive);
    let (reader, filler) = (rig.attach(false), rig.attach(true));
    filler.submit(&[1]);
    rig.runtime.flush(5, rig.now_ns);
    let flushed = rig.runtime.flushed().unwrap();
    assert_eq!((flushed.ticket, flushed.sent, flushed.dropped), (5, 1, 0));
    assert!(rig.runtime.flushed().is_none());
    assert_eq!(reader.read_all(), [1]);
}

#[test]
fn filler_leaves_then_the_next_one_continues_the_numbers() {
    let mut rig = Rig::new(Scan::Interlaced);
    let reader = rig.attach(false);
    for round in 0..5 {
        let filler = rig.attach(true);
        filler.submit(&[round]);
        let held = filler.take();
        rig.runtime.dismiss(rig.attached, rig.now_ns);
        let frame = reader.take().unwrap();
        assert_eq!(frame.meta().number, u64::from(round));
        assert_eq!(frame.meta().tag, 1, "each begins with a first field");
        let (mut lender, _) = rig.runtime.detached().unwrap();
        assert!(lender.fills() && rig.runtime.detached().is_none());
        assert_eq!(lender.credit_dead_process().len(), 1, "it held one");
        drop((frame, held));
    }
    assert!(rig.runtime.due_ns(rig.now_ns) == u64::MAX);
}

#[test]
fn frames_of_a_former_filler_then_offered_with_other_pages() {
    let mut rig = Rig::new(Scan::Progressive);
    let (reader, filler) = (rig.attach(false), rig.attach(true));
    filler.submit(&[1]);
    rig.look();
    let read = reader.take().unwrap();
    rig.runtime.dismiss(rig.attached, rig.now_ns);
    drop(rig.runtime.detached().unwrap());
    rig.replaces = false;
    let next = rig.attach(true);
    assert!(!rig.look() && next.take().is_none(), "all are stale");
    // Where the thread could not, it is asked again.
    rig.replaces = true;
    rig.now_ns += renewing::AGAIN_NS;
    rig.look();
    for number in 2..30 {
        next.submit(&[number]);
        rig.look();
        let frame = reader.take().unwrap();
        assert_ne!(frame.frame(), read.frame());
        assert_eq!(frame.bytes()[0], number);
    }
    assert_eq!(read.bytes()[0], 1, "as it was");
    assert!(!rig.freshness().is_complete());
    drop(read);
    for _ in 0..2 {
        rig.now_ns += REST_NS;
        rig.look();
    }
    assert!(rig.freshness().is_complete());
}

#[test]
fn filler_evicted_then_its_frames_stay_aside_until_released() {
    let mut rig = Rig::new(Scan::Progressive);
    let (reader, filler) = (rig.attach(false), rig.attach(true));
    filler.submit(&[1]);
    let held = filler.take().unwrap();
    let aside = held.frame();
    let evicted = rig.runtime.evict(2).unwrap();
    assert_eq!((evicted.revoked, evicted.set_aside), (1, 1));
    assert_eq!(rig.counted(), (1, 0, 1));
    assert_eq!(rig.free(), rig.frames.count() as usize - 1);
    assert!(held.submit().is_err());
    let next = rig.attach(true);
    for number in 0..30 {
        next.submit(&[number]);
        rig.look();
        let frame = reader.take().unwrap();
        assert_ne!(frame.frame(), aside);
    }
    let before = rig.free();
    rig.runtime.release(|it| it == 2);
    assert_eq!(rig.free(), before + 1);
}

#[test]
fn frames_described_then_readers_see_it_and_gaps_are_counted() {
    let mut rig = Rig::of(Scan::Interlaced, true);
    let (reader, filler) = (rig.attach(false), rig.attach(true));
    let submit = |rig: &mut Rig, number: u64| {
        let said = FrameMeta {
            number,
            rtp_timestamp: 7,
            first_packet_ns: 1,
            last_packet_ns: 2,
            packets_lost: 1,
            bytes_missing: 10,
            missing: [MissingRange { offset: 5, len: 10 }; 4],
            tag: Field::tag(Some(Field::Second)),
            media_time_ns: 9,
            ..FrameMeta::default()
        };
        filler.take().unwrap().submit_described(&said).unwrap();
        rig.look();
        let seen = reader.take().unwrap().meta();
        let as_said = FrameMeta {
            number: seen.number,
            ..said
        };
        assert_eq!(seen, as_said);
        seen.number
    };
    assert_eq!([100, 101, 104].map(|it| submit(&mut rig, it)), [0, 1, 4]);
    // Another source, or a filler that lies.
    assert_eq!([3, 3, 4].map(|it| submit(&mut rig, it)), [5, 6, 7]);
    // A stop is no gap.
    rig.runtime.quiesce(rig.now_ns);
    rig.runtime.resume(None, rig.now_ns);
    assert_eq!(submit(&mut rig, 50), 8);
    let counted = rig.runtime.stats().snapshot();
    assert_eq!(
        (counted.frames_incomplete, counted.frames_not_converted),
        (7, 2)
    );
}

#[test]
fn description_that_lies_then_within_bounds() {
    let mut rig = Rig::of(Scan::Progressive, true);
    let (reader, filler) = (rig.attach(false), rig.attach(true));
    let bytes = u32::try_from(format(Scan::Progressive).unit_bytes()).unwrap();
    for number in [u64::MAX, 0, u64::MAX, u64::MAX - 1] {
        let said = FrameMeta {
            number,
            first_packet_ns: u64::MAX,
            last_packet_ns: u64::MAX,
            bytes_missing: u32::MAX,
            missing: [MissingRange {
                offset: bytes - 1,
                len: u32::MAX,
            }; 4],
            ..FrameMeta::default()
        };
        filler.take().unwrap().submit_described(&said).unwrap();
        rig.look();
        let seen = reader.take().unwrap().meta();
        assert_eq!(seen.bytes_missing, bytes);
        assert_eq!(
            (seen.missing[3].offset, seen.missing[3].len),
            (bytes - 1, 1)
        );
        assert!(seen.last_packet_ns <= rig.now_ns && seen.number < 1 << 20);
    }
}

/// The client library refuses it: this is a hostile client.
#[test]
fn frame_submitted_open_then_never_published() {
    let mut rig = Rig::new(Scan::Progressive);
    let (reader, filler) = (rig.attach(false), rig.attach(true));
    let held = filler.take().unwrap();
    held.submit_open().unwrap();
    rig.look();
    held.reach(36);
    held.submit().unwrap();
    rig.look();
    assert!(reader.take().is_none());
    filler.submit(&[1]);
    rig.look();
    assert_eq!(reader.read_all(), [1]);
}

proptest! {
    #[test]
    fn anything_in_any_order_then_no_frame_is_lost_or_shared(
        steps in prop::collection::vec(0u8..9, 0..200)
    ) {
        let mut rig = Rig::new(Scan::Progressive);
        let readers: Vec<_> = (0..READERS).map(|_| rig.attach(false)).collect();
        let mut filler = Some(rig.attach(true));
        let (mut filling, mut reading) = (Vec::new(), Vec::new());
        let mut submitted = 0_u64;
        for step in steps {
            match (step, &filler) {
                (0, Some(it)) => filling.extend(it.take()),
                (1, Some(_)) if !filling.is_empty() => {
                    let frame: OwnedLoan = filling.remove(0);
                    frame.submit().unwrap();
                    submitted += 1;
                }
                (2, Some(_)) => drop(filling.pop()),
                (3, Some(_)) => {
                    filling.clear();
                    rig.runtime.dismiss(rig.attached, rig.now_ns);
                    let (mut lender, _) = rig.runtime.detached().unwrap();
                    lender.credit_dead_process();
                    filler = None;
                }
                (4, None) => filler = Some(rig.attach(true)),
                (5..=7, _) => reading.extend(readers[usize::from(step) - 5].take()),
                (8, _) => reading.clear(),
                _ => {
                    rig.look();
                }
            }
            // A frame that is read is not one that is filled.
            let is_read = |it: &OwnedLoan| {
                reading.iter().any(|read: &OwnedLoan| read.frame() == it.frame())
            };
            prop_assert!(!filling.iter().any(is_read));
        }
        rig.look();
        let (counted, published, dropped) = rig.counted();
        prop_assert_eq!((counted, published, dropped), (submitted, submitted, 0));
        drop((filling, reading));
        readers.iter().for_each(|it| drop(it.read_all()));
        rig.runtime.settle();
        prop_assert_eq!(rig.free(), rig.frames.count() as usize);
    }
}
