//! P4: a frame is ready → its consumer, in another process, runs with it. Beside a bare futex, and,
//! where the bench was built with it, an event of iceoryx2.
//!
//! One thread of the other process sleeps in each of the three ways, in turns. The frame is loaned by
//! the daemon's own lender; the bare wake-up is one FUTEX_WAKE.

mod consumer;
#[cfg(feature = "iceoryx2")]
mod iceoryx;

use std::process::Child;
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, anyhow, ensure};
use onair_ipc::lender::Lender;
use onair_ipc::meta::FrameMeta;
use onair_ipc::sys;
use onair_stage::wait_for;

pub(crate) use consumer::Consumer;

use crate::load::board::{Board, OVER};
use crate::load::host::{Host, HostedAttachment};
use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, micros};
use crate::run::Run;

/// How the consumer waits in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Futex,
    Ours,
    Iceoryx,
}

impl Way {
    const ALL: &[Self] = if cfg!(feature = "iceoryx2") {
        &[Self::Futex, Self::Ours, Self::Iceoryx]
    } else {
        &[Self::Futex, Self::Ours]
    };

    fn of(round: u32) -> Self {
        Self::ALL[round as usize % Self::ALL.len()]
    }

    /// The system call that it sleeps in (`asm/unistd_64.h`).
    fn call(self) -> &'static str {
        match self {
            Self::Futex => "202",
            Self::Ours => "449",
            // recvfrom: its event is a datagram.
            Self::Iceoryx => "45",
        }
    }
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let cores = place::cores()?;
    let here = *cores.first().context("no core")?;
    let mut rows = vec![];
    if let Some(&there) = cores.get(1) {
        rows.extend(one("consumer on another core", run, here, there)?);
    }
    rows.extend(one("consumer on the same core", run, here, here)?);
    Ok(rows)
}

fn one(variant: &str, run: &Run, here: usize, there: usize) -> Result<Vec<Row>> {
    let rounds = run.of(3_000);
    run.case(variant, rounds);
    let host = Host::start(4)?;
    let board = Board::create()?;
    // Its own names, so that nothing of others is touched and all of it can be taken away.
    let name = format!("onair-bench-{}-{there}-", std::process::id());
    let mut child = board
        .child("wake-consumer", &host.path())?
        .args(["--core", &there.to_string(), "--name", &name])
        .spawn()
        .context("starting the consumer")?;
    let attachment = host.attachment();
    let result = std::thread::scope(|scope| {
        scope
            .spawn(|| turns(rounds, run, here, &name, attachment?, &board, &child))
            .join()
            .unwrap_or_else(|_| Err(anyhow!("the measuring thread panicked")))
    });
    board.words().start(OVER);
    child.kill()?;
    child.wait()?;
    #[cfg(feature = "iceoryx2")]
    iceoryx::sweep(&name);
    let [futex, ours, iceoryx] = result?;
    let row = Row::of("P4", variant, "µs", &ours)
        .beside("raw futex", &ours, &futex)
        .pinned(format!("lender on core {here}, consumer on core {there}"))
        .ratio_at_most(1.2);
    let mut rows = vec![row];
    if iceoryx.len() > 0 {
        rows.push(
            Row::of("P4", format!("{variant}, beside iceoryx2"), "µs", &ours)
                .beside("iceoryx2 event", &ours, &iceoryx)
                .pinned(format!("lender on core {here}, consumer on core {there}"))
                .ratio_at_most(1.0),
        );
    }
    Ok(rows)
}

fn turns(
    rounds: usize,
    run: &Run,
    here: usize,
    name: &str,
    attachment: HostedAttachment,
    board: &Board,
    child: &Child,
) -> Result<[Samples; 3]> {
    place::pin(here)?;
    let mut lender = Lender::new(attachment.memory, 4);
    #[cfg(feature = "iceoryx2")]
    let peer = iceoryx::Notifier::open(name)?;
    #[cfg(not(feature = "iceoryx2"))]
    let _ = name;
    let mut taken = [Samples::default(), Samples::default(), Samples::default()];
    let words = board.words();
    let ways = Way::ALL.len();
    for round in 1..=u32::try_from(ways * (rounds + 5))? {
        let way = Way::of(round);
        words.start(round);
        asleep(way, round, board, child)?;
        let before = sys::monotonic_ns();
        match way {
            Way::Futex => {
                words.sleep_word().store(round, Ordering::SeqCst);
                sys::futex_wake(words.sleep_word(), 1);
            }
            Way::Ours => {
                let loaned = lender.publish(0, &FrameMeta::default());
                ensure!(loaned.is_ok(), "the frame did not come back");
            }
            Way::Iceoryx => {
                #[cfg(feature = "iceoryx2")]
                peer.notify()?;
            }
        }
        let ns = words.finish(round).saturating_sub(before);
        if way == Way::Ours {
            wait_for("the frame to come back", 5, || {
                lender.reap(|_| ());
                Ok(lender.loaned() == 0)
            })?;
            run.step();
        }
        // The first ones warm up.
        if round as usize > 5 * ways {
            taken[way as usize].push(micros(ns));
        }
    }
    Ok(taken)
}

/// Waits until the consumer sleeps as this round wants it: it has said that it is about to, and the
/// kernel says in which call.
fn asleep(way: Way, round: u32, board: &Board, child: &Child) -> Result<()> {
    let path = format!("/proc/{}/syscall", child.id());
    wait_for("the consumer asleep", 20, || {
        if board.words().ready() != round {
            return Ok(false);
        }
        let line = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let call = line.split_ascii_whitespace().next();
        Ok(call == Some(way.call()))
    })
}
