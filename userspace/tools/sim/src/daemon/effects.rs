//! Does what a core says.

use std::time::Duration;

use onair_api::Operation;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::slot::{NO_INTENT, SlotReading};
use onair_session::{Effect, Event, Named, Note, PollerCommand, RetiredMemory, SiteFinding};
use onair_sim_kernel::{below, fence, unpark};

use super::control::Control;
use crate::mail::{Channel, Message};
use crate::oracle;
use crate::plan::{Deed, DeedKind};
use crate::runtime::PlayedRuntime;
use crate::world::{trace, violation, world};
use crate::{replay, requests};

/// Sleepers of an attachment that the daemon wakes at most.
const MOST: u16 = 64;

impl Control {
    pub(super) fn execute(&mut self, index: usize, effect: Effect<PlayedRuntime>) {
        let session = &mut self.sessions[index];
        match effect {
            Effect::Poller(mut command) => {
                match &mut command {
                    PollerCommand::Start(runtime) => {
                        oracle::note_fates(&runtime.take_fates());
                        world(|world| world.sessions[index].is_runtime_out = true);
                    }
                    PollerCommand::Detach(number) | PollerCommand::Evict(number) => {
                        oracle::withdrawn(*number);
                    }
                    _ => {}
                }
                fence();
                session.commands.borrow_mut().push_back(command);
                unpark(world(|world| world.sessions[index].poller));
            }
            Effect::Wake(memory) => wake(&memory),
            Effect::WakeNow | Effect::Closed(_) | Effect::Left(_) => {}
            Effect::Note(note) => noted(index, &note),
            Effect::Answer(answer) => {
                oracle::answered(index, &answer);
                requests::answered(&answer);
            }
            Effect::LookAtThreads(question) => {
                // A thread that is about to have a frame leaves more than others.
                let has_intent = |it: &&SlotReading| it.intent != NO_INTENT;
                let some = question.suspects.iter().any(|it| has_intent(&it));
                let chosen = question.suspects.iter();
                let chosen = chosen.filter(|it| !some || has_intent(it));
                crate::kernel::ask_of(question.attachment, chosen.map(|it| it.owner));
                let helper = Channel::Helper(question.attachment);
                send(helper, Message::LookedAtThreads(index, question));
            }
            Effect::LookAtSites(question) => {
                let event = Event::SitesLookedAt {
                    attachment: question.attachment,
                    asked_at: question.asked_at,
                    cost: Duration::ZERO,
                    found: SiteFinding::Armed,
                };
                let helper = Channel::Helper(question.attachment);
                send(helper, Message::Core(index, event));
            }
            Effect::NameUsers(Named::Refusal(destroy, problem)) => {
                trace(|| format!("session {index}: refused: {problem}"));
                requests::answer(&destroy.ticket, false);
            }
            Effect::NameUsers(Named::Busy(_, ticket, _)) => requests::answer(&ticket, false),
            Effect::NameUsers(_) => {}
            Effect::Started(tickets) => {
                tickets.iter().for_each(|it| requests::answer(it, true));
            }
            Effect::Quarantined(_) => {
                oracle::quarantined(index);
                self.note_quarantined(index);
            }
            Effect::Examine => session.is_due = true,
            Effect::Ready => {
                let is_ready = !self.note_ready(index);
                self.sessions[index].is_ready = is_ready;
            }
            Effect::NotAdmitted(reason) => oracle::not_admitted(index, &reason.to_string()),
            Effect::Keep(memory) => give_back(index, &memory),
            Effect::Destroyed {
                evidence,
                retired,
                destroy,
            } => {
                session.is_over = true;
                give_back(index, &retired);
                let is_ending = destroy.operation == Operation::Shutdown;
                if self.ending.is_some() && is_ending {
                    oracle::ended_in_turn(index);
                }
                let waits = self.ending.is_some() || world(|world| world.plan.in_turn);
                if is_ending && waits && !self.is_turn {
                    violation(format!("session {index}: ends, and it is not its turn"));
                }
                oracle::destroyed(index, &evidence);
                requests::answer(&destroy.ticket, true);
                self.end(index);
            }
            Effect::Freed {
                counts, retired, ..
            } => {
                session.is_over = true;
                give_back(index, &retired);
                oracle::freed(index, &counts);
                self.end(index);
            }
        }
    }

    /// A session has ended.
    fn end(&self, index: usize) {
        if world(|world| world.is_traced) {
            replay::keep(self.sessions[index].core.trace());
        }
        unpark(world(|world| world.sessions[index].poller));
    }
}

fn send(channel: Channel, message: Message) {
    world(|world| {
        let delay = world.plan.delay;
        world.mail.send(channel, delay, message);
    });
}

fn give_back(index: usize, memory: &RetiredMemory) {
    let numbers = memory.words().map(|words| words.attachment());
    world(|world| world.sessions[index].given_back.extend(numbers));
}

/// The daemon wakes those that sleep. In lives in which no thread dies it wakes one or none: callers wake the
/// others.
fn wake(memory: &AttachmentMemory) {
    let dies = |deed: &Deed| matches!(deed.kind, DeedKind::KillThread | DeedKind::KillTwoThreads);
    if world(|world| {
        let plan = &world.plan;
        plan.death.is_some() || plan.adversity.dies_when_asked || plan.deeds.iter().any(dies)
    }) {
        memory.wake_some(MOST);
    } else if below(2) == 0 {
        memory.wake_some(1);
    }
}

fn noted(index: usize, note: &Note) {
    match note {
        Note::Stopped { .. } => oracle::stopped(index),
        Note::Started { .. } => oracle::started(index),
        Note::Evicted { attachment, .. } => oracle::evicted(index, *attachment),
        _ => {}
    }
    trace(|| format!("session {index}: {note:?}"));
}
