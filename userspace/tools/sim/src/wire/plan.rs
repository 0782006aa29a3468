//! Packets of the stranger, and losses of the network.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use onair_essence::legs::{Class, Leg};
use onair_essence::{Format, FormatDocument, SentPacket};
use onair_sim_kernel::Random;

use super::session::{Ended, Session};
use super::{SSRC, TYPE};

const MS: u64 = 1_000_000;
/// Formats of streams.
pub(super) const FORMATS: usize = 5;
/// Units that are sent in a life take so many milliseconds.
const LASTS_MS: u64 = 1_800;

/// One deed, at a time of the first part of the stream.
#[derive(Clone, Debug)]
pub(crate) struct WireDeed {
    /// Time from the stream's start, ns.
    pub(super) at_ns: u64,
    pub(super) leg: Leg,
    pub(super) kind: WireDeedKind,
}

/// An event on a leg.
#[derive(Clone, Debug)]
pub(super) enum WireDeedKind {
    /// The stranger sends packets.
    Strange(Strange),
    /// It sends packets of the stream's source that no session takes, for a reason that the number chooses.
    Refused(Strange, u64),
    /// The leg loses what the sender sends for so long, ns.
    Lose(u64),
}

/// Packets of the stranger, each like one of the sender's about that time.
#[derive(Clone, Debug)]
pub(super) struct Strange {
    /// By so many packets another than the next one.
    pub(super) like: i64,
    /// Increment of number and timestamp, added again with each packet.
    pub(super) numbers: [u64; 2],
    pub(super) ticks: [u64; 2],
    pub(super) ssrc: u32,
    /// Bytes of its packets.
    pub(super) bytes: Option<usize>,
    /// Values of some of their bytes.
    pub(super) damage: Vec<(usize, u8)>,
    pub(super) times: u64,
    /// From one to the next.
    pub(super) step_ns: u64,
}

/// A whole life.
#[derive(Clone, Debug)]
pub(crate) struct WirePlan {
    /// Place of the format.
    pub(super) format: usize,
    /// How far the legs may be apart, if there are two, and by how much the second is later, ns.
    pub(super) legs: Option<(Class, u64)>,
    /// The sender's numbers and timestamps begin with them.
    pub(super) number: u64,
    pub(super) ticks: u64,
    /// Packets of a poller's turn, at most.
    pub(super) burst: usize,
    /// The deeds.
    pub(crate) deeds: Vec<WireDeed>,
}

/// Any of these, and with them any other number.
fn any_of(random: &mut Random, of: &[i64]) -> u64 {
    match of.get(usize::try_from(random.below(of.len() as u64 + 2)).unwrap_or(0)) {
        Some(it) => it.cast_unsigned(),
        None => random.below(1 << 32),
    }
}

impl WirePlan {
    /// The life of `seed`.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x0057_1a46_e100);
        let mut below = |limit: u64| usize::try_from(random.below(limit)).unwrap_or(0);
        let class = [Class::A, Class::B, Class::D][below(3)];
        let has_legs = below(3) > 0;
        let late_ns = [0, 50_000, 5 * MS, class.differential_ns(0) * 9 / 10][below(4)];
        let late_ns = late_ns.min(class.differential_ns(0) * 9 / 10);
        let (format, burst) = (below(FORMATS as u64), [1, 4, 32][below(3)]);
        let number = [0, 65_500, below(1 << 16)][below(3)] as u64;
        let ticks = [0, (1 << 32) - 20_000, below(1 << 32)][below(3)] as u64;
        // Each tenth life has only what is refused.
        let count = if seed % 10 == 5 { 0 } else { below(24) };
        let mut deeds: Vec<_> = (0..count).map(|_| WireDeed::new(&mut random)).collect();
        let refused = random.below(24);
        deeds.extend((0..refused).filter_map(|_| WireDeed::refused(&mut random)));
        Self {
            format,
            legs: has_legs.then_some((class, late_ns)),
            number,
            ticks,
            burst,
            deeds,
        }
    }
}

impl WirePlan {
    /// Whether all that comes beside the sender's packets is refused, and none of these is lost.
    pub(super) fn is_undisturbed(&self) -> bool {
        let mut deeds = self.deeds.iter();
        deeds.all(|it| matches!(it.kind, WireDeedKind::Refused(..)))
    }
}

impl WireDeed {
    /// At any time of the stream.
    fn refused(random: &mut Random) -> Option<Self> {
        let WireDeedKind::Strange(it) = Self::new(random).kind else {
            return None;
        };
        let strange = Strange {
            ssrc: SSRC,
            bytes: None,
            damage: Vec::new(),
            ..it
        };
        Some(Self {
            at_ns: random.below(1_500 * MS),
            leg: Leg::BOTH[usize::from(random.below(2) == 0)],
            kind: WireDeedKind::Refused(strange, random.below(5)),
        })
    }

    fn new(random: &mut Random) -> Self {
        let at_ns = random.below(200 * MS);
        let leg = Leg::BOTH[usize::from(random.below(2) == 0)];
        if random.below(6) == 0 {
            let most_ns = [5, 30, 250][usize::try_from(random.below(3)).unwrap_or(0)];
            let kind = WireDeedKind::Lose(random.below(most_ns * MS));
            return Self { at_ns, leg, kind };
        }
        let numbers = [
            0, 1, 2, 7, 9, 10, 20, 300, 1_000, 2_000, 20_000, 32_000, -1, -2, -20, -300,
        ];
        let ticks = [
            0, 0, 0, 1, 48, 450, 960, 1_800, 3_600, 90_000, -1, -450, -1_800, -90_000,
        ];
        let ssrcs = [SSRC, SSRC, SSRC, SSRC, 8, 9];
        let damages = random.below(4).saturating_sub(1);
        let (times, pace) = (
            1 << random.below(7),
            usize::try_from(random.below(3)).unwrap_or(0),
        );
        let kind = WireDeedKind::Strange(Strange {
            like: random.below(8).cast_signed() - 4,
            numbers: [
                any_of(random, &numbers),
                any_of(random, &[0, 1, 1, 1, 2, 17, -1]),
            ],
            ticks: [any_of(random, &ticks), any_of(random, &ticks)],
            ssrc: ssrcs[usize::try_from(random.below(6)).unwrap_or(0)],
            bytes: (random.below(4) == 0)
                .then(|| usize::try_from(random.below(9_300)).unwrap_or(0) >> random.below(8)),
            damage: (0..damages)
                .map(|_| {
                    let at = usize::try_from(random.below(40)).unwrap_or(0);
                    (at, random.below(256).to_le_bytes()[0])
                })
                .collect(),
            times: 1 + random.below(times),
            step_ns: random.below([1, 20_000, 1_000_000][pace]),
        });
        Self { at_ns, leg, kind }
    }
}

/// A stream of small units.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) format: Format,
    pub(super) packets: Vec<SentPacket>,
    /// Its units by their timestamps.
    units: BTreeMap<u32, Vec<u8>>,
    /// Of audio, the first timestamp and all bytes: blocks may begin at any sample.
    samples: Option<(u32, Vec<u8>)>,
}

impl Sender {
    fn new(format: usize) -> Self {
        let all: [FormatDocument; FORMATS] =
            serde_json::from_str(include_str!("formats.json")).expect("they are valid");
        let format = Format::try_from(all[format].clone()).expect("it is valid");
        let units = format.units_in_1000_s() * LASTS_MS / 1_000_000;
        let packets = format.test_stream((TYPE, SSRC), 0, 1_000..1_000 + units);
        let packets = packets.expect("it can be sent");
        let mut session = Session::new(&format, None);
        for (now_ns, packet) in &packets {
            session.turn(Leg::First, &[packet], *now_ns);
        }
        let all = session.close();
        assert!(
            all[1..].iter().all(|it| it.complete),
            "the stream alone is whole"
        );
        let samples = matches!(format, Format::Audio(_)).then(|| {
            let bytes = all.iter().flat_map(|it| it.bytes.clone()).collect();
            (all[0].timestamp, bytes)
        });
        Self {
            format,
            packets,
            units: all.into_iter().map(|it| (it.timestamp, it.bytes)).collect(),
            samples,
        }
    }

    /// Calls with the stream of this place.
    pub(super) fn with<T>(format: usize, call: impl FnOnce(&Self) -> T) -> T {
        thread_local!(static ALL: [OnceCell<Sender>; FORMATS] = const { [const { OnceCell::new() }; FORMATS] });
        ALL.with(|all| call(all[format].get_or_init(|| Self::new(format))))
    }

    pub(super) fn has_a_unit_a_packet(&self) -> bool {
        self.samples.is_none() && self.packets.len() == self.units.len()
    }

    /// Ticks of a unit that other packets with a timestamp near its own may change: of audio, a packet has some.
    pub(super) fn ticks(&self) -> u32 {
        match &self.samples {
            Some(_) => u32::try_from(self.format.unit_bytes() / 6).unwrap_or(0),
            None => 1,
        }
    }

    /// Whether a unit has the sender's bytes; `ticks` were added to its timestamps.
    pub(super) fn has_sent(&self, unit: &Ended, ticks: u32) -> bool {
        let timestamp = unit.timestamp.wrapping_sub(ticks);
        match &self.samples {
            None => self
                .units
                .get(&timestamp)
                .is_some_and(|it| *it == unit.bytes),
            Some((first, bytes)) => {
                let at = timestamp.wrapping_sub(*first) as usize * 6;
                bytes.get(at..at + unit.bytes.len()) == Some(&unit.bytes)
            }
        }
    }
}
