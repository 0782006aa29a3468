//! The queue from a producer to the drain thread: a ring of bytes with one writer and one reader.
//!
//! An event has a head of 16 bytes (time, length on the wire, captured length), 24 more bytes if
//! events are missing before it, and its captured bytes.

use std::time::Duration;

use rtrb::{Consumer, RingBuffer};

use crate::producer::{Event, Missed};

/// Highest input rate of a ring: 10 Gb/s.
const BYTES_PER_MS: usize = 1_250_000;
const HEAD: usize = 16;
const HEAD_WITH_GAP: usize = HEAD + 24;
/// Flag in the captured length: events are missing before this one.
const GAP: u32 = 1 << 31;

/// The writer's end.
#[derive(Debug)]
pub(crate) struct RingWriter {
    ring: rtrb::Producer<u8>,
}

/// The reader's end.
#[derive(Debug)]
pub(crate) struct RingReader {
    ring: Consumer<u8>,
    capacity: usize,
    /// Buffer for an event that wraps around the ring's end.
    joined: Vec<u8>,
}

/// Creates a ring of `bytes` bytes. Touches its memory, so that the writer causes no page fault.
pub(crate) fn ring(size: usize) -> (RingWriter, RingReader) {
    let (mut writer, mut reader) = RingBuffer::new(size);
    if let Ok(chunk) = writer.write_chunk(size) {
        chunk.commit_all();
    }
    if let Ok(chunk) = reader.read_chunk(size) {
        chunk.commit_all();
    }
    let writer = RingWriter { ring: writer };
    let reader = RingReader {
        ring: reader,
        capacity: size,
        joined: Vec::new(),
    };
    (writer, reader)
}

impl RingWriter {
    /// Puts in an event with the captured bytes `first` and `second`; `false` if there is no room.
    #[inline]
    pub(crate) fn push(
        &mut self,
        at_ns: u64,
        wire_len: u32,
        missed: &Missed,
        (first, second): (&[u8], &[u8]),
    ) -> bool {
        let captured = first.len() + second.len();
        let Ok(mut word) = u32::try_from(captured) else {
            return false;
        };
        let mut head = [0; HEAD_WITH_GAP];
        let mut head_len = HEAD;
        if missed.total() > 0 {
            word |= GAP;
            head_len = HEAD_WITH_GAP;
            head[16..24].copy_from_slice(&missed.ring_full.to_le_bytes());
            head[24..32].copy_from_slice(&missed.disk_full.to_le_bytes());
            head[32..40].copy_from_slice(&missed.disk_fault.to_le_bytes());
        }
        head[0..8].copy_from_slice(&at_ns.to_le_bytes());
        head[8..12].copy_from_slice(&wire_len.to_le_bytes());
        head[12..16].copy_from_slice(&word.to_le_bytes());
        let size = head_len + captured;
        // Reads the reader's position only if the cached one is not enough.
        if self.ring.cached_slots() < size && self.ring.slots() < size {
            return false;
        }
        // The reader takes an event only when all of it is there. There is room, so this cannot
        // fail.
        let _ = self.ring.push_entire_slice(&head[..head_len]);
        let _ = self.ring.push_entire_slice(first);
        let _ = self.ring.push_entire_slice(second);
        true
    }
}

impl RingReader {
    /// Bytes to read.
    pub(crate) fn waiting(&self) -> usize {
        self.ring.slots()
    }

    /// Size in bytes.
    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// How long its reader may sleep: half of the time that fills it. A writer is a polling thread, and
    /// wakes no reader.
    pub(crate) const fn longest_sleep(&self) -> Duration {
        Duration::from_micros((self.capacity * 500 / BYTES_PER_MS) as u64)
    }

    /// Whether the writer is gone.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }

    /// Passes whole events of at most `bytes` bytes, oldest first, until `take` returns `false`:
    /// that event was the last one taken. Returns the bytes read.
    pub(crate) fn read(&mut self, size: usize, mut take: impl FnMut(&Event<'_>) -> bool) -> usize {
        let waiting = self.ring.slots().min(size);
        let Ok(chunk) = self.ring.read_chunk(waiting) else {
            return 0;
        };
        let (first, second) = chunk.as_slices();
        let mut stretch = Stretch {
            first,
            second,
            joined: &mut self.joined,
        };
        let mut at = 0;
        while let Some((event, size)) = stretch.event(at) {
            at += size;
            if !take(&event) {
                break;
            }
        }
        chunk.commit(at);
        at
    }
}

/// A range of the ring, in its two halves.
struct Stretch<'a> {
    first: &'a [u8],
    second: &'a [u8],
    joined: &'a mut Vec<u8>,
}

impl Stretch<'_> {
    /// The complete event at `at`, and its bytes in the ring.
    fn event(&mut self, at: usize) -> Option<(Event<'_>, usize)> {
        let all = self.first.len() + self.second.len();
        if all - at < HEAD {
            return None;
        }
        let mut head = [0; HEAD_WITH_GAP];
        self.copy(at, &mut head[..HEAD]);
        let word = u32_at(&head, 12);
        let captured = usize::try_from(word & !GAP).unwrap_or(usize::MAX);
        let head_len = if word & GAP == 0 { HEAD } else { HEAD_WITH_GAP };
        let size = head_len.saturating_add(captured);
        if all - at < size {
            return None;
        }
        let mut missed = Missed::default();
        if head_len == HEAD_WITH_GAP {
            self.copy(at + HEAD, &mut head[HEAD..]);
            missed = Missed {
                ring_full: u64_at(&head, 16),
                disk_full: u64_at(&head, 24),
                disk_fault: u64_at(&head, 32),
            };
        }
        let event = Event {
            at_ns: u64_at(&head, 0),
            wire_len: u32_at(&head, 8),
            missed,
            bytes: self.slice(at + head_len, captured),
        };
        Some((event, size))
    }

    fn copy(&self, at: usize, to: &mut [u8]) {
        let len = to.len();
        let middle = self.first.len();
        if at + len <= middle {
            to.copy_from_slice(&self.first[at..at + len]);
        } else if at >= middle {
            to.copy_from_slice(&self.second[at - middle..at - middle + len]);
        } else {
            let (left, right) = to.split_at_mut(middle - at);
            left.copy_from_slice(&self.first[at..]);
            right.copy_from_slice(&self.second[..right.len()]);
        }
    }

    fn slice(&mut self, at: usize, len: usize) -> &[u8] {
        let middle = self.first.len();
        if at + len <= middle {
            &self.first[at..at + len]
        } else if at >= middle {
            &self.second[at - middle..at - middle + len]
        } else {
            self.joined.clear();
            self.joined.extend_from_slice(&self.first[at..]);
            self.joined
                .extend_from_slice(&self.second[..len - (middle - at)]);
            self.joined
        }
    }
}

fn u32_at(bytes: &[u8; HEAD_WITH_GAP], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8; HEAD_WITH_GAP], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ring_of_any_events_then_out_as_they_went_in_until_full(
            capacity in 64usize..400,
            script in prop::collection::vec((any::<bool>(), 0usize..120, 0usize..40, any::<bool>()), 1..200),
        ) {
            let (mut writer, mut reader) = ring(capacity);
            let mut expected = std::collections::VecDeque::new();
            let mut used = 0usize;
            for (number, (write, first, second, gap)) in script.into_iter().enumerate() {
                let number = number as u64;
                if write {
                    let missed = Missed { ring_full: u64::from(gap) * number, disk_full: 0, disk_fault: u64::from(gap) };
                    let bytes: Vec<u8> = (0..first + second).map(|at| (at as u64 ^ number).to_le_bytes()[0]).collect();
                    let size = bytes.len() + if gap { HEAD_WITH_GAP } else { HEAD };
                    let pushed = writer.push(number, 7, &missed, bytes.split_at(first));
                    prop_assert_eq!(pushed, used + size <= capacity);
                    if pushed {
                        used += size;
                        expected.push_back((number, missed, bytes, size));
                    }
                } else {
                    let mut left = second % 4;
                    let read = reader.read(usize::MAX, |event| {
                        let (number, missed, bytes, size) = expected.pop_front().unwrap();
                        used -= size;
                        assert_eq!(*event, Event { at_ns: number, wire_len: 7, missed, bytes: &bytes });
                        left = left.saturating_sub(1);
                        left > 0
                    });
                    prop_assert_eq!(read == 0, read == 0 && used == 0);
                }
                prop_assert_eq!(reader.waiting(), used);
            }
        }
    }

    #[test]
    fn ring_event_that_is_there_in_part_then_not_given() {
        let (mut writer, mut reader) = ring(100);
        let _ = writer.ring.push_entire_slice(&[1; 12]);
        assert_eq!(reader.read(usize::MAX, |_| true), 0);
        let _ = writer.ring.push_entire_slice(&3u32.to_le_bytes());
        let _ = writer.ring.push_entire_slice(&[9; 2]);
        assert_eq!(reader.read(usize::MAX, |_| true), 0);
        let _ = writer.ring.push_entire_slice(&[9]);
        assert_eq!(reader.read(usize::MAX, |event| event.bytes == [9; 3]), 19);
    }
}
