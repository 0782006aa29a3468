//! Stop and destroy over crowds of callers, and over clients that die meanwhile: who lives is told
//! once, who died is settled once, by name.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, ensure};
use onair_api::{Certificate, ReconciledCause, SessionState, Source, SpecDocument};
use onair_tests::kill::{End, Victim, audit};
use onair_tests::{Control, Deadline, Dice, Raster, Rig, TestClient, receive, send, until};
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

fn seed() -> Result<Dice> {
    let set = std::env::var("ONAIR_KILL_SEED").ok();
    let seed = match set.and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    println!("ONAIR_KILL_SEED={seed}");
    Ok(Dice::new(seed | 1))
}

/// Processes of which each has a thread or more blocked in each of its sessions.
struct Crowd {
    processes: Vec<TestClient>,
    callers: usize,
}

impl Crowd {
    /// `threads` in each of `processes` on one session.
    fn on_one(rig: &Rig, session: &str, processes: usize, threads: usize) -> Result<Self> {
        let block = |_| {
            let mut test_client = rig.user(session)?;
            test_client.block(threads)?;
            Ok(test_client)
        };
        Ok(Self {
            processes: (0..processes).map(block).collect::<Result<_>>()?,
            callers: threads,
        })
    }

    /// One on each of `sessions`, `each` sessions for a process.
    fn on_each(rig: &Rig, sessions: &[String], each: usize) -> Result<Self> {
        let block = |sessions: &[String]| {
            let mut test_client = rig.test_client()?;
            for session in sessions {
                test_client.say(format_args!("attach {session}"))?;
                test_client.block(1)?;
            }
            Ok(test_client)
        };
        Ok(Self {
            processes: sessions.chunks(each).map(block).collect::<Result<_>>()?,
            callers: each,
        })
    }

    /// Every caller returns `EAGAIN`, once.
    fn all_told_once(&mut self) -> Result<()> {
        for test_client in &mut self.processes {
            let mut told = BTreeSet::new();
            for (tid, result) in test_client.returned(self.callers)? {
                ensure!(result == "EAGAIN", "thread {tid} was told {result}");
                ensure!(told.insert(tid), "thread {tid} returned twice");
            }
            // The answer comes after all that was said before it.
            test_client.say("is-stopped")?;
            ensure!(
                test_client.event_now("returned").is_none(),
                "told once more"
            );
        }
        Ok(())
    }

    /// Kills every second process while `stop` runs; what it gives, and the pids of the dead.
    fn killed_amid<T: Send>(
        &mut self,
        delay: Duration,
        stop: impl FnOnce() -> Result<T> + Send,
    ) -> Result<(T, BTreeSet<u32>)> {
        let half = self.processes.split_off(self.processes.len() / 2);
        let dead = half.iter().map(TestClient::pid).collect();
        let stopped = thread::scope(|scope| {
            let stopping = scope.spawn(stop);
            // No wait for anything: the kill shall meet the stop anywhere.
            thread::sleep(delay);
            for test_client in half {
                test_client.kill()?;
            }
            stopping.join().map_err(|_| anyhow!("a thread panicked"))?
        })?;
        Ok((stopped, dead))
    }
}

/// Nothing was settled but for `dead`, and for none of them twice.
fn settled_within(certificate: &Certificate, dead: &BTreeSet<u32>, slots: u64) -> Result<()> {
    let mut pids = BTreeSet::new();
    for it in &certificate.reconciled {
        ensure!(
            dead.contains(&it.pid) && it.cause == ReconciledCause::ProcessDied && it.tid.is_none(),
            "{it:?}"
        );
        ensure!(pids.insert(it.pid), "twice: {:#?}", certificate.reconciled);
        ensure!(it.slots <= slots && it.frames == 0, "{it:?}");
    }
    ensure!(
        certificate.disagreements.is_empty(),
        "{:#?}",
        certificate.disagreements
    );
    Ok(())
}

#[test]
fn callers_of_64_sessions_then_each_told_once_and_all_destroyed() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let sessions: Vec<String> = (0..64).map(|number| format!("cam-{number}")).collect();
    for (name, number) in sessions.iter().zip(0..) {
        control.create(&cam(name, number))?;
    }
    let mut crowd = Crowd::on_each(&rig, &sessions, 8)?;
    for name in &sessions {
        control.stop(name)?;
    }
    crowd.all_told_once()?;
    let mut certificates = Vec::new();
    for name in &sessions {
        let certificate = control.destroy_wait(name)?;
        assert_eq!(certificate.counts.blocked_at_stop, 1, "{name}");
        settled_within(&certificate, &BTreeSet::new(), 0)?;
        certificates.push(certificate);
    }
    drop(crowd);
    for certificate in &certificates {
        control.completed(certificate.session)?;
    }
    Ok(())
}

#[test]
fn callers_half_killed_amid_the_stop_then_the_others_told_once() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let mut dice = seed()?;
    for round in 0..8 {
        let name = format!("cam-{round}");
        control.create(&cam(&name, round))?;
        let mut crowd = Crowd::on_one(&rig, &name, 4, 16)?;
        let delay = Duration::from_micros(dice.roll(1500));
        let (_, dead) = crowd.killed_amid(delay, || rig.control()?.stop(&name))?;
        crowd.all_told_once()?;
        let certificate = control.destroy_wait(&name)?;
        settled_within(&certificate, &dead, 16)?;
        drop(crowd);
        control.completed(certificate.session)?;
    }

    let sessions: Vec<String> = (0..64).map(|number| format!("one-{number}")).collect();
    for (name, number) in sessions.iter().zip(100..) {
        control.create(&cam(name, number))?;
    }
    let mut crowd = Crowd::on_each(&rig, &sessions, 8)?;
    let (certificates, dead) = crowd.killed_amid(Duration::from_millis(5), || {
        let mut control = rig.control()?;
        for name in &sessions {
            control.stop(name)?;
        }
        let destroy = |name: &String| control.destroy_wait(name);
        sessions.iter().map(destroy).collect::<Result<Vec<_>>>()
    })?;
    crowd.all_told_once()?;
    drop(crowd);
    for certificate in &certificates {
        settled_within(certificate, &dead, 1)?;
        control.completed(certificate.session)?;
    }
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

#[test]
fn clients_die_all_along_a_destroy_wait_then_each_settled_once() -> Result<()> {
    const ROUNDS: u16 = 12;
    const AT_THE_STOP: [&str; 7] = [
        "bounce.acknowledged",
        "bounce.left",
        "kick.taken",
        "kick.sent",
        "wait.slept",
        "wait.left",
        "put.released",
    ];
    let (rig, mut control) = Rig::with_control()?;
    let mut dice = seed()?;
    let mut number = 0;
    for round in 0..ROUNDS {
        let (name, of) = (format!("cam-{round}"), format!("source-{round}"));
        control.create(&cam(&name, round))?;
        source(&mut control, &of, round)?;
        let mut victims = Vec::new();
        for turn in 0..6 {
            // Some die by what the stop makes them do, some at any instant.
            let trap = (turn < 3).then(|| Trap {
                label: AT_THE_STOP[dice.below(AT_THE_STOP.len())].to_owned(),
                hit: 1 + u32::try_from(dice.roll(40)).unwrap_or(0),
                thread: None,
                action: LabelAction::Die,
            });
            number += 1;
            let victim = Victim::start(rig.stage(), number, Role::Use, &[&name], 8, trap)?;
            victims.push((victim, Duration::from_micros(dice.roll(20_000))));
        }
        until("the clients to attach", Deadline::seconds(30), || {
            let there = control.show(&name)?.attachments;
            for (victim, _) in &mut victims {
                let pid = victim.pid();
                // One with a trap may have died of it already.
                if !victim.is_over()? && !there.iter().any(|it| it.pid == pid) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })?;
        let mut other = rig.control()?;
        let session = name.clone();
        let began = Instant::now();
        let ending = thread::spawn(move || {
            other.stop(&session)?;
            other.destroy_wait(&session)
        });
        let mut dead = Vec::new();
        victims.sort_by_key(|(_, at)| *at);
        for (mut victim, at) in victims {
            thread::sleep(at.saturating_sub(began.elapsed()));
            victim.kill()?;
            victim.ended(Deadline::seconds(30))?;
            dead.push((victim.pid(), victim.ran()[0].1));
        }
        let certificate = ending.join().map_err(|_| anyhow!("a thread panicked"))??;
        let certificate = control.completed(certificate.session)?;
        audit(&certificate, &dead, (0, 0)).with_context(|| name.clone())?;
        control.end(&of)?;
    }
    Ok(())
}
