//! Act 1: frames go from one port to the other, and a client process verifies each.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use indicatif::ProgressBar;
use onair_stage::{Deadline, until};

use super::report::Frames;
use super::scene::{Direction, RATE, Scene};
use crate::say;
use onair_stage::TestClient;

/// Threads that take frames.
pub(crate) const THREADS: usize = 4;
/// A sender that has sent nothing for so long has stopped: several frames' times.
const SILENCE: Duration = Duration::from_millis(100);

/// The applications on the session `studio`.
pub(crate) struct Callers {
    /// Its threads take and verify frames.
    pub(crate) verifier: TestClient,
    /// Has taken a frame and keeps it; it will be killed.
    pub(crate) doomed: TestClient,
    /// Has taken a frame and keeps it; it will be the last to leave.
    pub(crate) late: TestClient,
}

/// Plays it, and gives the applications.
pub(crate) fn play(scene: &mut Scene<'_>, seconds: u64) -> Result<Callers> {
    say::step(format_args!(
        "Act 1 · frames: 1280×720 at {RATE} a second, for {seconds} s, from port a to port b"
    ));
    scene.create("studio", Direction::Receive, 5004)?;
    scene.ctl.document(&["session", "start", "studio"])?;
    let mut verifier = scene.client("onair-verify", &["studio", &THREADS.to_string()])?;
    verifier.event("ready")?;
    say::good(format_args!(
        "process {} (onair-verify) takes frames with {THREADS} threads",
        verifier.pid()
    ));
    scene.create("camera", Direction::Send, 5004)?;
    scene.ctl.document(&["session", "start", "camera"])?;
    say::wait("frames are sent, received and verified", |bar| {
        watch(&mut verifier, bar, Duration::from_secs(seconds))
    })?;
    let mut callers = Callers {
        doomed: holder(scene)?,
        late: holder(scene)?,
        verifier,
    };
    scene.ctl.document(&["session", "stop", "camera"])?;
    settle(scene, &mut callers.verifier)?;
    Ok(callers)
}

/// An application that takes a frame and keeps it.
fn holder(scene: &Scene<'_>) -> Result<TestClient> {
    let mut holder = scene.client("onair-client", &[])?;
    holder.say("attach studio")?;
    holder.say("hold 1")?;
    say::good(format_args!(
        "process {} (onair-client) has taken a frame and keeps it",
        holder.pid()
    ));
    Ok(holder)
}

/// Follows the client's count for `span`.
fn watch(client: &mut TestClient, bar: &ProgressBar, span: Duration) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < span {
        let count = client.event("progress")?;
        bar.set_message(format!("{} frames verified", count["verified"]));
    }
    Ok(())
}

/// Waits until what is on its way has arrived, and compares the totals. The sender ends at
/// a frame's end, so it may send for a frame's time after it was stopped; if that takes too long, it cuts the frame.
fn settle(scene: &mut Scene<'_>, client: &mut TestClient) -> Result<()> {
    let mut frames = Frames::default();
    let mut cut = 0;
    let mut silent = Instant::now();
    let what = "the sender to fall silent and every frame to be verified";
    let arrived = until(what, Deadline::seconds(5), || {
        let count = client.say("count")?;
        let sent = counter(scene, "camera", "frames_sent")?;
        if sent != frames.sent {
            silent = Instant::now();
        }
        frames.sent = sent;
        cut = counter(scene, "camera", "frames_dropped_stop")?;
        frames.received = counter(scene, "studio", "frames_complete")?;
        frames.verified = count["verified"].as_u64().unwrap_or_default();
        frames.incomplete = count["incomplete"].as_u64().unwrap_or_default();
        frames.wrong = count["wrong"].as_u64().unwrap_or_default();
        // One that the stop cut may come incomplete, or not at all.
        let spoilt = frames.incomplete.saturating_sub(cut);
        let all = frames.verified + frames.wrong + spoilt >= frames.sent
            && frames.received + spoilt >= frames.sent;
        Ok((all && silent.elapsed() > SILENCE).then_some(()))
    });
    frames.lost = frames.sent.saturating_sub(frames.taken());
    scene.report.frames = frames;
    let line = format!(
        "{} sent, {} received, {} verified (number and checksum), {} incomplete, {} lost, {} wrong",
        frames.sent, frames.received, frames.verified, frames.incomplete, frames.lost, frames.wrong
    );
    if let Err(error) = arrived {
        scene.ctl.show(&["session", "show", "studio"])?;
        return Err(error.context(line));
    }
    ensure!(
        frames.incomplete <= cut,
        "packets were lost between the ports; has this machine other work to do? End it and run the demo again: {line}"
    );
    ensure!(
        frames.sent > 0 && frames.received == frames.sent && frames.verified == frames.sent,
        "the totals of act 1 do not agree: {line}"
    );
    say::good(line);
    Ok(())
}

fn counter(scene: &Scene<'_>, session: &str, name: &str) -> Result<u64> {
    let view = scene.ctl.quiet(&["session", "show", session])?;
    Ok(view["counters"][name].as_u64().unwrap_or_default())
}
