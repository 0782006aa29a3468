//! Taps give a session's packets to its recordings.
//!
//! A session without a recording pays one branch a packet. With a recording, the poller copies each
//! packet into the ring of the recording's producer. The copy does not block, allocate or enter the
//! kernel. The producer counts packets that do not fit.

use onair_record::Producer;
use rustix::time::{ClockId, clock_gettime};

/// A session's handle of one recording. The control thread creates and drops it; it moves to the
/// session's runtime and back.
#[derive(Debug)]
pub struct Tap {
    recording: u64,
    producer: Producer,
    next: Option<Box<Self>>,
}

impl Tap {
    /// Creates the tap of `recording`.
    #[must_use]
    pub fn new(recording: u64, producer: Producer) -> Box<Self> {
        Box::new(Self {
            recording,
            producer,
            next: None,
        })
    }

    /// The recording's id.
    #[must_use]
    pub fn recording(&self) -> u64 {
        self.recording
    }
}

/// The taps of one session: an intrusive list, so that adding one allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Taps {
    first: Option<Box<Tap>>,
    /// The turn that `unix_ns` belongs to.
    turn_ns: u64,
    unix_ns: u64,
}

impl Taps {
    /// Offers a packet, from its Ethernet header on, to each recording.
    #[inline]
    pub(crate) fn offer(&mut self, packet: &[u8], turn_ns: u64) {
        if self.first.is_some() {
            self.hand_over(packet, turn_ns);
        }
    }

    #[inline(never)]
    fn hand_over(&mut self, packet: &[u8], turn_ns: u64) {
        if self.turn_ns != turn_ns {
            // Once a turn, and only for a session with a recording: no system call (vDSO).
            self.turn_ns = turn_ns;
            self.unix_ns = unix_ns();
        }
        let size = u32::try_from(packet.len()).unwrap_or(u32::MAX);
        let mut next = self.first.as_deref_mut();
        while let Some(tap) = next {
            // The producer counts what does not fit.
            let _ = tap.producer.offer(self.unix_ns, size, packet);
            next = tap.next.as_deref_mut();
        }
    }

    pub(crate) fn add(&mut self, mut tap: Box<Tap>) {
        tap.next = self.first.take();
        self.first = Some(tap);
    }

    /// Removes the tap of `recording`.
    pub(crate) fn remove(&mut self, recording: u64) -> Option<Box<Tap>> {
        let mut place = &mut self.first;
        while place.as_ref().is_some_and(|it| it.recording != recording) {
            place = &mut place.as_mut().expect("just checked").next;
        }
        let mut found = place.take()?;
        *place = found.next.take();
        Some(found)
    }
}

fn unix_ns() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use onair_api::RecordingEnd;
    use onair_record::{Recording, Spec};

    use super::*;

    fn recording(folder: &std::path::Path, name: &str) -> (Recording, Producer) {
        let mut spec = Spec::new(folder, name.parse().unwrap());
        (spec.ring_bytes, spec.min_free_bytes) = (1 << 20, 0);
        let recording = Recording::start(spec).unwrap();
        let producer = recording.producer("p").unwrap();
        (recording, producer)
    }

    fn recordings_of(taps: &Taps) -> impl Iterator<Item = u64> {
        let taps = std::iter::successors(taps.first.as_deref(), |tap| tap.next.as_deref());
        taps.map(|tap| tap.recording)
    }

    #[test]
    fn taps_added_and_removed_amid_packets_then_each_has_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c"];
        let mut all: Vec<_> = names.map(|it| recording(folder.path(), it)).into();
        let mut taps = Taps::default();
        let mut packets = 0u64;
        let mut offer = |taps: &mut Taps, count: u64| {
            for _ in 0..count {
                packets += 1;
                taps.offer(&[7; 100], packets / 10 + 1);
            }
        };
        offer(&mut taps, 5);
        let mut recordings = Vec::new();
        for (number, (recording, producer)) in (0u64..).zip(all.drain(..)) {
            taps.add(Tap::new(number, producer));
            recordings.push(recording);
            offer(&mut taps, 10);
        }
        assert!(taps.remove(7).is_none());
        // Remove the middle one, the first, the last.
        let mut left = vec![0, 2];
        drop(taps.remove(1).unwrap());
        offer(&mut taps, 10);
        assert_eq!(recordings_of(&taps).collect::<Vec<_>>(), [2, 0]);
        for number in [2, 0] {
            drop(taps.remove(number).unwrap());
            left.retain(|it| *it != number);
            assert!(recordings_of(&taps).eq(left.iter().copied()));
            offer(&mut taps, 10);
        }
        let arrived: Vec<u64> = recordings
            .iter()
            .map(|it| {
                let deadline = Instant::now() + Duration::from_secs(20);
                let manifest = it.finish(RecordingEnd::Stopped, deadline).unwrap();
                assert_eq!(manifest.totals.written, manifest.totals.arrived);
                manifest.totals.arrived
            })
            .collect();
        assert_eq!(arrived, [50, 20, 20]);
    }
}
