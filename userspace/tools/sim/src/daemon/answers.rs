//! Answers without a core: helper threads' looks, and requests that come too late.

use std::time::Duration;

use onair_session::{Event, ThreadQuestion};

use crate::mail::Message;
use crate::requests;
use crate::runtime::PlayedRuntime;
use crate::world::world;

/// Time of a helper thread for a look. The core looks the less often the more it costs.
const COST: Duration = Duration::from_micros(20);

/// A helper thread looks which of the threads are gone.
pub(super) fn look_at_threads(question: ThreadQuestion) -> Event<PlayedRuntime> {
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
            cost: COST,
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
pub(super) fn refuse(event: Event<PlayedRuntime>) {
    match event {
        Event::Start(ticket) => requests::answer(&ticket, false),
        Event::Destroy(destroy) | Event::Abort(destroy) => {
            requests::answer(&destroy.ticket, false);
        }
        Event::Evict(_, ticket) => requests::refuse_eviction(&ticket),
        Event::Verdict(ticket) => requests::answer(&ticket, false),
        Event::Detach(_, ticket) => requests::answer(&ticket, false),
        Event::Flush(_, ticket) => requests::answer(&ticket, false),
        _ => {}
    }
}

/// The event, in a word.
pub(super) fn event_name(event: &Event<PlayedRuntime>) -> String {
    match event {
        Event::Start(_) => "start".into(),
        Event::Stop => "stop".into(),
        Event::Destroy(it) => format!("{:?} by {:?} ms", it.operation, it.deadline_ms),
        Event::Abort(_) => "abort".into(),
        Event::Quarantine(_) => "quarantine".into(),
        Event::Evict(one, _) => format!("evict {one:?}"),
        Event::Verdict(_) => "verdict".into(),
        Event::Flush(wait, _) => format!("flush within {wait:?}"),
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
