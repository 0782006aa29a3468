//! The result of a pipe, for people.

use std::time::Duration;

use super::{Facts, bytes, human, printable};
use crate::document::Piped;

/// The result of a pipe: counts, and why it ended.
pub(crate) fn render(piped: &Piped) -> String {
    let mut facts = Facts::default();
    facts.add("session", printable(&piped.session));
    facts.add("format", piped.format);
    for (name, value) in &piped.content {
        facts.add(name.replace('_', " "), value);
    }
    let counts = [
        (piped.incomplete_frames, "incomplete"),
        (piped.lost_frames, "lost: the reader was too slow"),
        (piped.missed_buffers, "missed buffers"),
        (piped.interruptions, "interruptions"),
    ];
    let present = counts.iter().filter(|(count, _)| *count > 0);
    let mut frames = piped.frames.to_string();
    present.for_each(|(count, what)| frames += &format!(", {count} {what}"));
    let time = human(Duration::from_secs_f64(piped.seconds));
    facts.add("frames", frames);
    facts.add("bytes", format!("{} in {time}", bytes(piped.bytes)));
    facts.add("ended", piped.ended.replace('_', " "));
    facts.print()
}
