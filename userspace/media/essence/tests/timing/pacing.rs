//! The pacer of each sender type through the measurement of ST 2110-21.

use onair_essence::rtp::RtpHeader;
use onair_essence::video::pacing::Pacer;
use onair_essence::video::st2110_20::Packetiser;
use onair_essence::video::st2110_21::{Measurement, Reads, Stream};
use onair_essence::video::{Depth, FrameRate, Packing, Sampling, Scan, SenderType, VideoFormat};
use proptest::prelude::*;

/// The monotonic clock is so far behind TAI: 2026.
const AHEAD_NS: u64 = 1_795_305_637_000_000_000;

/// A sender without content, and the measurement of what it sends.
struct Rig {
    pacer: Pacer,
    packets: [u32; 2],
    first_slot: u64,
    measurement: Measurement,
    sequence: u16,
    slot: u64,
    next: u32,
    now_ns: u64,
    /// The most packets that went together.
    largest: u32,
    missed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Case {
    size: (u32, u32),
    samples: (Sampling, Depth),
    scan: Scan,
    rate: (u32, u32),
    packing: Packing,
    max_udp: u16,
    sender: SenderType,
}

impl Case {
    fn packetiser(&self, second: bool) -> Packetiser {
        let rate = FrameRate::new(self.rate.0, self.rate.1).expect("a rate");
        let format = VideoFormat::of(self.size, self.samples, self.scan, rate).expect("a format");
        let room = usize::from(self.max_udp) - 8;
        Packetiser::of(format, second, self.packing, room).expect("room for packets")
    }

    /// CMAX and `VRX_FULL` by the words of §6.6.1 and §7, from packets and time of the whole frame.
    fn limits(&self, packets: u32) -> (i64, i64) {
        let (num, den) = self.rate;
        let lines = match (self.scan, self.size.1) {
            (Scan::Progressive, _) | (_, 1080..) => (1080.0, 1125.0),
            (_, ..=487) => (487.0, 525.0),
            _ => (576.0, 625.0),
        };
        let a_second = f64::from(packets) * f64::from(num) / f64::from(den);
        let max_udp = f64::from(self.max_udp);
        #[expect(clippy::cast_possible_truncation, reason = "below 100,000")]
        let whole = |it: f64| (it + 1e-6).floor() as i64;
        match self.sender {
            SenderType::Narrow => (
                whole(a_second * lines.1 / (43_200.0 * lines.0)).max(4),
                whole(a_second / 27_000.0).max(whole(1500.0 * 8.0 / max_udp)),
            ),
            SenderType::NarrowLinear => (
                whole(a_second / 43_200.0).max(4),
                whole(a_second / 27_000.0).max(whole(1500.0 * 8.0 / max_udp)),
            ),
            SenderType::Wide => (
                whole(a_second / 21_600.0).max(16),
                whole(a_second / 300.0).max(whole(1500.0 * 720.0 / max_udp)),
            ),
        }
    }

    fn rig(&self) -> Rig {
        let packetiser = self.packetiser(false);
        let [first, second] = packetiser.segments();
        let slot_packets = match self.scan {
            Scan::Interlaced => [first, self.packetiser(true).packets()],
            _ => [first + second; 2],
        };
        let stream = Stream {
            height: self.size.1,
            scan: self.scan,
            rate: self.rate,
            packets: first,
            reads: Reads::of(self.sender),
            offset_ns: None,
            max_udp: None,
        };
        let pacer = Pacer::new(&packetiser, self.sender, self.max_udp);
        // Beginning with a first field.
        let first_slot = pacer.schedule().frame_at(AHEAD_NS) / 2 * 2 + 2;
        Rig {
            pacer,
            packets: slot_packets,
            first_slot,
            measurement: Measurement::with_many_levels(&stream, 5_000).expect("a valid stream"),
            sequence: 0,
            slot: first_slot,
            next: 0,
            now_ns: 0,
            largest: 0,
            missed: 0,
        }
    }
}

impl Rig {
    /// When the pacer has something to send next.
    fn due_ns(&self) -> u64 {
        if self.next == 0 {
            let start = self.pacer.schedule().frame_start(self.slot) - AHEAD_NS;
            return start.max(self.pacer.next_ns(self.slot, 0, AHEAD_NS));
        }
        self.pacer.next_ns(self.slot, self.next, AHEAD_NS)
    }

    /// A turn of the poller at `now_ns`. Returns the packets that went.
    fn turn(&mut self, now_ns: u64, psf_first: Option<u32>) -> u32 {
        assert!(now_ns >= self.now_ns, "time goes on");
        self.now_ns = now_ns;
        let mut all = 0;
        loop {
            let packets = self.packets[usize::from(self.slot % 2 == 1)];
            if self.next == 0 {
                let current = self.pacer.schedule().frame_at(now_ns + AHEAD_NS);
                self.missed += current.saturating_sub(self.slot);
                self.slot = self.slot.max(current);
            }
            let ready = self.pacer.ready(self.slot, self.next, now_ns, AHEAD_NS);
            let until = ready.min(packets);
            for index in self.next..until {
                let marker = index + 1 == packets || Some(index + 1) == psf_first;
                let second_segment = psf_first.is_some_and(|first| index >= first);
                let header = RtpHeader {
                    marker,
                    payload_type: 96,
                    sequence: self.sequence,
                    timestamp: u32::try_from(self.slot * 2 % (1 << 31)).expect("31 bits")
                        + u32::from(second_segment),
                    ssrc: 1,
                };
                self.sequence = self.sequence.wrapping_add(1);
                let tai_ns = Some(now_ns + AHEAD_NS);
                self.measurement.packet(now_ns, tai_ns, &header);
            }
            let sent = until - self.next;
            self.pacer.sent(sent, now_ns);
            all += sent;
            self.next = until;
            if until < packets {
                break;
            }
            self.slot += 1;
            self.next = 0;
            if self.due_ns() > now_ns {
                break;
            }
        }
        self.largest = self.largest.max(all);
        all
    }

    /// Sends so many slots, each turn when it is due. After the first of them all is measured.
    fn run(&mut self, slots: u64, psf_first: Option<u32>) {
        let end = self.slot + slots;
        while self.slot < end {
            let due_ns = self.due_ns();
            let sent = self.turn(due_ns, psf_first);
            assert!(sent > 0, "a turn that is due sends: slot {}", self.slot);
        }
    }

    fn cinst(&self) -> i64 {
        self.measurement.cinst().max().expect("packets")
    }

    fn vrx(&self) -> (i64, i64) {
        let vrx = self.measurement.vrx();
        let levels = vrx.min().zip(vrx.max());
        levels.expect("packets")
    }
}

const RATES: [(u32, u32); 9] = [
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
    (120, 1),
];

fn cases() -> impl Iterator<Item = Case> {
    let usual = (Sampling::YCbCr422, Depth::Ten);
    let large = (Sampling::Rgb, Depth::Twelve);
    let rasters = [
        ((320, 180), usual, Scan::Progressive),
        ((1280, 720), usual, Scan::Progressive),
        ((1920, 1080), usual, Scan::Progressive),
        ((1920, 1080), large, Scan::Progressive),
        ((3840, 2160), usual, Scan::Progressive),
        ((1920, 1080), usual, Scan::Interlaced),
        ((1920, 1080), large, Scan::Interlaced),
        ((720, 576), usual, Scan::Interlaced),
        ((720, 486), usual, Scan::Interlaced),
        ((1920, 1080), usual, Scan::Psf),
    ];
    let ways = [
        (Packing::General, 1460),
        (Packing::Block, 1460),
        (Packing::General, 8960),
    ];
    let mut all = vec![];
    for (size, samples, scan) in rasters {
        for rate in RATES {
            for (packing, max_udp) in ways {
                for sender in SenderType::ALL.iter().copied() {
                    all.push(Case {
                        size,
                        samples,
                        scan,
                        rate,
                        packing,
                        max_udp,
                        sender,
                    });
                }
            }
        }
    }
    all.into_iter()
}

#[test]
fn sender_of_each_type_format_and_rate_complies_with_its_type() {
    for case in cases() {
        let mut rig = case.rig();
        let psf_first = (case.scan == Scan::Psf).then(|| case.packetiser(false).segments()[0]);
        rig.run(4, psf_first);
        let of_frame = match case.scan {
            Scan::Interlaced => rig.packets[0] + rig.packets[1],
            _ => rig.packets[0],
        };
        let (cmax, full) = case.limits(of_frame);
        // The level that a packet finds: with the packet it is one more, and at most CMAX, too.
        assert!(
            rig.cinst() < cmax,
            "{case:?}: Cinst {} of {cmax}",
            rig.cinst()
        );
        let (lowest, highest) = rig.vrx();
        assert!(lowest >= 0, "{case:?}: VRX {lowest}");
        assert!(highest <= full, "{case:?}: VRX {highest} of {full}");
        assert_eq!(rig.missed, 0);
        // No packet before its frame's own time.
        let first = rig.measurement.first_packets().after_start_ns.min();
        assert!(first.unwrap() > 0, "{case:?}");
        assert_eq!(rig.first_slot + 4, rig.slot);
    }
}

fn hd(sender: SenderType) -> Case {
    Case {
        size: (1920, 1080),
        samples: (Sampling::YCbCr422, Depth::Ten),
        scan: Scan::Progressive,
        rate: (60_000, 1001),
        packing: Packing::General,
        max_udp: 1460,
        sender,
    }
}

/// From the time at which a packet is due to that at which it is read.
fn lead_ns(case: &Case, rig: &Rig) -> u64 {
    let segments = if case.scan == Scan::Psf { 2 } else { 1 };
    let schedule = rig.measurement.schedule();
    let read_ns = schedule.read_ns(rig.first_slot * segments, 0);
    read_ns - rig.pacer.schedule().frame_start(rig.first_slot)
}

#[test]
fn lead_is_what_the_receivers_buffer_has_left() {
    let extended = |sender| Case {
        max_udp: 8960,
        ..hd(sender)
    };
    // VRX_FULL is 8 packets of the standard size, and 1 of the extended size; groups are of 2 and 1.
    for (case, reads) in [
        (hd(SenderType::Narrow), 5.5),
        (hd(SenderType::NarrowLinear), 5.5),
        (extended(SenderType::Narrow), 0.5),
        (extended(SenderType::NarrowLinear), 0.5),
    ] {
        let rig = case.rig();
        let spacing_ns = rig.measurement.schedule().spacing_ns();
        let lead = lead_ns(&case, &rig) as f64 / spacing_ns;
        assert!((lead - reads).abs() < 0.01, "{case:?}: {lead} reads");
    }
    // A wide sender's buffer would take more than half of the offset, 318,837 ns.
    let wide = hd(SenderType::Wide);
    assert_eq!(lead_ns(&wide, &wide.rig()) / 1_000, 318);
}

#[test]
fn narrow_sender_held_up_then_catches_up_without_a_burst() {
    for sender in [SenderType::Narrow, SenderType::NarrowLinear] {
        let case = hd(sender);
        let (cmax, full) = case.limits(case.packetiser(false).packets());
        for held_ns in [50_000, 300_000, 1_000_000] {
            let mut rig = case.rig();
            rig.run(1, None);
            while rig.next < 2_000 {
                rig.turn(rig.due_ns(), None);
            }
            rig.turn(rig.due_ns() + held_ns, None);
            rig.run(4, None);
            assert!(rig.cinst() < cmax, "{sender} {held_ns}: {}", rig.cinst());
            assert!(i64::from(rig.largest) <= cmax);
            // Some came too late.
            assert!(rig.vrx().0 < 0 && rig.vrx().1 <= full);
            assert_eq!(rig.missed, 0);
            // The last frames are on time.
            let start = rig.pacer.schedule().frame_start(rig.slot) - AHEAD_NS;
            assert_eq!(rig.due_ns(), start);
        }
    }
}

#[test]
fn narrow_sender_held_up_for_too_long_then_sends_all_at_once() {
    let case = hd(SenderType::Narrow);
    let mut rig = case.rig();
    rig.run(1, None);
    rig.turn(rig.due_ns(), None);
    let sent = rig.turn(rig.due_ns() + 15_000_000, None);
    assert!(sent > 3_000, "{sent}");
    rig.run(2, None);
    assert_eq!(rig.missed, 0);
}

proptest! {
    /// A poller that comes a little late at each turn.
    #[test]
    fn late_at_each_turn_then_never_above_cmax_and_never_read_late(
        case in prop::sample::select(
            cases().filter(|it| it.sender != SenderType::Wide && it.size.1 <= 1080).collect::<Vec<_>>(),
        ),
        late in prop::collection::vec(0u64..=100, 1..200),
    ) {
        let mut rig = case.rig();
        let psf_first = (case.scan == Scan::Psf).then(|| case.packetiser(false).segments()[0]);
        // Of the lead a group must stay: it may wait for room.
        let most_ns = lead_ns(&case, &rig) / 3;
        let end = rig.slot + 2;
        let mut late = late.into_iter().cycle();
        while rig.slot < end {
            let by_ns = most_ns * late.next().unwrap() / 100;
            rig.turn(rig.due_ns() + by_ns, psf_first);
        }
        let of_frame = match case.scan {
            Scan::Interlaced => rig.packets[0] + rig.packets[1],
            _ => rig.packets[0],
        };
        let (cmax, full) = case.limits(of_frame);
        prop_assert!(rig.cinst() <= cmax, "Cinst {} of {}", rig.cinst(), cmax);
        let (lowest, highest) = rig.vrx();
        prop_assert!(lowest >= 0 && highest <= full, "VRX {} to {} of {}", lowest, highest, full);
    }
}
