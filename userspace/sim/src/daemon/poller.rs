//! A poller: loans and reaps while it has the runtime, and executes commands.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use onair_ipc::frames::FrameMemory;
use onair_session::{Event, PollerCommand, Runtime as _};
use onair_sim_kernel::{below, give_way, now_ns, park, unpark};

use crate::ledgers::Ledgers;
use crate::mail::{Channel, Message};
use crate::oracle;
use crate::world::{trace, world};

/// What a poller is told, in order.
pub(crate) type Commands = Rc<RefCell<VecDeque<PollerCommand<Ledgers>>>>;

/// Sends the control thread an event of the session.
pub(super) fn report(session: usize, channel: Channel, event: Event<Ledgers>) {
    let delay = world(|world| world.plan.delay / 8);
    world(|world| {
        world
            .mail
            .send(channel, delay, Message::Core(session, event));
        unpark(world.control);
    });
}

/// The poller of session `index`.
pub(crate) fn poller(index: usize, commands: &Commands, frames: &FrameMemory) {
    let mut runtime: Option<Box<Ledgers>> = None;
    let mut stamp = 0_u64;
    loop {
        give_way();
        let command = commands.borrow_mut().pop_front();
        let is_told = command.is_some();
        if let Some(command) = command {
            trace(|| format!("poller {index}: {}", name(&command)));
            if let Some(event) = execute(&mut runtime, command) {
                report(index, Channel::Poller(index), event);
            }
        }
        if world(|world| world.sessions[index].is_over) {
            return;
        }
        if let Some(runtime) = &mut runtime {
            runtime.reap();
            publish(index, runtime, frames, &mut stamp);
        }
        if !is_told {
            let pause = world(|world| world.plan.frame_pause);
            let pause = below(usize::try_from(pause).unwrap_or(0) + 1) as u64;
            let until = runtime.as_ref().map_or(u64::MAX, |_| now_ns() + pause);
            if commands.borrow().is_empty() {
                park(until);
            }
        }
    }
}

/// Writes a free frame and loans it.
fn publish(index: usize, runtime: &mut Ledgers, frames: &FrameMemory, stamp: &mut u64) {
    let count = frames.geometry().frames;
    let frame = u32::try_from(below(count as usize)).unwrap_or(0);
    if !runtime.is_free(frame) {
        return;
    }
    *stamp += 1;
    oracle::stamp(frames, frame, *stamp);
    let published = |runtime: &Ledgers| runtime.lenders().map(|it| it.published()).sum::<u64>();
    let before = published(runtime);
    runtime.publish(frame);
    let lent = published(runtime) - before;
    world(|world| world.sessions[index].lent += lent);
}

fn execute(
    runtime: &mut Option<Box<Ledgers>>,
    command: PollerCommand<Ledgers>,
) -> Option<Event<Ledgers>> {
    match command {
        PollerCommand::Start(started) => {
            *runtime = Some(started);
            None
        }
        PollerCommand::Quiesce => runtime.take().map(Event::HandedBack),
        PollerCommand::Attach { lender, frames } => {
            let reason = onair_session::AttachRefusal::NoSession;
            let refused = match runtime {
                Some(runtime) => runtime.attach(lender, frames).err(),
                None => Some((reason, lender, frames)),
            };
            refused.map(|(reason, lender, frames)| Event::AttachRefused {
                lender,
                frames,
                reason,
            })
        }
        PollerCommand::Detach(number) => {
            let detached = runtime.as_mut().and_then(|it| it.detach(number));
            detached.map(|(lender, _)| Event::LenderBack(lender))
        }
        PollerCommand::Evict(number) => {
            let evicted = runtime.as_mut().and_then(|it| it.evict(number));
            evicted.map(Event::Evicted)
        }
        PollerCommand::Release(number) => {
            if let Some(runtime) = runtime {
                runtime.release(|it| it == number);
            }
            None
        }
        PollerCommand::CreditThread {
            attachment,
            ticket,
            slot,
        } => {
            let mut lenders = runtime.iter_mut().flat_map(|it| it.lenders_mut());
            let lender = lenders.find(|it| it.attachment() == attachment);
            let frames = lender.map(|it| u64::from(it.credit_dead_thread(&slot).is_some()));
            Some(Event::ThreadCredited {
                attachment,
                ticket,
                frames,
            })
        }
        PollerCommand::Flush { ticket } => Some(Event::Flushed(onair_session::FlushReport {
            ticket,
            sent: 0,
            dropped: 0,
        })),
    }
}

fn name(command: &PollerCommand<Ledgers>) -> String {
    match command {
        PollerCommand::Start(_) => "start".into(),
        PollerCommand::Quiesce => "quiesce".into(),
        PollerCommand::Attach { lender, .. } => format!("attach {}", lender.attachment()),
        PollerCommand::Detach(number) => format!("detach {number}"),
        PollerCommand::Evict(number) => format!("evict {number}"),
        PollerCommand::Release(number) => format!("release {number}"),
        PollerCommand::CreditThread { attachment, .. } => {
            format!("credit a thread of {attachment}")
        }
        PollerCommand::Flush { .. } => "flush".into(),
    }
}
