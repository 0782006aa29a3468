//! P25: what many clients take from the control thread: blocked callers, up to 16,384, and clients that
//! die at the same time.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use onair_api::SpecDocument;
use onair_ipc::sys;
use onair_stage::{Actor, Control, Deadline, Rig, receive, wait_for};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use crate::load::thread_clock::ThreadClock;
use crate::load::users::{self, Wanted};
use crate::result::row::Row;
use crate::result::samples::{Samples, float, micros, micros_since};
use crate::rig::{self, TINY};
use crate::run::Run;

const UDP: u16 = 5004;
/// Callers of one client on one session: it has 128 slots.
const OF_A_SESSION: u32 = 128;
/// Sessions of one client process: 1,024 threads.
const OF_A_PROCESS: usize = 8;
const WHERE: &str = "none; the poller on the last core";
/// Sessions that the dying clients are spread over.
const MOURNING: u16 = 8;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let (mut rows, mut fewest) = (vec![], None);
    for callers in run.either(vec![1_024, 16_384], vec![1_024]) {
        let config = "max_blocked = 65536\nmax_threads = 8192\n";
        let mut rig = Rig::rings("bench", |it| it.probe_keys += config, |_| {})?;
        let done = crowd(&mut rig, callers, &mut fewest, run);
        rows.extend(rig.end(done)?);
    }
    let mut rig = rig::rings()?;
    let done = deaths(&mut rig, run);
    rows.extend(rig.end(done)?);
    Ok(rows)
}

/// So many callers are blocked; then all sessions stop. `fewest`: what each cost where there were fewest.
fn crowd(rig: &mut Rig, callers: u32, fewest: &mut Option<f64>, run: &Run) -> Result<Vec<Row>> {
    run.case(format!("{callers} callers"), 3);
    let mut control = rig.control()?;
    let mut clock = ThreadClock::of(rig.daemon()?.pid(), "control")?;
    let count = u16::try_from(callers / OF_A_SESSION)?;
    let names: Vec<_> = (0..count).map(|at| format!("crowd{at}")).collect();
    for (name, at) in names.iter().zip(0..) {
        control.create(&one_client(name, UDP + at))?;
    }
    let wanted = Wanted {
        blocked: OF_A_SESSION,
        ..Wanted::default()
    };
    let attach = rig.attach_socket();
    let started = names
        .chunks(OF_A_PROCESS)
        .map(|names| users::start(rig.stage(), &attach, names, wanted));
    let mut processes = started.collect::<Result<Vec<_>>>()?;
    run.step();
    let (mut looks, mut verdicts) = (Samples::default(), Samples::default());
    for _ in 0..run.of(100) {
        let begin = sys::monotonic_ns();
        control.show(&names[0])?;
        looks.push(micros_since(begin));
        let begin = sys::monotonic_ns();
        let verdict = control.verdict(&names[0])?;
        verdicts.push(micros_since(begin));
        ensure!(!verdict.destroyable, "no caller is blocked");
    }
    run.step();
    clock.lap()?;
    let begin = sys::monotonic_ns();
    for name in &names {
        control.stop(name)?;
    }
    let stopped = micros_since(begin);
    let returned = last_return(&mut processes)?;
    for name in &names {
        control.destroy_wait(name)?;
    }
    let processor = clock.lap()?;
    run.step();
    let single = |value: f64| Samples::from_iter([value]);
    let row = |variant: &str, unit, samples: &Samples| {
        let variant = format!("{callers} callers on {count} sessions: {variant}");
        Row::of("P25", variant, unit, samples).pinned(WHERE)
    };
    let last = micros(returned.saturating_sub(begin));
    let each = processor / f64::from(callers);
    let cost = row(
        "control thread, for each caller",
        "µs of processor",
        &single(each),
    );
    Ok(vec![
        row("verdict of one session", "µs", &verdicts)
            .beside("GET of it", &verdicts, &looks)
            .ratio_at_most(2.0),
        row(
            "all stopped → the last caller returned",
            "ms",
            &single(last / 1e3),
        )
        .limit("the last stop is answered", stopped / 1e3)
        .ratio_at_most(1.3),
        match fewest.replace(fewest.unwrap_or(each)) {
            None => cost.part(),
            Some(fewest) => cost
                .limit("with the fewest callers", fewest)
                .ratio_at_most(1.2),
        },
    ])
}

/// When the last caller of all processes returned, by its own clock.
fn last_return(processes: &mut [Actor]) -> Result<u64> {
    let mut last = 0;
    for process in processes {
        let returned = process.event("returned", Deadline::seconds(60))?;
        last = last.max(returned["at"].as_u64().context("a time")?);
    }
    Ok(last)
}

/// Many clients with a blocked caller each are killed at once.
fn deaths(rig: &mut Rig, run: &Run) -> Result<Vec<Row>> {
    let (count, rounds) = run.either((128, 5), (32, 2));
    run.case(format!("{count} clients die"), rounds);
    let mut control = rig.control()?;
    let mut clock = ThreadClock::of(rig.daemon()?.pid(), "control")?;
    let names: Vec<_> = (0..MOURNING).map(|at| format!("crowd{at}")).collect();
    for (name, at) in names.iter().zip(0..) {
        control.create(&SpecDocument {
            quota: Some(1),
            max_attachments: Some(128),
            ..receive(name, TINY, UDP + at)
        })?;
    }
    let (mut ours, mut kernel, mut processor) = <(Samples, Samples, Samples)>::default();
    let wanted = Wanted {
        blocked: 1,
        ..Wanted::default()
    };
    let attach = rig.attach_socket();
    for _ in 0..rounds {
        let started = (0..count).map(|at| {
            let name = names[at % names.len()].clone();
            users::start(rig.stage(), &attach, &[name], wanted)
        });
        let mut clients = started.collect::<Result<Vec<_>>>()?;
        clock.lap()?;
        let begin = Instant::now();
        for client in &mut clients {
            client.running().signal(Signal::KILL)?;
        }
        for client in &mut clients {
            died(client)?;
        }
        let dead = begin.elapsed();
        for name in &names {
            gone(&mut control, name)?;
        }
        let settled = begin.elapsed();
        processor.push(clock.lap()? / float(count as u64));
        ours.push(float(count as u64) / settled.as_secs_f64());
        kernel.push(float(count as u64) / dead.as_secs_f64());
        drop(clients);
        run.step();
    }
    let row = |variant: &str, unit, samples: &Samples| {
        let variant = format!("{count} clients killed at once: {variant}");
        Row::of("P25", variant, unit, samples).pinned(WHERE)
    };
    Ok(vec![
        row("settled", "a second", &ours)
            .beside("the kernel: pidfd readable", &ours, &kernel)
            .ratio_at_least(0.67),
        row("control thread, for each", "µs of processor", &processor).part(),
    ])
}

fn died(client: &mut Actor) -> Result<()> {
    let pidfd = client.running().pidfd()?;
    let timeout = Timespec {
        tv_sec: 10,
        tv_nsec: 0,
    };
    let dead = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout))?;
    ensure!(dead == 1, "it did not die");
    Ok(())
}

fn gone(control: &mut Control, name: &str) -> Result<()> {
    wait_for("the clients to be gone", 30, || {
        Ok(control.show(name)?.attachments.is_empty())
    })
}

fn one_client(name: &str, udp: u16) -> SpecDocument {
    SpecDocument {
        quota: Some(1),
        max_attachments: Some(1),
        ..receive(name, TINY, udp)
    }
}
