//! What a session's well-behaved client saw, and what the dead did there.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use onair_api::Certificate;
use onair_stage::{Control, TestClient, wait_for};
use onair_victim::Ran;

use crate::clients::seen::Seen;
use crate::kill::TIMEOUT_S;
use crate::kill::death::Death;

/// Waits until a well-behaved client has taken every frame that was loaned to it. Returns for how many it was too slow, as
/// the daemon counts: on a busy machine it may be without a core for longer than its quota lasts.
pub(super) fn drained(
    control: &mut Control,
    session: &str,
    client: &mut TestClient,
) -> Result<u64> {
    let mut last = (0, 0, 0);
    wait_for(
        format_args!("every frame of {session} to be taken"),
        TIMEOUT_S,
        || {
            let view = control.show(session)?;
            let loaned = view.counters.frames_complete + view.counters.frames_incomplete;
            let its = view.attachments.iter().find(|it| it.pid == client.pid());
            let dropped = its.context("it is attached")?.frames_dropped_slow;
            let taken = client.say("taken")?["frames"].as_u64().context("frames")?;
            last = (loaned, taken, dropped);
            Ok(loaned == taken + dropped)
        },
    )
    .with_context(|| format!("loaned, taken and dropped: {last:?}"))?;
    Ok(last.2)
}

/// Stops and destroys a session, and gives what its well-behaved client saw of it: nothing wrong.
pub(super) fn ended(
    control: &mut Control,
    session: &str,
    client: &mut TestClient,
) -> Result<(Certificate, Vec<Seen>)> {
    let certificate = control.end(session)?;
    let event = client.event("watched")?;
    ensure!(event["end"] == "ESTALE", "{session}: {}", event["end"]);
    let seen: Vec<Seen> = serde_json::from_value(event["frames"].clone())?;
    for frame in &seen {
        ensure!(
            !frame.complete || frame.checksum_right,
            "{session}: a frame is not what was sent: {frame:?}"
        );
    }
    ensure!(
        seen.is_sorted_by(|a, b| a.number < b.number),
        "{session}: frames out of order"
    );
    Ok((certificate, seen))
}

/// What the dead did in `session`, by pid.
pub(super) fn dead_in(session: &str, deaths: &[Death]) -> Vec<(u32, Ran)> {
    let mut dead: BTreeMap<u32, Ran> = BTreeMap::new();
    for death in deaths {
        for (name, ran) in &death.ran {
            if name == session {
                // A pid may have been used again.
                *dead.entry(death.pid).or_default() += *ran;
            }
        }
    }
    dead.into_iter().collect()
}
