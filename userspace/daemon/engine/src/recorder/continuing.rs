//! Whether a recording of an earlier daemon goes on. Facts in, decision out; no clock and no disk.

use std::time::{Duration, SystemTime};

use onair_api::{RecordingEnd, SessionSpec};
use onair_mutant::mutant;
use onair_record::{LISTED, Manifest, Request};

/// The session of the recording's session name that came back at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restored<'a> {
    /// Uid of its owner.
    pub(crate) owner: u32,
    /// Its specification.
    pub(crate) spec: &'a SessionSpec,
}

/// The request to go on with, or the cause for which the recording is over.
///
/// It goes on with the session that it recorded: came back, of the same owner, with the same packets in the same
/// direction. Other addresses do not end it: a retarget does not, either. Its limits count from its start.
pub(crate) fn decide(
    manifest: &Manifest,
    session: Option<Restored<'_>>,
    now: SystemTime,
) -> Result<Request, RecordingEnd> {
    let cause = manifest.cause.unwrap_or(RecordingEnd::Killed);
    let request = manifest.request.clone().ok_or(cause)?;
    let label = manifest.session.as_ref();
    let recorded = label.and_then(|it| serde_json::from_value::<SessionSpec>(it.spec.clone()).ok());
    let is_same = |session: Restored<'_>| {
        let is_as_recorded = recorded.as_ref().is_some_and(|it| {
            it.direction == session.spec.direction && it.format == session.spec.format
        });
        session.owner == request.owner && is_as_recorded
    };
    if !session.is_some_and(is_same) && !mutant!("recorder: it goes on with another session") {
        return Err(RecordingEnd::SessionEnded);
    }
    if request
        .spec
        .size_bytes
        .is_some_and(|most| manifest.bytes() >= most)
    {
        return Err(RecordingEnd::SizeReached);
    }
    let age = now
        .duration_since(manifest.started_at.0)
        .unwrap_or_default();
    let duration = request.spec.duration_ms.map(Duration::from_millis);
    if duration.is_some_and(|most| age >= most) {
        return Err(RecordingEnd::DurationReached);
    }
    if manifest.restarts.len() >= LISTED {
        return Err(cause);
    }
    Ok(request)
}

#[cfg(test)]
mod tests;
