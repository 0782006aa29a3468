//! One death, and the wait until the daemon has settled it.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use onair_api::operations::{ShowCertificate, StopSession};
use onair_api::{Certificate, SpecDocument};
use onair_stage::{Deadline, wait_for};
use onair_victim::{Ran, Role};
use serde_json::Value;

use crate::dice::Dice;
use crate::kill::audit::audit;
use crate::kill::points::{Point, VictimSessions, VictimTask};
use crate::kill::victim::{End, Victim};
use crate::kill::{FILL, FRAMES, LIVE, MIX, PULSES, QUIET, TIMEOUT_S};
use crate::rig::Rig;
use onair_stage::Control;
use onair_stage::{Raster, receive};

/// Threads of a victim.
const THREADS: usize = 8;
/// Latest instant of a death from outside, after the start of the process, µs.
const LATEST: u64 = 60_000;

/// How the daemon says that there is no session of a name: there never was, and no more.
const GONE: [&str; 2] = ["no_such_session", "stale_session"];

/// What is known of a victim that has ended.
#[derive(Clone, Debug)]
pub struct Death {
    /// Its pid.
    pub pid: u32,
    /// Whether SIGKILL ended it.
    pub end: End,
    /// What it did in each session that lives on.
    pub ran: Vec<(String, Ran)>,
}

/// Puts victims to death, one after the other; several do so at a time.
#[derive(Debug)]
pub struct Killer<'a> {
    rig: &'a Rig,
    control: Control,
    /// Held by the one who has the only place in a session that clients fill.
    fill: &'a Mutex<()>,
}

impl<'a> Killer<'a> {
    /// One with a connection of its own.
    pub fn new(rig: &'a Rig, fill: &'a Mutex<()>) -> Result<Self> {
        Ok(Self {
            rig,
            control: rig.control()?,
            fill,
        })
    }

    /// Puts a victim to death at `point`, and waits until the daemon has settled it. `number` tells
    /// it apart from all others.
    pub fn kill(&mut self, point: &Point, number: usize, dice: &mut Dice) -> Result<Death> {
        let place = (point.place == VictimSessions::Fill)
            .then(|| self.fill.lock().unwrap_or_else(PoisonError::into_inner));
        let own = (point.place == VictimSessions::Own).then(|| format!("own-{number}"));
        let role = match (&own, point.kind) {
            (Some(name), VictimTask::Abort) => Role::Abort(Box::new(own_session(name, number))),
            (Some(name), _) => Role::Destroy(Box::new(own_session(name, number))),
            (None, VictimTask::Detach) => Role::Detach,
            (None, VictimTask::Drop) => Role::Drop,
            (None, _) if place.is_some() => Role::Fill,
            (None, _) => Role::Use,
        };
        let mut sessions = sessions(point.place, dice);
        let trap = point.trap(dice);
        let is_of_one_thread = trap.as_ref().is_some_and(|it| it.thread.is_some());
        if is_of_one_thread && sessions.contains(&MIX) {
            // That thread may wait without a time-out, and few frames come to `mix`.
            sessions = &[FRAMES];
        }
        let is_outside = trap.is_none();
        let mut victim = Victim::start(
            self.rig.stage(),
            number,
            role,
            sessions,
            THREADS,
            trap.clone(),
        )?;
        if is_outside {
            // Not a wait for anything: any instant will do.
            thread::sleep(Duration::from_micros(dice.roll(LATEST)));
            victim.kill()?;
        }
        let end = victim
            .ended(Deadline::seconds(TIMEOUT_S))
            .with_context(|| format!("{trap:?} in {sessions:?}"))?;
        if end == End::Left && !is_outside {
            bail!("it left without coming to {trap:?} in {sessions:?}");
        }
        let pid = victim.pid();
        for name in sessions {
            self.settled(name, pid)?;
        }
        if let Some(name) = own {
            self.end_own(&name)?;
        }
        drop(place);
        Ok(Death {
            pid,
            end,
            ran: victim.ran(),
        })
    }

    /// Waits until `pid` has no attachment to `session`.
    fn settled(&mut self, session: &str, pid: u32) -> Result<()> {
        let what = format!("the death of {pid} to be settled in {session}");
        wait_for(what, TIMEOUT_S, || {
            let view = self.control.show(session)?;
            let is_there = view.attachments.iter().any(|it| it.pid == pid);
            Ok(!is_there)
        })
    }

    /// Destroys the session that a victim may have created, and may have destroyed.
    fn end_own(&mut self, name: &str) -> Result<()> {
        let mut answer = None;
        wait_for(format_args!("{name} to be destroyed"), TIMEOUT_S, || {
            if !self.is_destroyed(name)? {
                return Ok(false);
            }
            let certificate = self.control.try_on::<ShowCertificate>(name, Value::Null)?;
            // Its owner's request to create it was still on the way.
            let is_late = certificate.code() == "certificate_pending";
            answer = Some(certificate);
            Ok(!is_late)
        })?;
        let answer = answer.context("it was asked for")?;
        if answer.code() == "no_such_session" {
            return Ok(());
        }
        let certificate: Certificate = answer.document()?;
        let certificate = self.control.completed(certificate.session)?;
        audit(&certificate, &[], (0, 0)).with_context(|| name.to_owned())
    }

    /// Destroys a session, if it is there and its users let it. Returns whether it is gone.
    fn is_destroyed(&mut self, name: &str) -> Result<bool> {
        let stop = self.control.try_on::<StopSession>(name, Value::Null)?;
        if GONE.contains(&stop.code()) {
            return Ok(true);
        }
        // The destroy of its owner may be under way: it outlives the owner.
        ensure!(matches!(stop.code(), "" | "draining"), "{}", stop.json);
        let answer = self.control.try_destroy_wait(name, 10_000)?;
        let done = answer.code().is_empty() || GONE.contains(&answer.code());
        ensure!(done || answer.code() == "draining", "{}", answer.json);
        Ok(done)
    }
}

/// Sessions of a victim: one or two.
fn sessions(place: VictimSessions, dice: &mut Dice) -> &'static [&'static str] {
    let choice: &[&[&str]] = match place {
        VictimSessions::Any => &[
            &[FRAMES],
            &[QUIET],
            &[PULSES],
            &[FRAMES, PULSES],
            &[QUIET, FRAMES],
            &[MIX],
            &[LIVE, MIX],
        ],
        VictimSessions::Frames => &[&[FRAMES], &[FRAMES, PULSES], &[LIVE]],
        VictimSessions::Packets => &[&[FRAMES], &[FRAMES, PULSES]],
        VictimSessions::Pulses => &[&[PULSES]],
        VictimSessions::Fill => &[&[FILL], &[MIX]],
        VictimSessions::Own => &[&[]],
    };
    choice[dice.below(choice.len())]
}

fn own_session(name: &str, number: usize) -> SpecDocument {
    // No two at a time on the same port.
    let udp = 6000 + u16::try_from(number % 10_000).unwrap_or_default();
    receive(name, Raster::new(64, 36, 60, 8), udp)
}
