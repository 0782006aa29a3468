//! The sessions of a poller that convert.
//!
//! Conversion takes what the packets leave: a turn has one strip, for however many converted sessions, of however many
//! clients.

use std::collections::VecDeque;

use super::super::converter::Converter;
use super::super::events::Outbox;
use super::super::runtime::Runtime;
use super::{Sessions, report};

/// The entries that convert; the first one has the next turn.
#[derive(Debug, Default)]
pub(super) struct Converting(VecDeque<usize>);

impl Converting {
    /// The session of entry `index` starts, on a thread with ports or without.
    pub(super) fn add(&mut self, index: usize, runtime: &mut Runtime, has_ports: bool) {
        if let Some(converter) = runtime.converter_mut() {
            converter.run_beside_packets(has_ports);
            self.0.push_back(index);
        }
    }

    /// The session of entry `index` goes back: its source's frames do so before it.
    pub(super) fn remove(&mut self, index: usize, runtime: &mut Runtime) {
        if let Some(converter) = runtime.converter_mut() {
            converter.quiesce();
            self.0.retain(|it| *it != index);
        }
    }
}

impl Sessions {
    /// Converts a strip of a frame, and the next session's after the last one of a frame. Returns whether there was one.
    pub(in super::super) fn convert_strip(&mut self, outbox: &mut Outbox) -> bool {
        let converting = &mut self.converting.0;
        for _ in 0..converting.len() {
            let entry = self.entries[converting[0]].as_mut();
            if let Some(runtime) = entry.map(|it| &mut it.runtime)
                && let Some(converter) = runtime.converter_mut()
                && converter.convert_strip()
            {
                if !converter.is_amid_a_frame() {
                    report(runtime, outbox);
                    converting.rotate_left(1);
                }
                return true;
            }
            converting.rotate_left(1);
        }
        false
    }

    /// Whether a frame waits to be converted.
    pub(in super::super) fn has_source_frame(&self) -> bool {
        let mut entries = self
            .converting
            .0
            .iter()
            .filter_map(|it| self.entries[*it].as_ref());
        entries.any(|it| it.runtime.converter().is_some_and(Converter::has_some))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::converter::tests::{LINES, Source, config, frames};
    use super::super::super::events::Events;
    use super::*;

    #[test]
    fn frames_of_three_sessions_then_one_strip_a_turn_for_each() {
        let mut sessions = Sessions::default();
        let mut outbox = Outbox::new(Arc::new(Events::new().unwrap()));
        let mut sources = Vec::new();
        for session in 0..3 {
            let mut runtime = Box::new(Runtime::convert(session, config(), frames()).unwrap());
            let stats = Arc::clone(runtime.stats());
            let (source, intake) = Source::of(&stats);
            runtime.connect(intake);
            assert!(sessions.start(runtime, &mut [], 0).is_ok());
            sources.push((source, stats));
        }
        for entry in sessions.entries.iter_mut().flatten() {
            let converter = entry.runtime.converter_mut().unwrap();
            converter.run_beside_packets(true);
        }
        for (source, _) in &mut sources {
            source.give(1);
            source.give(2);
        }
        let mut finished = Vec::new();
        for turn in 1..=6 * LINES {
            assert!(sessions.has_source_frame());
            assert!(sessions.convert_strip(&mut outbox), "{turn}");
            let counts = sources
                .iter()
                .map(|(_, stats)| stats.counters.frames_complete.get());
            finished.push(counts.collect::<Vec<_>>());
        }
        assert!(!sessions.has_source_frame() && !sessions.convert_strip(&mut outbox));
        for frame in 0..6 {
            let end = (frame + 1) * LINES as usize - 1;
            let after: u64 = finished[end].iter().sum();
            assert_eq!(after, frame as u64 + 1);
            if frame < 3 {
                let order: Vec<_> = (0..3).map(|it| u64::from(it <= frame)).collect();
                assert_eq!(finished[end], order);
            }
        }
    }
}
