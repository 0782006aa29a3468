//! A poller: loans and reaps while it has the runtime, and executes commands.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use onair_ipc::frames::FrameMemory;
use onair_session::{Event, PollerCommand, Runtime as _};
use onair_sim_kernel::{below, fence, give_way, now_ns, park, unpark};

use crate::mail::{Channel, Message};
use crate::oracle;
use crate::runtime::PlayedRuntime;
use crate::world::{trace, world};

/// Commands to a poller, in order.
pub(crate) type Commands = Rc<RefCell<VecDeque<PollerCommand<PlayedRuntime>>>>;

/// Sends the control thread an event of the session.
pub(super) fn report(session: usize, channel: Channel, event: Event<PlayedRuntime>) {
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
    let mut runtime: Option<Box<PlayedRuntime>> = None;
    let (mut stamp, mut violators) = (0_u64, BTreeSet::new());
    loop {
        give_way();
        let hangs = || {
            world(|world| {
                let session = &world.sessions[index];
                (!session.is_over).then_some(session.poller_hangs_until)
            })
        };
        while let Some(until) = hangs().filter(|until| *until > now_ns()) {
            park(until);
        }
        let command = commands.borrow_mut().pop_front();
        let is_told = command.is_some();
        if let Some(command) = command {
            fence();
            trace(|| format!("poller {index}: {}", name(&command)));
            let credits = matches!(command, PollerCommand::CreditThread { .. });
            if matches!(command, PollerCommand::Flush { .. }) && runtime.is_some() {
                oracle::flush_begins(index);
            }
            let event = execute(&mut runtime, command);
            if let Some(runtime) = runtime.as_ref().filter(|_| credits) {
                oracle::credited(index, |number, frame| runtime.has(number, frame));
            }
            if let Some(event) = event {
                report(index, Channel::Poller(index), event);
            }
        }
        if world(|world| world.sessions[index].is_over) {
            return;
        }
        if world(|world| world.sessions[index].poller_dies) {
            return dies(index, runtime, commands);
        }
        if let Some(runtime) = &mut runtime {
            runtime.reap();
            publish(index, runtime, frames, &mut stamp);
            if below(3) == 0 {
                runtime.send_one();
            }
            oracle::note_fates(&runtime.take_fates());
            for number in runtime.violators() {
                if violators.insert(number) {
                    report(index, Channel::Poller(index), Event::Violated(number));
                }
            }
            while let Some(flushed) = runtime.flushed() {
                report(index, Channel::Poller(index), Event::Flushed(flushed));
            }
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

/// The poller dies: its guard hands back what it has, and what it is told to run from now on.
fn dies(index: usize, mut runtime: Option<Box<PlayedRuntime>>, commands: &Commands) {
    world(|world| world.sessions[index].is_poller_dead = true);
    while !world(|world| world.sessions[index].is_over) {
        let back = runtime.take().map(Event::HandedBack);
        let command = || commands.borrow_mut().pop_front();
        let event = back.or_else(|| match command()? {
            PollerCommand::Start(runtime) => Some(Event::HandedBack(runtime)),
            other => execute(&mut None, other),
        });
        match event {
            Some(event) => report(index, Channel::Poller(index), event),
            None if commands.borrow().is_empty() => {
                park(u64::MAX);
            }
            None => {}
        }
    }
}

/// Writes a free frame and loans it.
fn publish(index: usize, runtime: &mut PlayedRuntime, frames: &FrameMemory, stamp: &mut u64) {
    let published =
        |runtime: &PlayedRuntime| runtime.lenders().map(|it| it.published()).sum::<u64>();
    let before = published(runtime);
    if world(|world| world.plan.sessions[index].sends) {
        runtime.lend_empty();
    } else {
        receive(index, runtime, frames, stamp);
    }
    let lent = published(runtime) - before;
    world(|world| world.sessions[index].lent += lent);
}

/// Receives a frame, or a part of one that clients may have meanwhile.
fn receive(index: usize, runtime: &mut PlayedRuntime, frames: &FrameMemory, stamp: &mut u64) {
    let takes_open = world(|world| world.plan.adversity.takes_open);
    if let Some(open) = runtime.arriving().filter(|_| takes_open && below(2) == 0) {
        match below(3) {
            0 => runtime.end_open(),
            _ => {
                oracle::end_stamp(frames, open.frame, open.stamp);
                runtime.advance();
            }
        }
        return;
    }
    let count = frames.geometry().frames;
    let frame = u32::try_from(below(count as usize)).unwrap_or(0);
    if !runtime.is_free(frame) {
        return;
    }
    *stamp += 1;
    if takes_open && below(2) == 0 {
        oracle::begin_stamp(index, frames, frame, *stamp);
        runtime.publish_open(frame, *stamp);
        return;
    }
    oracle::stamp(index, frames, frame, *stamp);
    runtime.publish(frame, world(|world| world.plan.adversity.drops_unread));
}

fn execute(
    runtime: &mut Option<Box<PlayedRuntime>>,
    command: PollerCommand<PlayedRuntime>,
) -> Option<Event<PlayedRuntime>> {
    match command {
        PollerCommand::Start(started) => {
            *runtime = Some(started);
            None
        }
        PollerCommand::Quiesce => {
            let mut runtime = runtime.take()?;
            runtime.reap();
            runtime.drop_unsent(None);
            oracle::note_fates(&runtime.take_fates());
            Some(Event::HandedBack(runtime))
        }
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
        PollerCommand::Flush { ticket } => {
            let runtime = runtime.as_mut()?;
            runtime.reap();
            runtime.flush(ticket);
            runtime.flushed().map(Event::Flushed)
        }
    }
}

fn name(command: &PollerCommand<PlayedRuntime>) -> String {
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
