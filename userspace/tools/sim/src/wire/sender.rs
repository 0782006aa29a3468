//! The sender's packets, and what its units contain: what a session receives of them alone.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use onair_essence::{Format, FormatDocument, SentPacket};

use super::session::{Ended, Session};
use super::{SSRC, TYPE};

/// Formats of streams.
pub(super) const FORMATS: usize = 5;
/// Units that are sent in a life take so many milliseconds.
const LASTS_MS: u64 = 1_800;

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
            session.turn(onair_essence::legs::Leg::First, &[packet], *now_ns);
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
