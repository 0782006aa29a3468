//! The tasks beside the driver: the callers of each client, and the poller.

use std::collections::VecDeque;
use std::sync::Mutex;

use onair_ipc::caller::{Deadline, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::{scheduled, sys};
use onair_session::{Event, PollerCommand, Runtime as _};

use crate::ledgers::Ledgers;
use crate::plant::{DEAD, FRAMES};
use crate::process::Process;
use crate::schedules::{below, dawdle};

/// What passes between driver and poller.
#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) commands: VecDeque<PollerCommand<Ledgers>>,
    pub(crate) events: VecDeque<Event<Ledgers>>,
    pub(crate) is_over: bool,
}

/// A thread of a client: takes, reads and puts, until the session is gone.
pub(crate) fn caller(process: &Process, frames: &FrameMemory) {
    let client = &process.pair.client;
    loop {
        let deadline = [Deadline::Now, Deadline::Never, Deadline::Never][below(3)];
        process.getting.lock().unwrap().insert(sys::gettid());
        let got = client.get(deadline);
        process.getting.lock().unwrap().remove(&sys::gettid());
        match got {
            Ok(lease) => {
                let (frame, me) = (lease.frame(), sys::gettid());
                process.delivered.lock().unwrap().insert(frame, me);
                // Some hold it long after the poller has handed the session back.
                for _ in 0..[1, 3, 30, 90][below(4)] {
                    let mut byte = [0];
                    frames.read(lease.frame(), 0, &mut byte);
                    assert_ne!(byte[0], DEAD, "I1: overwritten under its holder");
                    dawdle(6);
                }
                process.delivered.lock().unwrap().remove(&frame);
                match client.put(lease) {
                    Ok(()) => {}
                    Err(Refusal::Stale) => return,
                    Err(other) => panic!("{other:?}"),
                }
            }
            Err(Refusal::TimedOut) => {}
            Err(Refusal::Again) => {
                if client.wait_started(Deadline::Never) == Err(Refusal::Stale) {
                    return;
                }
            }
            Err(Refusal::Stale) => return,
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// The poller: loans and reaps while it has the runtime, and executes commands.
pub(crate) fn poller(wire: &Mutex<Wire>) {
    let mut runtime: Option<Box<Ledgers>> = None;
    loop {
        scheduled::give_way();
        let (order, is_over) = {
            let mut wire = wire.lock().unwrap();
            (wire.commands.pop_front(), wire.is_over)
        };
        let event = match order {
            None if is_over => return,
            None => None,
            Some(PollerCommand::Start(started)) => {
                runtime = Some(started);
                None
            }
            Some(PollerCommand::Quiesce) => runtime.take().map(Event::HandedBack),
            Some(PollerCommand::Detach(number)) => runtime
                .as_mut()
                .and_then(|it| it.detach(number))
                .map(|(lender, _)| Event::LenderBack(lender)),
            Some(PollerCommand::Evict(number)) => {
                let evicted = runtime.as_mut().and_then(|it| it.evict(number));
                evicted.map(Event::Evicted)
            }
            Some(PollerCommand::Release(number)) => {
                if let Some(runtime) = &mut runtime {
                    runtime.release(|it| it == number);
                }
                None
            }
            Some(PollerCommand::CreditThread {
                attachment,
                ticket,
                slot,
            }) => {
                let mut lenders = runtime.iter_mut().flat_map(|it| it.lenders_mut());
                let lender = lenders.find(|it| it.attachment() == attachment);
                let credited = lender.map(|it| u64::from(it.credit_dead_thread(&slot).is_some()));
                Some(Event::ThreadCredited {
                    attachment,
                    ticket,
                    frames: credited,
                })
            }
            Some(PollerCommand::Attach { .. } | PollerCommand::Flush { .. }) => {
                unreachable!("not played")
            }
        };
        if let Some(event) = event {
            wire.lock().unwrap().events.push_back(event);
        }
        if let Some(runtime) = &mut runtime {
            runtime.reap();
            // Seldom, so that callers sleep.
            let frame = u32::try_from(below(4 * FRAMES as usize)).unwrap();
            if frame < FRAMES {
                runtime.publish(frame);
            }
        }
    }
}
