//! The sessions that clients die in, the well-behaved clients beside them, and the reckoning at the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair::{Client, Error, Session, Timeout};
use onair_api::{Source, SpecDocument};
use onair_stage::{Config, Deadline};
use onair_victim::Role;
use xxhash_rust::xxh3::xxh3_64;

use crate::kill::audit::audit;
use crate::kill::blocked::{Watchers, three_agree};
use crate::kill::death::Death;
use crate::kill::reckoning::{dead_in, drained, ended};
use crate::kill::victim::{End, Victim};
use crate::kill::{FILL, FRAMES, LIVE, MIX, PULSES, QUIET, TIMEOUT_S};
use crate::rig::Rig;
use onair_stage::Control;
use onair_stage::TestClient;
use onair_stage::{Raster, local, receive, send};

/// What they send arrives here.
const FILLED: &str = "filled";
/// Where victims die, and who looks on: those that callers are blocked in.
const BLOCKED: [&str; 6] = [FRAMES, QUIET, PULSES, FILLED, MIX, LIVE];

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

/// Sessions that live, each with a well-behaved client but the one whose frames are sent.
#[derive(Debug)]
pub struct Ground {
    frames: TestClient,
    pulses: TestClient,
    filled: TestClient,
    mix: TestClient,
    live: TestClient,
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
        // A sender that has no core amid a frame goes on with it.
        let frames = SpecDocument {
            frame_timeout_ms: Some(5_000),
            ..receive(FRAMES, RASTER, 5004)
        };
        for spec in [
            frames,
            receive(QUIET, RASTER, 5006),
            receive(PULSES, RASTER, 5008),
            receive(FILLED, RASTER, 5010),
            local(MIX, RASTER),
            local(LIVE, RASTER),
        ] {
            control.create(&SpecDocument {
                quota: Some(QUOTA),
                max_attachments: Some(CLIENTS),
                ..spec
            })?;
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
            mix: client(MIX, "watch-on")?,
            live: client(LIVE, "watch-on")?,
            sitter: client(QUIET, &format!("count-stops {SITTERS}"))?,
        };
        for (name, udp) in [("source", 5004), ("source-of-pulses", 5008)] {
            control.create(&send(name, RASTER, udp, Source::Pattern))?;
        }
        Ok(ground)
    }

    /// Stops and starts the session of pulses, asks for verdicts, which arms the kicks of callers that leave, and fills a
    /// frame of the live session; until `ends`. Returns how many it filled.
    pub fn disturb(rig: &Rig, ends: &AtomicBool) -> Result<u64> {
        let mut control = rig.control()?;
        let live = Client::at(Config::attach_socket(rig.stage())).attach_to_fill(LIVE)?;
        let (mut round, mut filled) = (0_usize, 0);
        while !ends.load(Ordering::SeqCst) {
            round += 1;
            if round.is_multiple_of(4) {
                control.stop(PULSES)?;
            }
            for session in BLOCKED.into_iter().chain([FILL]) {
                let verdict = control.verdict(session)?;
                ensure!(!verdict.disagreement, "{session}: {verdict:#?}");
            }
            filled += u64::from(fills_one(&live)?);
            std::thread::sleep(ROUND);
            control.start(PULSES)?;
        }
        Ok(filled)
    }

    /// Ends the flows, lets the three compare who is blocked, ends every session, and reckons:
    /// nothing that a well-behaved client should have is missing, and what the dead left behind was
    /// settled once. `deaths` are all that were on this ground, `live` the frames that were filled in the live session; the
    /// first number of victims to come is `number`.
    pub fn close(
        mut self,
        rig: &Rig,
        control: &mut Control,
        tool: &mut Watchers,
        (mut deaths, live): (Vec<Death>, u64),
        number: usize,
    ) -> Result<GroundResult> {
        let mut outcome = GroundResult::default();
        control.end("source-of-pulses")?;
        let sent = control.end("source")?.frames.frames_sent;
        let dropped = drained(control, FRAMES, &mut self.frames)?;
        let filled = control.end(FILL)?;
        drained(control, FILLED, &mut self.filled)?;
        drained(control, MIX, &mut self.mix)?;
        drained(control, LIVE, &mut self.live)?;

        (outcome.agreed, outcome.by_own_probe) =
            self.quiet(rig, control, tool, &mut deaths, number)?;

        let frames = ended(control, FRAMES, &mut self.frames)?;
        let pulses = ended(control, PULSES, &mut self.pulses)?;
        let view = ended(control, FILLED, &mut self.filled)?;
        let mix = ended(control, MIX, &mut self.mix)?;
        let lived = ended(control, LIVE, &mut self.live)?;
        let quiet = control.end(QUIET)?;
        // They have the memory until they end.
        for client in [
            self.frames,
            self.pulses,
            self.filled,
            self.mix,
            self.live,
            self.sitter,
        ] {
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
            (&mix.0, mix.1.len()),
            (&lived.0, lived.1.len() + usize::try_from(live)?),
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
        let watching = [
            &self.frames,
            &self.pulses,
            &self.filled,
            &self.mix,
            &self.live,
        ];
        let own = watching.into_iter().chain([&self.sitter]);
        let own: Vec<u32> = own.map(TestClient::pid).collect();
        let pids = |waiters: &[Victim]| -> Vec<u32> {
            let waiting = waiters.iter().map(Victim::pid);
            waiting.chain(own.iter().copied()).collect()
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

/// Fills a frame, if one is free.
fn fills_one(session: &Session) -> Result<bool> {
    let mut frame = match session.buffer_get_mut(Timeout::NOW) {
        Ok(frame) => frame,
        Err(Error::TimedOut) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    frame.fill(0x55);
    if let Some((picture, sum)) = frame.split_last_chunk_mut() {
        *sum = xxh3_64(picture).to_le_bytes();
    }
    frame.submit()?;
    Ok(true)
}
