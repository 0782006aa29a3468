//! Position of each word. Offsets only; both sides compute them from the same [`Geometry`].
//!
//! | file | daemon | client | contents |
//! |---|---|---|---|
//! | `ctl` | rw | ro | session gate, state, life word, tails, header, ready ring, event ring, progress |
//! | `seg` | rw | rw | local gate, kick, event counts, heads, frame words, frame descriptions, progress, slots |
//! | `frames` | rw | ro (receive), rw (send) | `frames × frame_stride` bytes of essence |

use serde::{Deserialize, Serialize};

/// Version of the contract; the client refuses another one.
pub const VERSION: u32 = 2;
/// "ONAIRctl", the first word of the header in `ctl`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"ONAIRctl");

/// Threads of one attachment that have their own slots; further threads share the last slot.
pub const OWN_SLOTS: u16 = 128;
/// All slots of an attachment; the last one is shared.
pub const SLOTS: usize = OWN_SLOTS as usize + 1;
/// Entries of the event ring; a client that falls further behind misses the oldest.
pub const EVENTS: usize = 64;
/// Most frames that an attachment can have.
pub const MAX_FRAMES: u32 = 16_384;

const LINE: usize = 64;
const PAGE: usize = 4096;

/// `ctl`: session gate.
pub const CTL_GATE: usize = 0;
/// `ctl`: state of the attachment, see [`AttachmentState`](crate::memory::AttachmentState).
pub const CTL_STATE: usize = 4;
/// `ctl`: the life word, a robust futex that the kernel marks when the daemon dies.
pub const CTL_LIFE: usize = 8;
/// `ctl`: ready-ring tail.
pub const CTL_TAIL: usize = LINE;
/// `ctl`: event-ring tail.
pub const CTL_EVENT_TAIL: usize = 2 * LINE;
/// `ctl`: magic, then session, attachment, frames, frame_stride as u64, then the version.
pub const CTL_HEADER: usize = 3 * LINE;
/// `ctl`: the ready ring.
pub const CTL_RING: usize = PAGE;

/// `seg`: the client's own gate.
pub const SEG_GATE: usize = 0;
/// `seg`: the kick word.
pub const SEG_KICK: usize = 4;
/// `seg`: one past the highest slot ever claimed, a hint.
pub const SEG_SLOTS_HIGH: usize = 8;
/// `seg`: the event count of `buffer_get`.
pub const SEG_COUNT_FRAME: usize = LINE;
/// `seg`: not 0 if the client takes frames while they are received. Beside a word that the poller writes at each loan.
pub const SEG_TAKES_OPEN: usize = SEG_COUNT_FRAME + 8;
/// `seg`: the event count of `event_poll`.
pub const SEG_COUNT_EVENT: usize = 2 * LINE;
/// `seg`: the event count of the event descriptor.
pub const SEG_COUNT_WATCH: usize = 3 * LINE;
/// `seg`: ready-ring head, a hint.
pub const SEG_HEAD: usize = 4 * LINE;
/// `seg`: event-ring head, a hint.
pub const SEG_EVENT_HEAD: usize = 5 * LINE;
/// `seg`: order in which the client submits frames to be sent.
pub const SEG_SUBMITTED: usize = 6 * LINE;
/// `seg`: the event count of callers that wait for a frame's progress.
pub const SEG_COUNT_PROGRESS: usize = 7 * LINE;
/// `seg`: frame words.
pub const SEG_FRAMES: usize = PAGE;

/// Bytes of one event-ring entry: sequence, kind, argument, time.
pub const EVENT_BYTES: usize = 32;

/// The sizes that determine the layout of one attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Geometry {
    /// Frames in the `frames` file, 1..=[`MAX_FRAMES`].
    pub frames: u32,
    /// Bytes of one frame.
    pub frame_bytes: u32,
    /// Distance between frames in the `frames` file, bytes; a multiple of 4096.
    pub frame_stride: u32,
}

impl Geometry {
    /// The geometry of `frames` frames of `frame_bytes` bytes. `None` if there are none, too many,
    /// or they do not fit into an address.
    pub fn new(frames: u32, frame_bytes: u32) -> Option<Self> {
        if frames == 0 || frames > MAX_FRAMES || frame_bytes == 0 {
            return None;
        }
        let frame_stride = frame_bytes.checked_next_multiple_of(4096)?;
        Some(Self {
            frames,
            frame_bytes,
            frame_stride,
        })
    }

    /// Whether the values are consistent: a client checks them in a message.
    pub fn is_valid(&self) -> bool {
        Self::new(self.frames, self.frame_bytes) == Some(*self)
    }

    /// Entries of the ready ring: a power of two, at least four for each frame.
    pub fn ring_capacity(&self) -> usize {
        (4 * self.frames as usize).next_power_of_two()
    }

    /// `ctl`: the event ring.
    pub fn ctl_events(&self) -> usize {
        CTL_RING + self.ring_capacity() * 8
    }

    /// `ctl`: one word a frame, how far it stands while it is received.
    pub fn ctl_progress(&self) -> usize {
        self.ctl_events() + EVENTS * EVENT_BYTES
    }

    /// `ctl`: length of the file.
    pub fn ctl_len(&self) -> usize {
        (self.ctl_progress() + self.frames as usize * 8).next_multiple_of(PAGE)
    }

    /// `seg`: frame descriptions.
    pub fn seg_meta(&self) -> usize {
        (SEG_FRAMES + self.frames as usize * 8).next_multiple_of(LINE)
    }

    /// `seg`: one word a frame. Receive: from which progress on a caller is to be woken. Send: how much of it may
    /// be sent.
    pub fn seg_progress(&self) -> usize {
        self.seg_meta() + self.frames as usize * crate::meta::META_BYTES
    }

    /// `seg`: slots.
    pub fn seg_slots(&self) -> usize {
        (self.seg_progress() + self.frames as usize * 8).next_multiple_of(LINE)
    }

    /// `seg`: length of the file.
    pub fn seg_len(&self) -> usize {
        (self.seg_slots() + SLOTS * LINE).next_multiple_of(PAGE)
    }

    /// `frames`: length of the file.
    pub fn frames_len(&self) -> usize {
        self.frames as usize * self.frame_stride as usize
    }

    /// `frames`: offset of frame `frame`.
    pub fn frame_offset(&self, frame: u32) -> usize {
        frame as usize * self.frame_stride as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn geometry_regions_then_disjoint_and_aligned() {
        for frames in [1, 2, 7, 64, MAX_FRAMES] {
            let g = Geometry::new(frames, 1_843_200).unwrap();
            assert!(g.ring_capacity().is_power_of_two());
            assert!(g.ring_capacity() >= 4 * frames as usize);
            assert!(g.ctl_events().is_multiple_of(8));
            assert!(g.ctl_progress().is_multiple_of(8));
            assert!(g.ctl_len() >= g.ctl_progress() + frames as usize * 8);
            assert!(g.seg_progress().is_multiple_of(8));
            assert!(g.seg_slots() >= g.seg_progress() + frames as usize * 8);
            assert!(g.seg_meta() >= SEG_FRAMES + frames as usize * 8);
            assert!(g.seg_slots().is_multiple_of(64));
            assert!(g.seg_len() >= g.seg_slots() + SLOTS * 64);
            assert!(g.is_valid());
        }
    }

    #[test]
    fn geometry_impossible_then_none() {
        assert!(Geometry::new(0, 100).is_none());
        assert!(Geometry::new(MAX_FRAMES + 1, 100).is_none());
        assert!(Geometry::new(1, u32::MAX).is_none());
        let mut forged = Geometry::new(4, 100).unwrap();
        forged.frame_stride = 0;
        assert!(!forged.is_valid());
    }
}
