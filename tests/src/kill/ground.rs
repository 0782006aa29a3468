//! The sessions that clients die in, the well-behaved clients beside them, and the reckoning at the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{Certificate, Source, SpecDocument};
use onair_stage::{Deadline, wait_for};
use onair_victim::{Ran, Role};

use crate::clients::seen::Seen;
use crate::kill::audit::audit;
use crate::kill::blocked::{Watchers, three_agree};
use crate::kill::death::Death;
use crate::kill::victim::{End, Victim};
use crate::kill::{FILL, FRAMES, PULSES, QUIET};
use crate::rig::Rig;
use onair_stage::Control;
use onair_stage::TestClient;
use onair_stage::{Raster, receive, send};

/// What they send arrives here.
const FILLED: &str = "filled";
/// Where victims die, and who looks on: those that callers are blocked in.
const BLOCKED: [&str; 4] = [FRAMES, QUIET, PULSES, FILLED];

/// How long any step may take.
const TIMEOUT_S: u64 = 60;
/// Frames that a client may have at a time: the well-behaved ones must not be too slow on a busy machine.
const QUOTA: u32 = 64;
/// Clients of a session at a time.
const CLIENTS: u32 = 16;
const RASTER: Raster = Raster::new(64, 36, 120, 8);
/// Threads of the client that sits in the quiet session.
const SITTERS: usize = 8;
/// Victims that are blocked when all is quiet. Every second one is killed then.
const WAITERS: usize = 4;
/// Threads of each of them.
const THREADS: usize = 8;
/// Pause between two rounds of pulses and questions.
const ROUND: Duration = Duration::from_millis(10);

/// Sessions that live, each with a well-behaved client but the one that victims fill.
#[derive(Debug)]
pub struct Ground {
    frames: TestClient,
    pulses: TestClient,
    filled: TestClient,
    sitter: TestClient,
}

/// What came of one ground.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroundResult {
    /// Frames that well-behaved clients took and found right.
    pub frames: u64,
    /// Threads on which the three agreed, over all quiet moments.
    pub agreed: usize,
    /// Quiet moments at which `onair-waiters` saw some of them by a probe of its own.
    pub by_own_probe: usize,
    /// Frames that were settled for the dead.
    pub reconciled: u64,
}

impl Ground {
    /// Creates the sessions and starts the well-behaved clients.
    pub fn open(rig: &Rig, control: &mut Control) -> Result<Self> {
        let many = |name, udp| SpecDocument {
            quota: Some(QUOTA),
            max_attachments: Some(CLIENTS),
            ..receive(name, RASTER, udp)
        };
        for (name, udp) in [
            (FRAMES, 5004),
            (QUIET, 5006),
            (PULSES, 5008),
            (FILLED, 5010),
        ] {
            control.create(&many(name, udp))?;
        }
        control.create(&send(FILL, RASTER, 5010, Source::Client))?;
        let client = |session: &str, does: &str| {
            let mut test_client = rig.user(session)?;
            test_client.say(does)?;
            Ok::<_, anyhow::Error>(test_client)
        };
        let ground = Self {
            frames: client(FRAMES, "watch-on")?,
            pulses: client(PULSES, "watch-on")?,
            filled: client(FILLED, "watch-on")?,
            sitter: client(QUIET, &format!("count-stops {SITTERS}"))?,
        };
        for (name, udp) in [("source", 5004), ("source-of-pulses", 5008)] {
            control.create(&send(name, RASTER, udp, Source::Pattern))?;
        }
        Ok(ground)
    }

    /// Stops and starts the session of pulses, and asks for verdicts, which arms the kicks of
    /// callers that leave; until `ends`.
    pub fn disturb(control: &mut Control, ends: &AtomicBool) -> Result<()> {
        let mut round = 0_usize;
        while !ends.load(Ordering::SeqCst) {
            round += 1;
            if round.is_multiple_of(4) {
                control.stop(PULSES)?;
            }
            for session in BLOCKED.into_iter().chain([FILL]) {
                let verdict = control.verdict(session)?;
                ensure!(!verdict.disagreement, "{session}: {verdict:#?}");
            }
            std::thread::sleep(ROUND);
            control.start(PULSES)?;
        }
        Ok(())
    }

    /// Ends the flows, lets the three compare who is blocked, ends every session, and reckons:
    /// nothing that a well-behaved client should have is missing, and what the dead left behind was
    /// settled once. `deaths` are all that were on this ground; the first number of victims to come
    /// is `number`.
    pub fn close(
        mut self,
        rig: &Rig,
        control: &mut Control,
        tool: &mut Watchers,
        mut deaths: Vec<Death>,
        number: usize,
    ) -> Result<GroundResult> {
        let mut outcome = GroundResult::default();
        control.end("source-of-pulses")?;
        let sent = control.end("source")?.frames.frames_sent;
        let dropped = drained(control, FRAMES, &mut self.frames)?;
        let filled = control.end(FILL)?;
        drained(control, FILLED, &mut self.filled)?;

        (outcome.agreed, outcome.by_own_probe) =
            self.quiet(rig, control, tool, &mut deaths, number)?;

        let frames = ended(control, FRAMES, &mut self.frames)?;
        let pulses = ended(control, PULSES, &mut self.pulses)?;
        let view = ended(control, FILLED, &mut self.filled)?;
        let quiet = control.end(QUIET)?;
        // They have the memory until they end.
        for client in [self.frames, self.pulses, self.filled, self.sitter] {
            client.leave()?;
        }

        let taken = frames.1.len() as u64;
        let last = frames.1.last().map(|frame| frame.number);
        ensure!(
            taken + dropped == sent && last < Some(sent),
            "{sent} frames were sent, and a well-behaved client took {taken} and was too slow for {dropped}"
        );
        let of_frames = &frames.0.frames;
        ensure!(
            (of_frames.frames_no_buffer, of_frames.frames_incomplete) == (0, 0),
            "{of_frames:?}"
        );
        for (certificate, put) in [
            (&filled, 0),
            (&quiet, 0),
            (&frames.0, frames.1.len()),
            (&pulses.0, pulses.1.len()),
            (&view.0, view.1.len()),
        ] {
            let name = certificate.name.as_str();
            let certificate = control.completed(certificate.session)?;
            let put = put as u64;
            audit(&certificate, &dead_in(name, &deaths), (put, put))
                .with_context(|| name.to_owned())?;
            outcome.reconciled += certificate.counts.frames_reconciled;
            outcome.frames += put;
        }
        Ok(outcome)
    }

    /// Victims that wait, and all others, as three see them; then some of them are killed, and the
    /// three look again.
    fn quiet(
        &mut self,
        rig: &Rig,
        control: &mut Control,
        tool: &mut Watchers,
        deaths: &mut Vec<Death>,
        number: usize,
    ) -> Result<(usize, usize)> {
        let mut waiters: Vec<Victim> = (number..number + WAITERS)
            .map(|number| Victim::start(rig.stage(), number, Role::Wait, &BLOCKED, THREADS, None))
            .collect::<Result<_>>()?;
        let own = [&self.frames, &self.pulses, &self.filled, &self.sitter].map(TestClient::pid);
        let pids = |waiters: &[Victim]| -> Vec<u32> {
            let waiting = waiters.iter().map(Victim::pid);
            waiting.chain(own).collect()
        };
        let others = own.len() - 1 + SITTERS;
        // From now on the tool's own probe has seen them begin to wait.
        self.sitter.say("pulse")?;
        let count = others + WAITERS * THREADS;
        let mut agreed = 0;
        let mut by_own_probe = 0;
        let sources = three_agree(control, tool, &BLOCKED, &pids(&waiters), count)?;
        agreed += count;
        by_own_probe += usize::from(sources.contains("probe"));

        for mut victim in waiters.drain(..WAITERS / 2) {
            victim.kill()?;
            let end = victim.ended(Deadline::seconds(TIMEOUT_S))?;
            ensure!(end == End::Killed, "a victim that waits left");
            deaths.push(Death {
                pid: victim.pid(),
                end,
                ran: victim.ran(),
            });
        }
        let count = others + waiters.len() * THREADS;
        let sources = three_agree(control, tool, &BLOCKED, &pids(&waiters), count)?;
        agreed += count;
        by_own_probe += usize::from(sources.contains("probe"));
        for mut victim in waiters {
            victim.kill()?;
            victim.ended(Deadline::seconds(TIMEOUT_S))?;
            deaths.push(Death {
                pid: victim.pid(),
                end: End::Killed,
                ran: victim.ran(),
            });
        }
        Ok((agreed, by_own_probe))
    }
}

/// Waits until a well-behaved client has taken every frame that was loaned to it. Returns for how many it was too slow, as
/// the daemon counts: on a busy machine it may be without a core for longer than its quota lasts.
fn drained(control: &mut Control, session: &str, client: &mut TestClient) -> Result<u64> {
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
fn ended(
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
fn dead_in(session: &str, deaths: &[Death]) -> Vec<(u32, Ran)> {
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
