//! Frames that are sent while their client fills them.

use onair_essence::ancillary::AncillaryDocument;
use onair_essence::ancillary::unit::{Place, UnitWriter};
use onair_essence::audio::{AudioDocument, AudioFormat, Coding};
use onair_essence::video::st2110_20::Segments;
use onair_essence::video::st2110_21::{Declared, Measurement, Reads, Stream};
use onair_essence::video::{
    Depth, FrameRate, Sampling, Scan, SenderType, VideoFormat, VideoStream,
};
use onair_ipc::caller::OwnedLoan;
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::Geometry;

use super::tests::{AHEAD_NS, PEER, START_NS, config, port, rtp};
use super::*;
use crate::runtime::test_client::TestClient;
use crate::transmit::tests::Wire;

const FRAMES: u32 = 4;
/// Bytes in the memory before a client fills it.
const OLD: u8 = 0xee;

fn video(size: (u32, u32), sampling: Sampling, scan: Scan) -> VideoFormat {
    let rate = FrameRate::new(50, 1).unwrap();
    VideoFormat::of(size, (sampling, Depth::Ten), scan, rate).unwrap()
}

fn progressive() -> VideoFormat {
    video((320, 36), Sampling::YCbCr422, Scan::Progressive)
}

/// A sender with one client.
struct Rig {
    sender: Sender,
    wire: Wire,
    test: TestClient,
    now_ns: u64,
}

impl Rig {
    fn new(format: impl Into<Format>) -> Self {
        let format = format.into();
        let config = SendConfig {
            format: format.clone(),
            ..config(FrameSource::Client)
        };
        let mut sender = Sender::new(config, Arc::new(SessionStats::new(2))).unwrap();
        let bytes = u32::try_from(format.unit_bytes()).unwrap();
        let geometry = Geometry::new(FRAMES, bytes).unwrap();
        let frames = FrameMemory::create(geometry, false).unwrap();
        for frame in 0..FRAMES {
            frames.write(frame, 0, &vec![OLD; format.unit_bytes()]);
        }
        let test = TestClient::new(1, (true, false), FRAMES, format, &frames);
        let lender = Box::new(test.lender());
        sender.attachments.add((lender, Some(frames))).unwrap();
        sender.resume(&port(), START_NS);
        Self {
            now_ns: sender.due_ns(),
            sender,
            wire: Wire::default(),
            test,
        }
    }

    fn take(&self) -> OwnedLoan {
        self.test.take().unwrap()
    }

    fn open(&self) -> OwnedLoan {
        let held = self.take();
        held.submit_open().unwrap();
        held
    }

    /// Turns at the times at which there is work, until `until_ns`.
    fn run(&mut self, until_ns: u64) {
        while self.sender.due_ns() <= until_ns {
            self.now_ns = self.now_ns.max(self.sender.due_ns());
            self.sender
                .turn(self.now_ns, NextHop::Known(PEER), &mut self.wire);
        }
        self.now_ns = until_ns;
    }

    /// When slot `after` slots behind the first one for a first field or a frame begins.
    fn slot_ns(&self, after: u64) -> u64 {
        let it = &self.sender.packetiser;
        let mut first = it.slot_at(START_NS + LEAD_NS + AHEAD_NS) + 1;
        first += u64::from(it.tag_of_slot(first) != it.tag_of_unit(0));
        it.slot_start(first + after) - AHEAD_NS
    }

    fn counted(&self) -> (u64, u64, u64) {
        let counted = self.sender.stats.snapshot();
        (
            counted.frames_sent,
            counted.underruns_open,
            counted.packets_not_filled,
        )
    }

    fn packets(&self, tag: u32) -> usize {
        self.sender.packetiser.packets(tag) as usize
    }
}

/// The byte at `at` of frame `number`.
fn byte(number: u8, at: usize) -> u8 {
    number.wrapping_add(u8::try_from(at % 223).unwrap())
}

/// Fills these bytes of frame `number`.
fn fill(held: &mut OwnedLoan, number: u8, bytes: std::ops::Range<usize>) {
    let all = &mut held.bytes_mut().unwrap()[bytes.clone()];
    for (at, it) in bytes.zip(all) {
        *it = byte(number, at);
    }
}

/// Fills lines of frame `number`, and says so.
fn fill_lines(held: &mut OwnedLoan, format: &VideoFormat, number: u8, lines: std::ops::Range<u32>) {
    let rows = lines.start / format.pgroup().lines..lines.end / format.pgroup().lines;
    let bytes = rows.start as usize * format.line_bytes()..rows.end as usize * format.line_bytes();
    fill(held, number, bytes);
    held.reach(lines.end);
}

/// Panics if a packet on the wire has a byte that is not of its frame. Returns the numbers of packets by timestamp.
fn verify(wire: &Wire, format: &VideoFormat, numbers: &[u8]) -> Vec<usize> {
    let mut found: Vec<(u32, usize)> = Vec::new();
    for packet in &wire.packets {
        let (header, payload) = rtp(packet);
        if found.last().is_none_or(|it| it.0 != header.timestamp) {
            found.push((header.timestamp, 0));
        }
        let number = numbers[found.len() - 1];
        found.last_mut().unwrap().1 += 1;
        for segment in Segments::parse(payload, format).unwrap() {
            for (at, it) in (segment.offset..).zip(segment.bytes) {
                assert_eq!(*it, byte(number, at), "frame {number} at {at}");
            }
        }
    }
    found.into_iter().map(|it| it.1).collect()
}

fn formats() -> Vec<VideoFormat> {
    vec![
        progressive(),
        video((320, 36), Sampling::YCbCr420, Scan::Progressive),
        video((320, 37), Sampling::YCbCr422, Scan::Interlaced),
        video((320, 37), Sampling::YCbCr422, Scan::Psf),
    ]
}

#[test]
fn open_frame_filled_line_by_line_then_sent_in_its_time() {
    for format in formats() {
        let mut rig = Rig::new(format);
        let period_ns = rig.slot_ns(1) - rig.slot_ns(0);
        let mut held = rig.open();
        let lines = format.lines(false);
        for line in (0..lines).step_by(format.pgroup().lines as usize) {
            let end = line + format.pgroup().lines;
            fill_lines(&mut held, &format, 1, line..end);
            // PsF carries the last lines in the middle of its time.
            let half = if format.scan() == Scan::Psf { 2 } else { 1 };
            let share = period_ns / half * u64::from(line) / u64::from(lines);
            rig.run(rig.slot_ns(0) + share);
            let most = rig.wire.packets.len() as u64 * u64::from(lines);
            let there = rig.packets(0) as u64 * u64::from(end);
            assert!(format.scan() == Scan::Psf || most <= there, "{line}");
        }
        held.put().unwrap();
        rig.run(rig.slot_ns(1) + period_ns / 8);
        assert_eq!(rig.counted(), (1, 0, 0), "{format}");
        assert_eq!(verify(&rig.wire, &format, &[1]), [rig.packets(0)]);
    }
}

/// Packets of a frame whose first lines are there, as the ranges of the packets say it.
fn packets_there(rig: &Rig, format: &VideoFormat, lines: u32) -> usize {
    let bytes = (lines / format.pgroup().lines) as usize * format.line_bytes();
    let there = |packet: &u32| {
        use onair_essence::send::PacketPlan as _;
        let mut is_there = true;
        let packet = rig.sender.packetiser.packet(0, *packet).unwrap();
        packet.for_each_range(|range| is_there &= range.end <= bytes);
        is_there
    };
    (0..rig.sender.packetiser.packets(0))
        .take_while(there)
        .count()
}

#[test]
fn open_frame_not_filled_in_time_then_the_next_is_whole() {
    for format in formats() {
        for lines in [0, 1, format.lines(false) / 2 + 1, format.lines(false) - 1] {
            let mut rig = Rig::new(format);
            let mut late = rig.open();
            let mut next = rig.take();
            let whole = 0..format.line_bytes() * format.rows(true);
            fill(&mut next, 2, whole);
            next.submit().unwrap();
            let rows = lines / format.pgroup().lines * format.pgroup().lines;
            fill_lines(&mut late, &format, 1, 0..rows);
            late.reach(lines);
            let there = packets_there(&rig, &format, lines);
            rig.run(rig.slot_ns(2));
            let not_filled = rig.packets(0) - there;
            assert_eq!(rig.counted(), (1, 1, not_filled as u64), "{format} {lines}");
            let numbers: &[u8] = if there == 0 { &[2] } else { &[1, 2] };
            let expected = [there, rig.packets(0)];
            let second = rig.sender.packetiser.tag_of_unit(1);
            let expected = [expected[0], rig.packets(second)];
            let sent = verify(&rig.wire, &format, numbers);
            assert_eq!(sent, expected[2 - numbers.len()..], "{format} {lines}");
            // It is still on loan: it is credited, and loaned anew, when it is returned.
            let lender = &rig.sender.attachments.get(1).unwrap().lender;
            assert_eq!(lender.returned(), 1, "the whole frame");
            late.put().unwrap();
            rig.run(rig.slot_ns(3));
            let lender = &rig.sender.attachments.get(1).unwrap().lender;
            assert_eq!((lender.returned(), lender.loaned()), (2, 4));
            assert_eq!(rig.counted().0, 1, "not sent once more");
        }
    }
}

#[test]
fn open_frame_given_up_before_its_time_then_no_old_line_goes() {
    let format = progressive();
    let mut rig = Rig::new(format);
    let mut held = rig.open();
    fill_lines(&mut held, &format, 1, 0..9);
    drop(held);
    rig.run(rig.slot_ns(1) + 1_000_000);
    let there = packets_there(&rig, &format, 9);
    assert_eq!(rig.counted().0, 0);
    assert_eq!(verify(&rig.wire, &format, &[1]), [there]);
    assert_eq!(rig.sender.stats.snapshot().frames_submitted, 1);
}

#[test]
fn open_frame_whose_client_lies_then_the_most_it_said_counts() {
    let format = progressive();
    let mut rig = Rig::new(format);
    let mut held = rig.open();
    fill(&mut held, 1, 0..format.frame_bytes());
    held.reach(u32::MAX);
    rig.run(rig.slot_ns(0));
    held.reach(0);
    rig.run(rig.slot_ns(0) + 5_000_000);
    held.reach(1);
    rig.run(rig.slot_ns(1));
    assert_eq!(rig.counted(), (1, 0, 0));
    assert_eq!(verify(&rig.wire, &format, &[1]), [rig.packets(0)]);
}

#[test]
fn open_frame_of_a_client_that_leaves_then_it_ends_at_once() {
    for evicted in [false, true] {
        let format = progressive();
        let mut rig = Rig::new(format);
        let mut held = rig.open();
        fill_lines(&mut held, &format, 1, 0..9);
        rig.run(rig.slot_ns(0) + 15_000_000);
        rig.sender.flush(3, rig.now_ns);
        if evicted {
            assert_eq!(rig.sender.evict(1).unwrap().revoked, 4);
            assert_eq!(rig.sender.stats.snapshot().frames_dropped_detached, 1);
        } else {
            assert!(rig.sender.dismiss(1, rig.now_ns));
            rig.run(rig.now_ns + LEAD_NS / 100);
            let (mut lender, _) = rig.sender.detached().expect("nothing to wait for");
            assert_eq!(rig.counted().1, 1);
            assert_eq!(lender.credit_dead_process().len(), 4);
            assert_eq!(lender.loaned(), 0);
        }
        let flushed = rig.sender.flushed().unwrap();
        assert_eq!((flushed.sent, flushed.dropped), (0, 1));
        let there = packets_there(&rig, &format, 9);
        rig.run(rig.slot_ns(3));
        assert_eq!(verify(&rig.wire, &format, &[1]), [there]);
    }
}

#[test]
fn session_stopped_within_an_open_frame_then_quiet_in_its_time() {
    let format = progressive();
    let mut rig = Rig::new(format);
    let mut held = rig.open();
    fill_lines(&mut held, &format, 1, 0..9);
    rig.run(rig.slot_ns(0) + 3_000_000);
    rig.sender.quiesce(rig.now_ns);
    rig.run(rig.slot_ns(2));
    assert!(rig.sender.is_quiet());
    assert_eq!(rig.counted().1, 1);
    // One that it opens while the session is stopped is dropped, and not sent after the next start.
    held.put().unwrap();
    let late = rig.open();
    rig.sender.attachments.settle();
    assert_eq!(rig.sender.attachments.get(1).unwrap().lender.loaned(), 1);
    rig.sender.resume(&port(), rig.now_ns);
    rig.run(rig.slot_ns(5));
    late.put().unwrap();
    rig.run(rig.slot_ns(7));
    assert_eq!(rig.counted().0, 0);
}

#[test]
fn narrow_sender_with_lines_late_then_no_burst_above_cmax() {
    for sender_type in [SenderType::Narrow, SenderType::NarrowLinear] {
        let size = video((1920, 1080), Sampling::YCbCr422, Scan::Progressive);
        let timing = Declared::from(sender_type);
        let stream = VideoStream {
            sender_type: timing.sender,
            ..size.into()
        };
        let mut rig = Rig::new(Format::Video(stream));
        let mut measurement = Measurement::new(&Stream {
            height: 1080,
            scan: Scan::Progressive,
            rate: (50, 1),
            packets: rig.sender.packetiser.packets(0),
            reads: Reads::of(sender_type),
            offset_ns: None,
            max_udp: None,
        })
        .unwrap();
        // The first two frames come late by 100 µs at their first half, the third by so much that it cannot end.
        let mut sent = 0;
        for (number, late_ns) in [(0, 100_000), (1, 300_000), (2, 8_000_000)] {
            let held = rig.open();
            held.reach(270);
            for (step_ns, lines) in [(5_000_000 + late_ns, 1080), (20_000_000, 1080)] {
                let until_ns = rig.slot_ns(number) + step_ns.min(19_999_999);
                while rig.sender.due_ns() <= until_ns {
                    rig.now_ns = rig.now_ns.max(rig.sender.due_ns());
                    rig.sender
                        .turn(rig.now_ns, NextHop::Known(PEER), &mut rig.wire);
                    for packet in rig.wire.packets.drain(..) {
                        let (header, _) = rtp(&packet);
                        measurement.packet(rig.now_ns, Some(rig.now_ns + AHEAD_NS), &header);
                        sent += 1;
                    }
                }
                held.reach(lines);
            }
        }
        let cinst = measurement.cinst().max().unwrap().unsigned_abs();
        assert!(cinst <= measurement.limits().cmax_narrow, "Cinst {cinst}");
        let (frames, ended, rest) = rig.counted();
        assert_eq!((frames, ended), (2, 1), "{sender_type}");
        assert_eq!(sent + rest, 3 * rig.packets(0) as u64);
        assert_eq!(rig.sender.stats.snapshot().slots_missed, 0);
    }
}

#[test]
fn open_block_of_audio_then_each_packet_waits_for_its_samples() {
    let format = AudioDocument {
        coding: Coding::L24,
        sample_rate: 48_000,
        channels: 2,
        packet_time_us: Some(1_000),
        block_samples: None,
        channel_order: None,
    };
    let format = AudioFormat::try_from(&format).unwrap();
    let (samples, packets) = (format.packet_samples(), format.block_packets());
    let mut rig = Rig::new(Format::Audio(format.clone()));
    let mut held = rig.open();
    let bytes = format.packet_bytes();
    for packet in 0..packets - 1 {
        fill(
            &mut held,
            1,
            packet as usize * bytes..(packet as usize + 1) * bytes,
        );
        held.reach((packet + 1) * samples);
        rig.run(rig.slot_ns(0) + u64::from(packet) * 1_000_000);
        assert_eq!(rig.wire.packets.len(), packet as usize + 1);
    }
    held.reach(packets * samples - 1);
    rig.run(rig.slot_ns(1));
    assert_eq!(rig.counted(), (0, 1, 1));
    for (at, packet) in (0..).zip(&rig.wire.packets) {
        let (_, payload) = rtp(packet);
        let expected: Vec<u8> = (at * bytes..).map(|at| byte(1, at)).take(bytes).collect();
        assert_eq!(payload, expected);
    }
}

#[test]
fn open_unit_of_data_then_sent_when_finished() {
    let format = AncillaryDocument {
        frame_rate: "50".to_owned(),
        fields: None,
        did_sdid: Vec::new(),
        vpid: None,
        transmission: None,
        standard: None,
        tr_offset_us: None,
    };
    let mut rig = Rig::new(Format::Ancillary((&format).try_into().unwrap()));
    for finishes in [true, false] {
        let mut held = rig.open();
        let mut unit = UnitWriter::new(held.bytes_mut().unwrap()).unwrap();
        unit.push(Place::of_bits(0), (0x61, 1), &[7, 8, 9]).unwrap();
        // Its bytes are there, as far as they are: which they are is known at its end.
        held.reach(1_000);
        rig.wire.packets.clear();
        let slot = 2 * u64::from(!finishes);
        rig.run(rig.slot_ns(slot) + 1_000_000);
        assert!(rig.wire.packets.is_empty(), "it waits");
        if finishes {
            held.submit().unwrap();
        }
        rig.run(rig.slot_ns(slot + 1) + 1_000_000);
        let counts: Vec<u8> = rig.wire.packets.iter().map(|it| rtp(it).1[4]).collect();
        assert_eq!(counts, [u8::from(finishes), 0], "each slot has a packet");
    }
    assert_eq!(rig.counted(), (1, 1, 1));
}
