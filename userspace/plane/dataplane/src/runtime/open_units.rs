//! Units that clients may have while they are received.

use arrayvec::ArrayVec;
use onair_essence::receive::UnitProgress;
use onair_ipc::meta::{FrameMeta, MissingRange};

/// Units in assembly.
const UNITS: usize = 2;

/// A unit in assembly that was loaned, or was to be.
#[derive(Debug, Clone, Copy)]
struct OpenUnit {
    frame: u32,
    /// A client has it.
    is_loaned: bool,
    progress: UnitProgress,
}

/// The units in assembly of which the essence told something.
#[derive(Debug, Default)]
pub(super) struct OpenUnits(ArrayVec<OpenUnit, UNITS>);

/// Result of an announcement of an open unit.
pub(super) enum Announcement {
    /// It is new: loan it.
    New,
    /// Clients have it, and more of it stands.
    More,
    /// No client has it.
    Nothing,
}

impl OpenUnits {
    pub(super) const fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes how many bytes of a unit have come.
    pub(super) fn announce(&mut self, frame: u32, progress: &UnitProgress) -> Announcement {
        if let Some(unit) = self.0.iter_mut().find(|it| it.frame == frame) {
            unit.progress = *progress;
            return if unit.is_loaned {
                Announcement::More
            } else {
                Announcement::Nothing
            };
        }
        let unit = OpenUnit {
            frame,
            is_loaned: false,
            progress: *progress,
        };
        match self.0.try_push(unit) {
            Ok(()) => Announcement::New,
            Err(_) => Announcement::Nothing,
        }
    }

    /// Clients have the unit.
    pub(super) fn loaned(&mut self, frame: u32) {
        if let Some(unit) = self.0.iter_mut().find(|it| it.frame == frame) {
            unit.is_loaned = true;
        }
    }

    /// The unit is over. What is known of it, if clients have it.
    pub(super) fn end(&mut self, frame: u32) -> Option<UnitProgress> {
        let place = self.0.iter().position(|it| it.frame == frame)?;
        let unit = self.0.remove(place);
        unit.is_loaned.then_some(unit.progress)
    }
}

/// A unit of which so many bytes came, and of which the rest is missing, as far as is known.
pub(super) fn describe(
    number: u64,
    unit: &UnitProgress,
    (bytes, unit_bytes): (u32, u32),
) -> FrameMeta {
    let mut meta = FrameMeta {
        number,
        rtp_timestamp: unit.rtp_timestamp,
        first_packet_ns: unit.first_packet_ns,
        last_packet_ns: unit.first_packet_ns,
        bytes_missing: unit_bytes.saturating_sub(bytes).max(1),
        tag: unit.tag,
        ..FrameMeta::default()
    };
    meta.missing[0] = MissingRange {
        offset: bytes,
        len: meta.bytes_missing,
    };
    meta
}
