//! P3: get + put of a frame that is there, beside pop + push of a crossbeam `ArrayQueue`.
//!
//! Each sample is the mean of one batch; the two take turns, batch by batch. The publishing side (the
//! daemon's lender, or the queue's owner) is not in the time, but what its cache lines cost is: it
//! runs on the same core, and then on another.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use crossbeam_queue::ArrayQueue;
use onair::{Client, Session, Timeout};
use onair_ipc::lender::Lender;
use onair_ipc::meta::FrameMeta;

use crate::load::host::Host;
use crate::place;
use crate::result::row::Row;
use crate::result::samples::Samples;
use crate::run::Run;

/// Frames in one batch.
const BATCH: usize = 64;
const BATCH_U32: u32 = 64;
const TARGET_RATIO: f64 = 1.3;
const TARGET_NS: f64 = 30.0;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let cores = place::cores()?;
    let here = *cores.first().context("no core")?;
    let mut rows = vec![one("publisher on the same core", run, here, here)?];
    if let Some(&there) = cores.get(1) {
        rows.push(one("publisher on another core", run, here, there)?);
    }
    Ok(rows)
}

/// The publishing side of all contestants.
struct Publisher {
    lender: Lender,
    meta: FrameMeta,
}

/// The two queues of the reference: frames to take, frames given back.
struct Queues {
    ready: ArrayQueue<u64>,
    free: ArrayQueue<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Contestant {
    Queue,
    Library,
}

const TURNS: [Contestant; 2] = [Contestant::Queue, Contestant::Library];

impl Publisher {
    fn publish(&mut self, contestant: Contestant, queues: &Queues) {
        match contestant {
            Contestant::Queue => {
                while queues.free.pop().is_some() {}
                for frame in 0..BATCH as u64 {
                    queues.ready.push(frame).expect("room for a batch");
                }
            }
            Contestant::Library => {
                self.lender.reap(|_| ());
                for frame in 0..BATCH_U32 {
                    self.lender
                        .publish(frame, &self.meta)
                        .expect("the last batch came back");
                }
            }
        }
    }
}

/// One batch by the consumer, ns for each frame.
fn consume(contestant: Contestant, queues: &Queues, session: &Session) -> f64 {
    let start = Instant::now();
    match contestant {
        Contestant::Queue => {
            for _ in 0..BATCH {
                let frame = queues.ready.pop().expect("a batch is ready");
                queues.free.push(frame).expect("room for a batch");
            }
        }
        Contestant::Library => {
            for _ in 0..BATCH {
                drop(session.buffer_get(Timeout::NOW).expect("a batch is ready"));
            }
        }
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH_U32)
}

fn one(variant: &str, run: &Run, here: usize, there: usize) -> Result<Row> {
    let host = Host::start(BATCH_U32)?;
    let session = Client::at(host.path()).attach("bench")?;
    let mut publisher = Publisher {
        lender: Lender::new(host.attachment()?.memory, BATCH_U32),
        meta: FrameMeta::default(),
    };
    let queues = Queues {
        ready: ArrayQueue::new(BATCH),
        free: ArrayQueue::new(BATCH),
    };
    let batches = run.of(50_000);
    run.case(variant, 1);
    let mut measured = [Vec::with_capacity(batches), Vec::with_capacity(batches)];
    let mut take = |batch: usize, contestant: usize| {
        let ns = consume(TURNS[contestant], &queues, &session);
        // The first ones warm up.
        if batch > batches / 100 {
            measured[contestant].push(ns);
        }
    };
    let turn = AtomicUsize::new(0);
    if here == there {
        std::thread::scope(|scope| {
            scope
                .spawn(|| -> Result<()> {
                    place::pin(here)?;
                    for batch in 0..batches {
                        for (index, &contestant) in TURNS.iter().enumerate() {
                            publisher.publish(contestant, &queues);
                            take(batch, index);
                        }
                    }
                    Ok(())
                })
                .join()
                .expect("the measuring thread does not panic")
        })?;
    } else {
        std::thread::scope(|scope| -> Result<()> {
            let publishing = scope.spawn(|| -> Result<()> {
                place::pin(there)?;
                for step in 0..batches * TURNS.len() {
                    wait_for(&turn, 2 * step);
                    publisher.publish(TURNS[step % TURNS.len()], &queues);
                    turn.store(2 * step + 1, Ordering::Release);
                }
                Ok(())
            });
            let consuming = scope.spawn(|| -> Result<()> {
                place::pin(here)?;
                for step in 0..batches * TURNS.len() {
                    wait_for(&turn, 2 * step + 1);
                    take(step / TURNS.len(), step % TURNS.len());
                    turn.store(2 * step + 2, Ordering::Release);
                }
                Ok(())
            });
            publishing.join().expect("the publisher does not panic")?;
            consuming.join().expect("the consumer does not panic")
        })?;
    }
    run.step();
    let [queue, library] = measured.map(Samples::from_iter);
    let row = Row::of("P3", variant, "ns", &library)
        .beside("ArrayQueue pop + push", &library, &queue)
        .pinned(format!(
            "consumer on core {here}, publisher on core {there}"
        ));
    Ok(
        row.target(format!("≤ {TARGET_RATIO} ×, ≤ {TARGET_NS} ns"), |row| {
            row.ratio_at_most(TARGET_RATIO) && row.p50_at_most(TARGET_NS)
        }),
    )
}

/// Spins until it is the caller's turn; gives way where both share a core with others.
fn wait_for(turn: &AtomicUsize, value: usize) {
    let mut spins = 0_u32;
    while turn.load(Ordering::Acquire) != value {
        spins += 1;
        if spins.is_multiple_of(1 << 14) {
            std::thread::yield_now();
        }
        std::hint::spin_loop();
    }
}
