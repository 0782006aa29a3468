//! Examines stopped sessions: one barrier, one walk of the kernel's map and one canary for all that
//! are examined together.
//!
//! Invariant: *whatever a verdict rests on was read after its own session's gate was closed and its
//! kicks were armed, and W2 after W1.* Each member's gate is closed before the examination begins,
//! and no gate opens during it, because the control thread runs it without a break. All kicks are
//! armed before the one barrier, each W1 is read after the barrier, and the one walk begins after
//! the last W1. So a caller that W1 of its session does not see, and that follows the protocol, has
//! left before the walk; one that leaves later kicks. A member is judged by its own readings alone.

use onair_api::SessionId;
use onair_ipc::fence::Fence;
use onair_mutant::mutant;
use serde::{Deserialize, Serialize};

use crate::boundary::effect::{Effect, Effects};
use crate::boundary::facts::Facts;
use crate::boundary::recorded::RecordingView;
use crate::boundary::runtime::Runtime;
use crate::boundary::view::View;
use crate::state::asking::Asking;
use crate::state::trace::{begin_line, end_line};
use crate::state::{SessionCore, Turn};
use crate::witness::readings::Member;

/// A session to be examined with others.
pub struct Examined<'a, R> {
    /// The session.
    pub core: &'a mut SessionCore<R>,
    /// Facts about it.
    pub facts: Facts,
    /// Its view of the world.
    pub view: &'a dyn View,
}

impl<R> std::fmt::Debug for Examined<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Examined");
        shown
            .field("session", &self.core.life.id)
            .finish_non_exhaustive()
    }
}

/// Why sessions are examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Examination {
    /// Something happened to them, as [`Event::Examine`](crate::Event::Examine).
    Due,
    /// Their turn in the shutdown has come: those without users are destroyed.
    InTurn,
}

/// Examines these sessions, and decides in their order. The driver executes the effects of each, in
/// the same order, before it gives any of them another event.
#[must_use]
pub fn examine_together<R: Runtime>(
    sessions: Vec<Examined<'_, R>>,
    why: Examination,
) -> Vec<(SessionId, Vec<Effect<R>>)> {
    let in_turn = why == Examination::InTurn;
    let mut begun = Vec::with_capacity(sessions.len());
    for Examined { core, facts, view } in sessions {
        let line = begin_line(core, &facts, "together", &why);
        if !in_turn || core.life.take_turn() {
            begun.push((core, facts, line, RecordingView::new(view)));
        }
    }
    let turns = begun.iter_mut().map(|(core, facts, _, view)| {
        let (facts, effects) = (facts.clone(), Effects::default());
        let (view, life) = (Asking(view), &mut core.life);
        let turn = Turn {
            facts,
            view,
            life,
            effects,
        };
        (&mut core.parts, turn)
    });
    let mut turns: Vec<_> = turns.collect();
    let members = turns.iter_mut();
    let mut members: Vec<_> = members
        .map(|(parts, turn)| Member::new(parts, turn))
        .collect();
    advance_all(&mut members);
    drop(members);
    let effects = turns.into_iter().map(|(_, turn)| turn.effects.into_list());
    let effects: Vec<_> = effects.collect();
    let done = begun.into_iter().zip(effects);
    let done = done.map(|((core, _, line, view), effects)| {
        if in_turn && !mutant!("drain: a turn is not given back") {
            core.life.return_turn();
        }
        end_line(core, line, &view.into_answers(), &effects);
        (core.life.id, effects)
    });
    done.collect()
}

/// Examines the members, and acts on the results.
pub(crate) fn advance_all<R: Runtime>(members: &mut [Member<'_, '_, R>]) {
    // What the witnesses see must not change any more by what the daemon itself has to do first.
    let mut stopped: Vec<_> = members
        .iter_mut()
        .filter_map(|member| member.prepare().then_some(member))
        .collect();
    let Some(first) = stopped.first() else {
        return;
    };
    let view = first.turn.view;
    let armed = mutant!("together: arms the kicks of one session", 1, stopped.len());
    let memories = stopped.iter().take(armed).flat_map(|it| it.to_arm());
    let fence = Fence::with_kicks(memories);
    let draining = stopped.iter().filter(|it| it.turn.life.is_draining());
    let draining: Vec<SessionId> = draining.map(|it| it.turn.life.id).collect();
    let walk = || (!draining.is_empty()).then(|| view.walk(&draining));
    let too_early = mutant!("together: W2 before W1", walk(), None);
    for member in &mut stopped {
        member.counted = Some(member.count(&fence));
    }
    if mutant!("together: W1 of one session for all") {
        let of_first = stopped.first().and_then(|it| it.counted.clone());
        stopped
            .iter_mut()
            .for_each(|it| it.counted = of_first.clone());
    }
    let walk = too_early.or_else(walk);
    for member in stopped {
        let counted = member.counted.take().expect("each was counted above");
        // A session that is only stopped is not destroyed: its W2 is not read.
        let walk = walk.as_deref().filter(|_| member.turn.life.is_draining());
        let readings = member.readings(counted, walk);
        member.conclude(readings);
    }
}
