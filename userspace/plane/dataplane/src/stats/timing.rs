//! The timing of a receive session's packets, measured by its poller and read by the control thread.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use onair_dpdk::prefetch;
use onair_essence::measure::Measure as _;
use onair_essence::media_time::RtpClock;
use onair_essence::rtp::{HEADER_BYTES, RtpHeader};
use onair_essence::{Format, Monitor};

use crate::clock::MediaClock;
use crate::flow::arrival::Arrival;

/// Two copies of the measurement, which go back and forth: the poller neither waits nor allocates.
#[derive(Debug)]
pub(crate) struct TimingShare {
    ready: ArrayQueue<Box<Monitor>>,
    free: ArrayQueue<Box<Monitor>>,
}

impl TimingShare {
    fn new(monitor: &Monitor) -> Self {
        let (ready, free) = (ArrayQueue::new(1), ArrayQueue::new(2));
        for _ in 0..2 {
            // It has room for both.
            let _ = free.push(Box::new(monitor.clone()));
        }
        Self { ready, free }
    }

    /// The poller: offers a copy. What was offered before and not taken is replaced.
    fn offer(&self, monitor: &Monitor) {
        let Some(mut copy) = self.free.pop().or_else(|| self.ready.pop()) else {
            return;
        };
        copy.copy_from(monitor);
        if let Some(older) = self.ready.force_push(copy) {
            // It has room for both.
            let _ = self.free.push(older);
        }
    }

    /// The control thread: takes the newest copy in exchange for the last one.
    pub(crate) fn take(&self, held: &mut Option<Box<Monitor>>) {
        if let Some(newer) = self.ready.pop()
            && let Some(older) = held.replace(newer)
        {
            // It has room for both.
            let _ = self.free.push(older);
        }
    }
}

/// The poller's half: measures each packet, and leaves a copy of the measurement to the control thread.
#[derive(Debug)]
pub(crate) struct Timing {
    monitor: Box<Monitor>,
    share: Arc<TimingShare>,
    clock: Option<Arc<MediaClock>>,
    /// Of the timestamps: the measurement gets them without the sender's offset.
    rtp_clock: RtpClock,
    /// The RTP header shared by the packets of the burst so far, from the last one that was measured on.
    alike: Option<Start>,
    /// Packets like it that the measurement does not know yet.
    repeats: u32,
}

/// The RTP header (RFC 3550 §5.1) without the sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start([u8; 2], [u8; 8]);

impl Start {
    #[inline]
    fn of(packet: &[u8]) -> Option<Self> {
        let &[a, b, _, _, ref rest @ ..] = packet.first_chunk::<HEADER_BYTES>()?;
        Some(Self([a, b], *rest))
    }

    /// Whether it is a whole header that is not a frame's last.
    const fn is_plain(self) -> bool {
        let Self([first, second], _) = self;
        first & 0x1f == 0 && second & 0x80 == 0
    }
}

impl Timing {
    /// For packets of `format` with timestamps of `rtp_clock`; `None` if they cannot be measured.
    pub(crate) fn new(format: &Format, rtp_clock: RtpClock) -> Option<Self> {
        let monitor = format.monitor()?;
        Some(Self {
            share: Arc::new(TimingShare::new(&monitor)),
            monitor: Box::new(monitor),
            clock: None,
            rtp_clock,
            alike: None,
            repeats: 0,
        })
    }

    pub(crate) fn share(&self) -> Arc<TimingShare> {
        Arc::clone(&self.share)
    }

    pub(crate) fn declare(&mut self, format: &Format, rtp_clock: RtpClock) {
        self.end_burst();
        self.monitor.declare(format);
        self.rtp_clock = rtp_clock;
    }

    pub(crate) fn follow(&mut self, clock: Arc<MediaClock>) {
        self.clock = Some(clock);
    }

    /// Prefetches the measurement.
    #[inline]
    pub(crate) fn fetch(&self) {
        prefetch(&*self.monitor);
    }

    /// Prefetches the counts that a packet at `now_ns` will change, which the measurement points to.
    #[inline]
    pub(crate) fn fetch_counts(&self, now_ns: u64) {
        self.monitor.fetch(now_ns, prefetch);
    }

    /// Adds the packets of the source `ssrc`, which the session follows, of some that were taken together.
    #[inline]
    pub(crate) fn run(&mut self, packets: &[&[u8]], arrival: Arrival, ssrc: Option<u32>) {
        if arrival.from_ns < arrival.until_ns {
            return self.spread(packets, arrival, ssrc);
        }
        for packet in packets {
            self.packet(packet, ssrc, arrival.until_ns);
        }
        self.end_burst();
    }

    #[inline(never)]
    fn spread(&mut self, packets: &[&[u8]], arrival: Arrival, ssrc: Option<u32>) {
        for (packet, at_ns) in packets.iter().zip(arrival.times(packets.len())) {
            self.packet(packet, ssrc, at_ns);
            self.end_burst();
        }
    }

    #[inline]
    fn packet(&mut self, payload: &[u8], ssrc: Option<u32>, now_ns: u64) {
        let start = Start::of(payload);
        if start.is_some() && start == self.alike {
            self.repeats += 1;
            return;
        }
        self.end_burst();
        let Ok((mut rtp, content)) = RtpHeader::parse(payload) else {
            return;
        };
        rtp.timestamp = self.rtp_clock.ticks(rtp.timestamp);
        if ssrc != Some(rtp.ssrc) {
            return;
        }
        let clock = self.clock.as_ref().filter(|clock| clock.is_tai());
        let tai_ns = clock.map(|clock| now_ns.saturating_add(clock.ahead_ns()));
        if self.monitor.packet(now_ns, tai_ns, &rtp, content) {
            self.share.offer(&self.monitor);
        }
        self.alike = start.filter(|it| it.is_plain() && !self.monitor.reads_payloads());
    }

    /// Offers the last second of a source that has paused, when it is over.
    pub(crate) fn turn(&mut self, now_ns: u64) {
        if self.monitor.pause(now_ns) {
            self.share.offer(&self.monitor);
        }
    }

    /// When [`Self::turn`] next has work, unless packets come.
    #[inline]
    pub(crate) fn due_ns(&self) -> u64 {
        self.monitor.due_ns().unwrap_or(u64::MAX)
    }

    /// The next packet has another arrival time: tells the measurement of the packets that were alike.
    #[inline]
    fn end_burst(&mut self) {
        self.alike = None;
        let repeats = std::mem::take(&mut self.repeats);
        if repeats > 0 {
            self.monitor.repeat(repeats);
        }
    }
}

#[cfg(test)]
mod tests {
    use onair_essence::video::{Depth, FrameRate, Scan, VideoFormat, st2110_21};

    use super::*;

    const RTP_CLOCK: RtpClock = RtpClock {
        hz: 90_000,
        offset: 0,
    };

    #[test]
    fn control_thread_gets_the_newest_copy_and_no_poller_waits() {
        let header = |sequence| RtpHeader {
            marker: false,
            payload_type: 96,
            sequence,
            timestamp: 0,
            ssrc: 1,
        };
        let monitor = st2110_21::Monitor::new(1080, Scan::Progressive, (50, 1));
        let mut monitor = Monitor::Video(monitor.unwrap());
        let share = TimingShare::new(&monitor);
        let mut held = None;
        share.take(&mut held);
        assert!(held.is_none());
        for round in 1..20u64 {
            for sequence in 0..3 {
                monitor.packet(round * 10 + sequence, None, &header(0), &[]);
                share.offer(&monitor);
            }
            share.take(&mut held);
            let total = |it: &Monitor| it.video().unwrap().spacing().intervals.total();
            assert_eq!(held.as_deref().map(total), Some(total(&monitor)));
        }
    }

    #[test]
    fn packets_of_a_nap_are_measured_as_coming_evenly_during_it() {
        let format = VideoFormat::new(1920, 1080, Depth::Ten, FrameRate::new(50, 1).unwrap());
        let mut timing = Timing::new(&format.unwrap().into(), RTP_CLOCK).unwrap();
        let mut single = timing.monitor.clone();
        let mut sent = 0u32;
        for look in 1..=30_000u64 {
            let packets: Vec<_> = (0..20)
                .map(|_| {
                    sent += 1;
                    RtpHeader {
                        marker: sent.is_multiple_of(4000),
                        payload_type: 96,
                        sequence: (sent % 0x1_0000).try_into().unwrap(),
                        timestamp: (sent - 1) / 4000 * 1800,
                        ssrc: 1,
                    }
                })
                .collect();
            let from_ns = (look - 1) * 100_000;
            for (rtp, later) in packets.iter().zip(1..) {
                single.packet(from_ns + later * 5_000, None, rtp, &[]);
            }
            let bytes: Vec<_> = packets.iter().map(|it| it.to_bytes().to_vec()).collect();
            let packets: Vec<_> = bytes.iter().map(Vec::as_slice).collect();
            let arrival = Arrival {
                now_ns: look * 100_000,
                from_ns,
                until_ns: look * 100_000,
            };
            timing.run(&packets, arrival, Some(1));
        }
        let highest = |it: &Monitor| it.video().unwrap().measurement().unwrap().cinst().max();
        assert_eq!(highest(&timing.monitor), highest(&single));
        assert!(highest(&single) <= Some(2), "{:?}", highest(&single));
        assert_eq!(format!("{:?}", timing.monitor), format!("{single:?}"));
    }

    #[test]
    fn bursts_are_measured_as_their_packets_one_by_one() {
        let format = VideoFormat::new(1920, 1080, Depth::Ten, FrameRate::new(50, 1).unwrap());
        let mut timing = Timing::new(&format.unwrap().into(), RTP_CLOCK).unwrap();
        let mut single = timing.monitor.clone();
        let packet = |timestamp: u32, ssrc: u32, marker: bool| {
            let header = RtpHeader {
                marker,
                payload_type: 96,
                // A thousand packets a frame. Those in between need no numbers of their own.
                sequence: (timestamp / 1800 * 1000).try_into().unwrap(),
                timestamp,
                ssrc,
            };
            header.to_bytes().to_vec()
        };
        for (burst, now_ns) in (1..200u32).zip((0..).step_by(700_000)) {
            let timestamp = burst / 20 * 1800;
            let mut packets = vec![packet(timestamp, 1, false); 9];
            packets.insert(3, packet(timestamp, 2, false));
            packets.insert(6, packet(timestamp, 1, false)[..11].to_vec());
            // One contributing source, which is not there.
            let mut truncated = packet(timestamp, 1, false);
            truncated[0] |= 1;
            packets.push(truncated.clone());
            packets.push(truncated);
            packets.push(packet(timestamp, 1, burst % 20 == 19));
            let packets: Vec<_> = packets.iter().map(Vec::as_slice).collect();
            timing.run(&packets, Arrival::at(now_ns), Some(1));
            for packet in packets {
                match RtpHeader::parse_start(packet) {
                    Ok((rtp, _)) if rtp.ssrc == 1 => single.packet(now_ns, None, &rtp, &[]),
                    _ => false,
                };
            }
        }
        let video = single.video().unwrap();
        assert!(video.measurement().is_some());
        assert_eq!(format!("{:?}", timing.monitor), format!("{single:?}"));
    }
}
