//! Counts the packets of a source.

use super::{AncillaryTiming, SeenKind};
use crate::ancillary::content::{Kind, TIMECODE, Timecode};
use crate::ancillary::rfc8331::{Payload, PayloadReject, WirePacket};
use crate::measure::{Damage, Gauge, Measure, Range};
use crate::media_time;
use crate::rtp::RtpHeader;
use crate::video::RTP_CLOCK_HZ;
use crate::video::timing::TimingRange;

/// Kinds that are told apart.
const KINDS: usize = 16;
/// How often the figures are new, in nanoseconds.
const WINDOW_NS: u64 = 1_000_000_000;
/// How old figures may be, in nanoseconds, to say something of now.
const OLD_NS: u64 = 3 * WINDOW_NS;

/// Packets of a second.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    anc_packets: u64,
    /// Of these, packets with a wrong checksum or wrong parity.
    wrong: u64,
    /// Times after the timestamps.
    after: Range,
    /// Why a payload is refused.
    refused: Option<PayloadReject>,
}

/// Counts the ANC packets of one source. Does not allocate but in [`Measure::document`].
#[derive(Debug, Clone, Copy)]
pub struct AncillaryMonitor {
    anc_packets: u64,
    wrong_parity: u64,
    wrong_checksum: u64,
    keep_alives: u64,
    /// Each with its packets; an entry without packets is free.
    kinds: [(Kind, u64); KINDS],
    other_kinds: u64,
    timecode: Option<Timecode>,
    /// This second, and the last one.
    now: Second,
    last: Second,
    /// When the second began; `None` without packets since the last one ended.
    started_ns: Option<u64>,
    last_ns: u64,
}

impl Default for AncillaryMonitor {
    fn default() -> Self {
        Self {
            anc_packets: 0,
            wrong_parity: 0,
            wrong_checksum: 0,
            keep_alives: 0,
            kinds: [(Kind::of((0, 0)), 0); KINDS],
            other_kinds: 0,
            timecode: None,
            now: Second::default(),
            last: Second::default(),
            started_ns: None,
            last_ns: 0,
        }
    }
}

impl AncillaryMonitor {
    fn add(&mut self, packet: &WirePacket<'_>) {
        let record = packet.record();
        self.anc_packets += 1;
        self.wrong_parity += u64::from(record.is_parity_wrong);
        self.wrong_checksum += u64::from(record.is_checksum_wrong);
        self.now.anc_packets += 1;
        self.now.wrong += u64::from(record.is_wrong());
        let kind = Kind::of(packet.kind());
        let mut kinds = self.kinds.iter_mut();
        match kinds.find(|(it, packets)| *it == kind || *packets == 0) {
            Some((it, packets)) => (*it, *packets) = (kind, *packets + 1),
            None => self.other_kinds += 1,
        }
        if packet.kind() == TIMECODE && !record.is_wrong() {
            let data = packet.data().map(|word| word.to_be_bytes()[1]);
            self.timecode = Timecode::of_data(data).or(self.timecode);
        }
    }

    fn after_timestamp(&mut self, tai_ns: u64, timestamp: u32) {
        let time_ns = media_time::nearest_ns(timestamp, RTP_CLOCK_HZ, tai_ns);
        let after_ns = i128::from(tai_ns) - i128::from(time_ns);
        let after_ns = i64::try_from(after_ns).unwrap_or(i64::MAX);
        self.now.after.add(after_ns);
    }

    fn end_second(&mut self) {
        self.last = std::mem::take(&mut self.now);
    }

    /// The last second, if packets came shortly before `now_ns`.
    fn recent(&self, now_ns: u64) -> Option<&Second> {
        (now_ns.saturating_sub(self.last_ns) < OLD_NS).then_some(&self.last)
    }

    fn range(&self) -> Option<TimingRange> {
        let after = &self.last.after;
        Some(TimingRange {
            min: after.min,
            mean: after.mean()?,
            max: after.max,
        })
    }
}

impl Measure for AncillaryMonitor {
    type Document = AncillaryTiming;

    fn reads_payloads(&self) -> bool {
        true
    }

    fn packet(&mut self, at_ns: u64, tai_ns: Option<u64>, rtp: &RtpHeader, payload: &[u8]) -> bool {
        let begins = self.due_ns().is_none_or(|due_ns| due_ns <= at_ns);
        if begins {
            // A pause may have ended the last one.
            if self.started_ns.is_some() {
                self.end_second();
            }
            self.started_ns = Some(at_ns);
        }
        self.last_ns = at_ns;
        match Payload::parse(payload) {
            Ok(payload) => {
                self.keep_alives += u64::from(payload.packets == 0);
                payload.iter().for_each(|packet| self.add(&packet));
            }
            Err(reason) => self.now.refused = Some(reason),
        }
        if let Some(tai_ns) = tai_ns {
            self.after_timestamp(tai_ns, rtp.timestamp);
        }
        begins
    }

    fn repeat(&mut self, _times: u32) {}

    fn pause(&mut self, now_ns: u64) -> bool {
        let is_over = self.due_ns().is_some_and(|due_ns| due_ns <= now_ns);
        if is_over {
            self.end_second();
            self.started_ns = None;
        }
        is_over
    }

    fn due_ns(&self) -> Option<u64> {
        Some(self.started_ns?.saturating_add(WINDOW_NS))
    }

    fn fetch(&self, _at_ns: u64, _fetch: impl FnMut(&u64)) {}

    fn document(&self, _now_ns: u64) -> Option<AncillaryTiming> {
        let kinds = self.kinds.iter().filter(|(_, packets)| *packets > 0);
        let kinds = kinds.map(|(kind, packets)| SeenKind {
            did_sdid: kind.to_string(),
            name: kind.name().map(str::to_owned),
            packets: *packets,
        });
        (self.last_ns > 0).then(|| AncillaryTiming {
            anc_packets: self.anc_packets,
            wrong_parity: self.wrong_parity,
            wrong_checksum: self.wrong_checksum,
            keep_alives: self.keep_alives,
            kinds: kinds.collect(),
            other_kinds: self.other_kinds,
            timecode: self.timecode.map(|it| it.to_string()),
            after_timestamp_ns: self.range(),
        })
    }

    fn gauges(&self, _now_ns: u64, visit: &mut dyn FnMut(Gauge)) {
        let wrong = [
            ("checksum", self.wrong_checksum),
            ("parity", self.wrong_parity),
        ];
        let mut gauge = |name, help, label, count: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a count")]
            let value = count as f64;
            visit(Gauge {
                name,
                help,
                label,
                value,
            });
        };
        gauge(
            "onair_session_anc_packets",
            "ANC packets (ST 291-1) that arrived.",
            None,
            self.anc_packets,
        );
        for (what, count) in wrong {
            gauge(
                "onair_session_anc_wrong",
                "ANC packets with a wrong checksum or wrong parity.",
                Some(("what", what)),
                count,
            );
        }
        gauge(
            "onair_session_anc_keep_alives",
            "RTP packets without an ANC packet.",
            None,
            self.keep_alives,
        );
    }

    fn away_ns(&self, now_ns: u64) -> Option<f64> {
        self.recent(now_ns)?.after.away_ns()
    }

    fn remark(&self, now_ns: u64) -> Option<String> {
        self.recent(now_ns)?.refused.map(|it| it.to_string())
    }

    fn damage(&self, now_ns: u64) -> Option<Damage> {
        let second = self.recent(now_ns).filter(|it| it.wrong > 0)?;
        Some(Damage {
            what: "ANC packets have a wrong checksum or wrong parity",
            damaged: second.wrong,
            of: second.anc_packets,
        })
    }

    fn copy_from(&mut self, other: &Self) {
        *self = *other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ancillary::send::{AncillaryPacketiser, AncillarySignal};
    use crate::ancillary::stream::AncillaryStream;
    use crate::ancillary::unit::{Place, UNIT_BYTES, UnitWriter};
    use crate::essence::Essence as _;
    use crate::send::{PacketPlan as _, Packetise as _, StreamHeader, TestSignal as _};

    const RTP: RtpHeader = RtpHeader {
        marker: true,
        payload_type: 100,
        sequence: 0,
        timestamp: 0,
        ssrc: 1,
    };

    fn stream() -> AncillaryStream {
        let document = serde_json::from_str(r#"{"frame_rate": "25"}"#).unwrap();
        AncillaryStream::check(&document).unwrap()
    }

    /// The payloads of a unit.
    fn payloads(read: impl FnMut(usize, &mut [u8])) -> Vec<Vec<u8>> {
        let mut packetiser = AncillaryPacketiser::new(&stream(), 1452).unwrap();
        packetiser.begin(0, read);
        let stream = StreamHeader {
            payload_type: 100,
            timestamp: 0,
            ssrc: 1,
        };
        let all = (0..packetiser.packets(0)).map(|index| {
            let packet = packetiser.packet(0, index).unwrap();
            let mut bytes = vec![0; packet.bytes()];
            packet.write_headers(&stream, 0, &mut bytes);
            bytes.split_off(12)
        });
        all.collect()
    }

    #[test]
    fn kinds_more_than_told_apart_then_the_rest_counted_together() {
        let mut buffer = vec![0; UNIT_BYTES];
        let mut unit = UnitWriter::new(&mut buffer).unwrap();
        for sdid in 0..20 {
            unit.push(Place::default(), (0x50, sdid), &[]).unwrap();
        }
        let mut monitor = AncillaryMonitor::default();
        for payload in payloads(|at, out| out.copy_from_slice(&buffer[at..at + out.len()])) {
            monitor.packet(1, None, &RTP, &payload);
        }
        let counts = monitor.document(1).unwrap();
        let told = (counts.anc_packets, counts.kinds.len(), counts.other_kinds);
        assert_eq!(told, (20, KINDS, 4));
        assert_eq!(counts.kinds[3].did_sdid, "50/03");
    }

    #[test]
    fn packets_of_type_1_then_one_kind_whatever_their_numbers() {
        let mut buffer = vec![0; UNIT_BYTES];
        let mut unit = UnitWriter::new(&mut buffer).unwrap();
        for number in 1..=20 {
            unit.push(Place::default(), (0xe7, number), &[]).unwrap();
        }
        unit.push(Place::default(), (0x61, 0x02), &[]).unwrap();
        let mut monitor = AncillaryMonitor::default();
        for payload in payloads(|at, out| out.copy_from_slice(&buffer[at..at + out.len()])) {
            monitor.packet(1, None, &RTP, &payload);
        }
        let counts = monitor.document(1).unwrap();
        let kinds = counts.kinds.iter();
        let kinds: Vec<_> = kinds.map(|it| (it.did_sdid.as_str(), it.packets)).collect();
        assert_eq!(kinds, [("e7", 20), ("61/02", 1)]);
        assert_eq!(
            counts.kinds[0].name.as_deref(),
            Some("audio, group 1 (ST 299-1)")
        );
        assert_eq!(counts.other_kinds, 0);
    }

    #[test]
    fn checksums_that_are_wrong_are_damage_until_a_second_has_none() {
        let mut signal = AncillarySignal::new(&stream());
        signal.start();
        let right = payloads(|at, out| signal.read(at, out)).remove(0);
        let mut wrong = right.clone();
        // A bit of the last word of data and one of its parity: the checksum is that of others.
        let at = 8 + 12;
        wrong[at] ^= 0x0f;
        let mut monitor = AncillaryMonitor::default();
        let mut second = |number: u64, payload: &[u8]| {
            for packet in 0..25 {
                let at_ns = 1 + number * WINDOW_NS + packet * WINDOW_NS / 25;
                monitor.packet(at_ns, None, &RTP, payload);
            }
            monitor.pause(1 + (number + 1) * WINDOW_NS);
            monitor.damage(1 + (number + 1) * WINDOW_NS)
        };
        assert_eq!(second(0, &right), None);
        let damage = second(1, &wrong).unwrap();
        assert!(
            damage.damaged > 0 && damage.damaged <= damage.of,
            "{damage:?}"
        );
        assert!(damage.what.contains("wrong checksum"));
        assert_eq!(second(2, &right), None);
        assert!(monitor.wrong_checksum + monitor.wrong_parity > 0);
    }

    #[test]
    fn packets_of_a_second_then_its_figures_are_new_after_it() {
        let mut signal = AncillarySignal::new(&stream());
        signal.start();
        let payload = payloads(|at, out| signal.read(at, out)).remove(0);
        let mut monitor = AncillaryMonitor::default();
        assert!(monitor.document(5).is_none());
        let tai_ns = 1_790_000_000_000_000_000;
        let ticks = u128::from(tai_ns - 2_000_000_000u64) * 90_000 / 1_000_000_000;
        let rtp = RtpHeader {
            timestamp: u32::try_from(ticks % (1 << 32)).unwrap(),
            ..RTP
        };
        assert!(monitor.packet(5, Some(tai_ns), &rtp, &payload));
        assert!(!monitor.packet(6, Some(tai_ns), &rtp, &payload));
        assert!(!monitor.pause(5 + WINDOW_NS - 1));
        assert!(monitor.packet(5 + WINDOW_NS, Some(tai_ns), &rtp, &payload));
        assert!(monitor.pause(5 + 2 * WINDOW_NS) && !monitor.pause(u64::MAX));
        let counts = monitor.document(5).unwrap();
        assert_eq!(counts.timecode.as_deref(), Some("00:00:00:00"));
        // Two seconds after their time: the clocks differ.
        let mean = counts.after_timestamp_ns.unwrap().mean;
        assert!(mean.abs_diff(2_000_000_000) < 20_000, "{mean}");
        assert!(monitor.away_ns(6).is_some() && monitor.away_ns(u64::MAX).is_none());
        let next_ns = 6 + 2 * WINDOW_NS;
        assert!(monitor.packet(next_ns, Some(tai_ns), &rtp, &payload));
        assert!(monitor.away_ns(next_ns).is_some(), "the pause has ended it");
    }
}
