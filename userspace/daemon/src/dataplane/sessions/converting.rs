//! The sessions that convert, on a thread without ports.

use super::super::command::Outbox;
use super::{Sessions, report};

impl Sessions {
    /// Converts a frame of the next session that has one: commands are served between two frames, and each
    /// session gets its turn. Returns whether there was one.
    pub(in super::super) fn convert_next(&mut self, outbox: &mut Outbox) -> bool {
        let first = self.first.min(self.entries.len());
        for index in (first..self.entries.len()).chain(0..first) {
            let Some(entry) = &mut self.entries[index] else {
                continue;
            };
            if entry.runtime.convert_next() {
                report(&mut entry.runtime, outbox);
                self.first = index + 1;
                return true;
            }
        }
        false
    }

    /// Whether a frame waits to be converted.
    pub(in super::super) fn has_source_frame(&self) -> bool {
        let mut entries = self.entries.iter().flatten();
        entries.any(|entry| entry.runtime.has_source_frame())
    }
}
