//! Stop and destroy over crowds of callers, and over clients that die meanwhile: a caller that lives is told
//! once, a client that died is settled once, by name. The simulator lives deaths at every step; real here are the
//! kernel's reports of them.

use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use onair_api::{ReconciledCause, SessionState, Source, SpecDocument};
use onair_tests::kill::{End, Victim, audit};
use onair_tests::{Control, Deadline, Raster, Rig, receive, send};
use onair_victim::{LabelAction, Role, Trap};

const RASTER: Raster = Raster::new(64, 36, 120, 8);

fn cam(name: &str, number: u16) -> SpecDocument {
    SpecDocument {
        max_attachments: Some(16),
        ..receive(name, RASTER, 5000 + number)
    }
}

fn source(control: &mut Control, name: &str, number: u16) -> Result<()> {
    control.create(&send(name, RASTER, 5000 + number, Source::Pattern))?;
    Ok(())
}

/// Points at which the only thread of a client stands while its session is destroyed, with what it
/// leaves behind there when it is killed: slots that count it, and frames.
const LEFT_BEHIND: [(&str, u64, u64); 18] = [
    ("call.begun", 0, 0),
    ("call.counted", 1, 0),
    ("call.gates_read", 1, 0),
    ("take.looked", 1, 0),
    ("take.intended", 1, 0),
    ("take.tried", 1, 1),
    ("take.taken", 1, 1),
    ("call.served", 1, 1),
    ("call.left", 0, 1),
    ("wait.before_begin", 1, 0),
    ("wait.joined", 1, 0),
    ("wait.before_sleep", 1, 0),
    ("wait.slept", 1, 0),
    ("wait.served", 1, 1),
    ("wait.left", 0, 1),
    ("put.begun", 0, 1),
    ("put.released", 0, 0),
    ("put.done", 0, 0),
];

#[test]
fn client_killed_amid_destroy_wait_then_certificate_tells_it() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    for ((label, slots, frames), number) in LEFT_BEHIND.into_iter().zip(0..) {
        let (name, of) = (format!("cam-{number}"), format!("source-{number}"));
        control.create(&cam(&name, number))?;
        source(&mut control, &of, number)?;
        let trap = Trap {
            label: label.to_owned(),
            hit: 3,
            thread: None,
            action: LabelAction::Stay,
        };
        let victim = usize::from(number);
        let mut victim = Victim::start(
            rig.stage(),
            victim,
            Role::TakeAndPut,
            &[&name],
            1,
            Some(trap),
        )?;
        victim.stays_at(label)?;
        control.stop(&name)?;
        let mut other = rig.control()?;
        let session = name.clone();
        let destroying = thread::spawn(move || other.destroy_wait(&session));
        if (slots, frames) != (0, 0) {
            control.await_state(&name, SessionState::Draining)?;
            victim.kill()?;
        }
        let destroyed = destroying.join().map_err(|_| anyhow!("panic"))?;
        let certificate = destroyed.with_context(|| format!("at {label}"))?;
        victim.kill()?;
        ensure!(victim.ended(Deadline::seconds(30))? == End::Killed);
        let found: Vec<_> = certificate
            .reconciled
            .iter()
            .map(|it| (it.pid, it.tid, it.cause, it.slots, it.frames))
            .collect();
        let left = (
            victim.pid(),
            None,
            ReconciledCause::ProcessDied,
            slots,
            frames,
        );
        let expected = if (slots, frames) == (0, 0) {
            vec![]
        } else {
            vec![left]
        };
        ensure!(found == expected, "at {label}: {found:?}, not {expected:?}");
        let ran = victim.ran()[0].1;
        let certificate = control.completed(certificate.session)?;
        audit(&certificate, &[(victim.pid(), ran)], (0, 0))
            .with_context(|| format!("at {label}"))?;
        control.end(&of)?;
    }
    Ok(())
}
