//! A change of a session's addresses, or of its packets' timing: at once, or by its poller between two frames.
//! Events in, steps out; no clock.

/// The change of one session that is under way, if there is one. `N` is what the session gets,
/// `A` the destination of the answer.
#[derive(Debug)]
pub struct Retargeting<N, A>(Phase<N, A>);

#[derive(Debug)]
enum Phase<N, A> {
    /// No change is under way.
    Idle,
    /// The poller changes the session, or hands it back.
    Changing(N, A),
}

/// Where the runtime of a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimePlace {
    /// With the session.
    Here,
    /// On its way back from the poller.
    Returning,
    /// With the poller.
    Poller,
}

/// An event in the change of a session.
#[derive(Debug)]
pub enum RetargetEvent<N, A> {
    /// A requester asks for a change, which was checked.
    Asked {
        /// The session's new configuration.
        next: N,
        /// Of a change at a time: the request is answered once the poller knows of it, and this in its place later.
        later: Option<A>,
        /// Where its runtime is.
        place: RuntimePlace,
        /// It receives.
        receives: bool,
        /// Destination of the answer.
        reply: A,
    },
    /// The poller changed the session.
    Changed,
    /// The runtime comes back from a poller, which may not have changed it.
    HandedBack,
    /// The poller makes no turn: it may change the session later, or never. That answer goes here.
    Stalled(A),
}

/// A step of a change. The steps of an event are done in their order.
#[derive(Debug)]
pub enum RetargetStep<N, A> {
    /// Claim the flow for the poller and join its group, beside the present ones.
    Join(N),
    /// Tell the poller to change the session.
    Command(N),
    /// Change the runtime, which is here.
    Change(N),
    /// The session has this now: give up the other flow and group, and publish it.
    Adopt(N),
    /// Answer with the session, which changes at its time.
    Accept(A),
    /// Answer with the session, which has changed.
    Answer(A),
    /// Refuse: try again.
    Refuse(A, RetargetBusy),
}

/// Why a session cannot be changed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetargetBusy {
    /// A change is under way.
    #[error("is getting other addresses already")]
    Changing,
    /// Its poller makes no turn.
    #[error("gets other addresses when its poller makes turns again")]
    Stalled,
}

impl<N, A> Default for Retargeting<N, A> {
    fn default() -> Self {
        Self(Phase::Idle)
    }
}

impl<N: Clone, A> Retargeting<N, A> {
    /// The addresses that the session is about to get; `None`: no change is under way.
    #[must_use]
    pub const fn next(&self) -> Option<&N> {
        match &self.0 {
            Phase::Idle => None,
            Phase::Changing(next, _) => Some(next),
        }
    }

    /// Whether a change may be asked for.
    ///
    /// # Errors
    /// [`RetargetBusy::Changing`].
    pub const fn check(&self) -> Result<(), RetargetBusy> {
        match self.0 {
            Phase::Idle => Ok(()),
            Phase::Changing(..) => Err(RetargetBusy::Changing),
        }
    }

    /// Handles an event.
    pub fn handle(&mut self, event: RetargetEvent<N, A>) -> Vec<RetargetStep<N, A>> {
        match event {
            RetargetEvent::Asked {
                next,
                later,
                place,
                receives,
                reply,
            } => self.asked(next, place, receives, (reply, later)),
            RetargetEvent::Changed => self.done(false),
            RetargetEvent::HandedBack => self.done(true),
            RetargetEvent::Stalled(later) => self.stalled(later),
        }
    }

    /// A receiver has its next flow and group before it gives up the present ones: the frame in transit is complete.
    fn asked(
        &mut self,
        next: N,
        place: RuntimePlace,
        receives: bool,
        (reply, later): (A, Option<A>),
    ) -> Vec<RetargetStep<N, A>> {
        if let Err(busy) = self.check() {
            return vec![RetargetStep::Refuse(reply, busy)];
        }
        match place {
            RuntimePlace::Here => vec![
                RetargetStep::Change(next.clone()),
                RetargetStep::Adopt(next),
                RetargetStep::Answer(reply),
            ],
            RuntimePlace::Returning | RuntimePlace::Poller => {
                let is_there = place == RuntimePlace::Poller;
                let join = (is_there && receives).then(|| RetargetStep::Join(next.clone()));
                let command = is_there.then(|| RetargetStep::Command(next.clone()));
                let (now, later) = match later {
                    Some(later) => (Some(reply), later),
                    None => (None, reply),
                };
                // A runtime on its way back is changed when it is here.
                self.0 = Phase::Changing(next, later);
                let accept = now.map(RetargetStep::Accept);
                join.into_iter().chain(command).chain(accept).collect()
            }
        }
    }

    fn stalled(&mut self, later: A) -> Vec<RetargetStep<N, A>> {
        match &mut self.0 {
            Phase::Changing(_, reply) => {
                let reply = std::mem::replace(reply, later);
                vec![RetargetStep::Refuse(reply, RetargetBusy::Stalled)]
            }
            Phase::Idle => Vec::new(),
        }
    }

    fn done(&mut self, is_here: bool) -> Vec<RetargetStep<N, A>> {
        match std::mem::replace(&mut self.0, Phase::Idle) {
            Phase::Changing(next, reply) => {
                let change = is_here.then(|| RetargetStep::Change(next.clone()));
                let rest = [RetargetStep::Adopt(next), RetargetStep::Answer(reply)];
                change.into_iter().chain(rest).collect()
            }
            other => {
                self.0 = other;
                Vec::new()
            }
        }
    }
}

/// The sources to accept in a group that the present and the next flow share, until the change is done. None
/// means any.
#[must_use]
pub fn sources_of_both<S>(present: Vec<S>, next: Vec<S>) -> Vec<S> {
    if present.is_empty() || next.is_empty() {
        return Vec::new();
    }
    next.into_iter().chain(present).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct World(Retargeting<u8, ()>);

    impl World {
        fn event(&mut self, event: RetargetEvent<u8, ()>) -> Vec<String> {
            let steps = self.0.handle(event);
            let name = |step| match step {
                RetargetStep::Join(next) => format!("join {next}"),
                RetargetStep::Command(next) => format!("command {next}"),
                RetargetStep::Change(next) => format!("change {next}"),
                RetargetStep::Adopt(next) => format!("adopt {next}"),
                RetargetStep::Accept(()) => "accept".to_owned(),
                RetargetStep::Answer(()) => "answer".to_owned(),
                RetargetStep::Refuse((), busy) => format!("refuse: {busy}"),
            };
            steps.into_iter().map(name).collect()
        }

        fn ask(&mut self, next: u8, place: RuntimePlace, receives: bool) -> Vec<String> {
            self.event(RetargetEvent::Asked {
                next,
                later: None,
                place,
                receives,
                reply: (),
            })
        }
    }

    #[test]
    fn session_that_is_here_is_changed_at_once() {
        let mut world = World::default();
        for receives in [false, true] {
            let steps = world.ask(1, RuntimePlace::Here, receives);
            assert_eq!(steps, ["change 1", "adopt 1", "answer"]);
            assert!(world.0.next().is_none() && world.0.check().is_ok());
        }
    }

    #[test]
    fn session_on_its_way_back_is_changed_when_it_is_here() {
        let mut world = World::default();
        for receives in [false, true] {
            let steps = world.ask(1, RuntimePlace::Returning, receives);
            assert_eq!(steps, [""; 0]);
            assert_eq!(world.0.check(), Err(RetargetBusy::Changing));
            let steps = world.event(RetargetEvent::HandedBack);
            assert_eq!(steps, ["change 1", "adopt 1", "answer"]);
        }
        // A poller that makes no turn never hands it back.
        world.ask(2, RuntimePlace::Returning, true);
        let steps = world.event(RetargetEvent::Stalled(()));
        assert_eq!(
            steps,
            ["refuse: gets other addresses when its poller makes turns again"]
        );
    }

    #[test]
    fn receiver_has_flow_and_group_before_its_poller_changes() {
        let mut world = World::default();
        let steps = world.ask(2, RuntimePlace::Poller, true);
        assert_eq!(steps, ["join 2", "command 2"]);
        assert_eq!(world.0.next(), Some(&2));
        // It has the present flow, too, until the poller has changed it.
        let changed = world.event(RetargetEvent::Changed);
        assert_eq!(changed, ["adopt 2", "answer"]);
        assert!(world.0.next().is_none());
    }

    #[test]
    fn sender_handed_back_meanwhile_is_changed_here_once() {
        let mut world = World::default();
        assert_eq!(world.ask(3, RuntimePlace::Poller, false), ["command 3"]);
        let steps = world.event(RetargetEvent::HandedBack);
        assert_eq!(steps, ["change 3", "adopt 3", "answer"]);
        for late in [RetargetEvent::Changed, RetargetEvent::HandedBack] {
            assert_eq!(world.event(late), [""; 0]);
        }
    }

    #[test]
    fn second_change_before_the_first_is_done_is_refused() {
        let mut world = World::default();
        world.ask(1, RuntimePlace::Poller, false);
        assert_eq!(world.0.check(), Err(RetargetBusy::Changing));
        for place in [RuntimePlace::Here, RuntimePlace::Poller] {
            let steps = world.ask(2, place, true);
            assert_eq!(steps, ["refuse: is getting other addresses already"]);
        }
        let changed = world.event(RetargetEvent::Changed);
        assert_eq!(changed, ["adopt 1", "answer"]);
    }

    #[test]
    fn poller_makes_no_turn_then_refused_and_adopted_when_it_does() {
        let mut world = World::default();
        assert_eq!(world.event(RetargetEvent::Stalled(())), [""; 0]);
        assert_eq!(world.ask(1, RuntimePlace::Poller, false), ["command 1"]);
        let steps = world.event(RetargetEvent::Stalled(()));
        assert_eq!(
            steps,
            ["refuse: gets other addresses when its poller makes turns again"]
        );
        let changed = world.event(RetargetEvent::Changed);
        assert_eq!(changed, ["adopt 1", "answer"]);
    }

    #[test]
    fn change_at_a_time_then_answered_before_it() {
        let at = |place, receives| RetargetEvent::Asked {
            next: 4,
            later: Some(()),
            place,
            receives,
            reply: (),
        };
        let mut world = World::default();
        let steps = world.event(at(RuntimePlace::Poller, false));
        assert_eq!(steps, ["command 4", "accept"]);
        assert_eq!(world.0.check(), Err(RetargetBusy::Changing));
        assert_eq!(world.event(RetargetEvent::Changed), ["adopt 4", "answer"]);
        let steps = world.event(at(RuntimePlace::Poller, true));
        assert_eq!(steps, ["join 4", "command 4", "accept"]);
        // A session that comes back before its time changes now.
        let steps = world.event(RetargetEvent::HandedBack);
        assert_eq!(steps, ["change 4", "adopt 4", "answer"]);
        let steps = world.event(at(RuntimePlace::Here, true));
        assert_eq!(steps, ["change 4", "adopt 4", "answer"]);
    }

    #[test]
    fn shared_group_accepts_the_sources_of_both_flows() {
        assert_eq!(sources_of_both(vec![1], vec![2, 3]), [2, 3, 1]);
        // No list accepts any source.
        assert_eq!(sources_of_both(vec![], vec![2]), [0; 0]);
        assert_eq!(sources_of_both(vec![1], vec![]), [0; 0]);
    }
}
