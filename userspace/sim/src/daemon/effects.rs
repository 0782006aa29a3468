//! Does what a core says.

use std::time::Duration;

use onair_api::EventKind;
use onair_session::{Effect, Event, Named, RetiredMemory, SiteFinding, ThreadQuestion};
use onair_sim_kernel::{below, unpark};

use super::control::Control;
use super::{Ledgers, control};
use crate::mail::{Channel, Message};
use crate::oracle;
use crate::world::{trace, world};

impl Control {
    pub(super) fn execute(&mut self, index: usize, effect: Effect<Ledgers>) {
        let session = &mut self.sessions[index];
        match effect {
            Effect::Poller(command) => {
                session.commands.borrow_mut().push_back(command);
                unpark(world(|world| world.sessions[index].poller));
            }
            // The daemon wakes some more; the callers wake the others.
            Effect::Wake(memory) => {
                if below(2) == 0 {
                    memory.wake_some(1);
                }
            }
            Effect::WakeNow | Effect::Closed(_) | Effect::Left(_) => {}
            Effect::Publish(kind) => published(index, &kind),
            Effect::LookAtThreads(question) => send(
                Channel::Helper(question.attachment),
                Message::LookedAtThreads(index, question),
            ),
            Effect::LookAtSites(question) => {
                let event = Event::SitesLookedAt {
                    attachment: question.attachment,
                    asked_at: question.asked_at,
                    found: SiteFinding::Armed,
                };
                let helper = Channel::Helper(question.attachment);
                send(helper, Message::Core(index, event));
            }
            Effect::NameUsers(Named::Refusal(destroy, problem)) => {
                trace(|| format!("session {index}: refused: {problem}"));
                destroy.reply.send(Err(*problem));
            }
            Effect::NameUsers(Named::Busy(_, reply, problem)) => reply.send(Err(*problem)),
            Effect::NameUsers(_) => {}
            Effect::Started(replies) => {
                for reply in replies {
                    reply.send(Err(control::problem()));
                }
            }
            Effect::Quarantined(_) => oracle::quarantined(index),
            Effect::Examine => session.is_due = true,
            Effect::Ready => session.is_ready = true,
            Effect::NotAdmitted(reason) => oracle::not_admitted(index, &reason.to_string()),
            Effect::Keep(memory) => give_back(index, &memory),
            Effect::Destroyed {
                evidence,
                retired,
                destroy,
            } => {
                session.is_over = true;
                give_back(index, &retired);
                oracle::destroyed(index, &evidence);
                destroy.reply.send(Err(control::problem()));
                self.wake_poller(index);
            }
            Effect::Freed {
                counts, retired, ..
            } => {
                session.is_over = true;
                give_back(index, &retired);
                oracle::freed(index, &counts);
                self.wake_poller(index);
            }
        }
    }

    fn wake_poller(&self, index: usize) {
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
    let numbers = memory.words.iter().map(|words| words.attachment());
    world(|world| world.sessions[index].given_back.extend(numbers));
}

fn published(index: usize, kind: &EventKind) {
    if let EventKind::Evicted { eviction } = kind {
        trace(|| format!("session {index}: evicted {}", eviction.attachment));
    }
}

/// A helper thread looks which of the threads are gone.
pub(super) fn look_at_threads(question: ThreadQuestion) -> Event<Ledgers> {
    let ThreadQuestion {
        attachment,
        suspects,
        exits,
        ..
    } = question;
    world(|world| {
        let mut clients = world.clients.iter();
        let client = clients.find(|it| it.number == attachment);
        let mut dead = suspects;
        dead.retain(|slot| {
            let is_asked = exits
                .as_ref()
                .is_none_or(|all| all.iter().any(|exit| exit.own_tid == slot.owner));
            is_asked && client.is_none_or(|it| it.is_thread_dead(slot.owner))
        });
        Event::ThreadsLookedAt {
            attachment,
            again: !dead.is_empty() && client.is_some_and(|it| it.is_dead()),
            dead,
            cost: Duration::ZERO,
        }
    })
}

/// Answers what arrives when the control thread has ended.
pub(crate) fn refuse_rest() {
    while let Some(message) = world(|world| world.mail.take_any()) {
        if let Message::Core(_, event) = message {
            refuse(event);
        }
    }
}

/// Answers a request for a session that is over.
pub(super) fn refuse(event: Event<Ledgers>) {
    match event {
        Event::Start(reply) => reply.send(Err(control::problem())),
        Event::Destroy(destroy) | Event::Abort(destroy) => {
            destroy.reply.send(Err(control::problem()));
        }
        Event::Evict(_, answer) => answer.refuse(control::problem()),
        Event::Verdict(reply) => reply.send(Err(control::problem())),
        Event::Detach(_, reply) => reply.send(Err(control::problem())),
        _ => {}
    }
}

/// The event, in a word.
pub(super) fn event_name(event: &Event<Ledgers>) -> String {
    match event {
        Event::Start(_) => "start".into(),
        Event::Stop => "stop".into(),
        Event::Destroy(it) => format!("{:?} by {:?} ms", it.operation, it.deadline_ms),
        Event::Abort(_) => "abort".into(),
        Event::Quarantine(_) => "quarantine".into(),
        Event::Evict(one, _) => format!("evict {one:?}"),
        Event::Verdict(_) => "verdict".into(),
        Event::Admit(it) => format!("admit {}", it.number),
        Event::Detach(number, _) => format!("detach {number}"),
        Event::HandedBack(_) => "handed back".into(),
        Event::LenderBack(it) => format!("lender {} back", it.attachment()),
        Event::Evicted(it) => format!("poller evicted {}", it.lender.attachment()),
        Event::AttachRefused { reason, .. } => format!("attach refused: {reason}"),
        Event::SitesLookedAt { attachment, .. } => format!("looked at the sites of {attachment}"),
        other => format!("{other:?}"),
    }
}
