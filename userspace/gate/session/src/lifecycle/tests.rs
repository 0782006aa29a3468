//! Every sequence of events up to a depth, against a reference model without a runtime.

use std::collections::BTreeSet;
use std::time::Instant;

use super::transitions::TRANSITIONS;
use super::{HandBack, Lifecycle, Refusal, RuntimeHolder, Start, Stop};

/// Length of each sequence: 823,543 of them, in under a second.
const DEPTH: usize = 7;

/// The only runtime of a session.
#[derive(Debug, PartialEq, Eq)]
struct Runtime;

#[derive(Clone, Copy, Debug)]
enum Event {
    Start,
    Stop,
    /// The poller answers: it hands back the runtime that it has.
    HandBack,
    BeginDestroy,
    WithdrawDestroy,
    Quarantine,
    End,
}

const EVENTS: [Event; 7] = [
    Event::Start,
    Event::Stop,
    Event::HandBack,
    Event::BeginDestroy,
    Event::WithdrawDestroy,
    Event::Quarantine,
    Event::End,
];

/// The state that an operator sees and the place of the runtime: the whole specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Running,
    Stopped,
    Draining,
    Quarantined,
    Destroyed,
}

#[derive(Clone, Debug)]
struct Model {
    shown: Shown,
    /// The poller has the runtime.
    at_poller: bool,
    waiting_starts: u32,
}

/// Requests made, and requests returned.
#[derive(Debug, Default)]
struct Requests {
    starts_made: u32,
    starts_back: u32,
    destroys_made: u32,
    destroys_back: u32,
}

struct Subject {
    life: Lifecycle<Runtime, u32, u32>,
    /// The runtime while a poller has it.
    poller: Option<Runtime>,
    requests: Requests,
}

impl Subject {
    fn start(&mut self, model: &mut Model) {
        self.requests.starts_made += 1;
        match self.life.start(self.requests.starts_made) {
            Start::Possible(_) => {
                assert!(model.shown == Shown::Stopped && !model.at_poller);
                self.requests.starts_back += 1;
                self.run();
                (model.shown, model.at_poller) = (Shown::Running, true);
            }
            Start::Running(_) => {
                assert_eq!(model.shown, Shown::Running);
                self.requests.starts_back += 1;
            }
            Start::Waits => {
                assert!(model.shown == Shown::Stopped && model.at_poller);
                model.waiting_starts += 1;
            }
            Start::Refused(_, refusal) => {
                let because = match model.shown {
                    Shown::Draining => Refusal::Draining,
                    Shown::Quarantined => Refusal::Quarantined,
                    Shown::Destroyed => Refusal::Destroyed,
                    Shown::Running | Shown::Stopped => panic!("{refusal:?} in {model:?}"),
                };
                assert_eq!(refusal, because);
                self.requests.starts_back += 1;
            }
        }
    }

    fn run(&mut self) {
        let runtime = self.life.hand_over().expect("it is stopped, and here");
        assert!(self.poller.replace(runtime).is_none(), "there is one");
    }

    fn stop(&mut self, model: &mut Model) {
        match self.life.stop(Instant::now()) {
            Stop::Begun => {
                assert_eq!(model.shown, Shown::Running);
                model.shown = Shown::Stopped;
            }
            Stop::Already(starts) => {
                assert_ne!(model.shown, Shown::Running);
                assert_eq!(starts.len(), model.waiting_starts as usize);
                self.requests.starts_back += model.waiting_starts;
                model.waiting_starts = 0;
            }
        }
    }

    fn hand_back(&mut self, model: &mut Model) {
        let Some(runtime) = self.poller.take() else {
            assert!(matches!(
                self.life.hand_back(Runtime),
                HandBack::Unexpected(_)
            ));
            return;
        };
        match self.life.hand_back(runtime) {
            HandBack::Unasked => {
                assert_eq!(model.shown, Shown::Running);
                (model.shown, model.at_poller) = (Shown::Stopped, false);
            }
            HandBack::Asked(starts) => {
                assert_ne!(model.shown, Shown::Running);
                assert_eq!(starts.len(), model.waiting_starts as usize);
                self.requests.starts_back += model.waiting_starts;
                model.at_poller = false;
                if model.waiting_starts > 0 {
                    self.run();
                    (model.shown, model.at_poller) = (Shown::Running, true);
                }
                model.waiting_starts = 0;
            }
            HandBack::Unexpected(_) => {
                assert_eq!(model.shown, Shown::Destroyed);
                model.at_poller = false;
            }
        }
    }

    fn begin_destroy(&mut self, model: &mut Model) {
        self.requests.destroys_made += 1;
        let expected = match model.shown {
            Shown::Running => Err(Refusal::Running),
            Shown::Stopped if model.waiting_starts > 0 => Err(Refusal::Starting),
            Shown::Stopped => Ok(()),
            Shown::Draining => Err(Refusal::Draining),
            Shown::Quarantined => Err(Refusal::Quarantined),
            Shown::Destroyed => Err(Refusal::Destroyed),
        };
        let begun = self.life.begin_destroy(self.requests.destroys_made);
        assert_eq!(begun.as_ref().copied().map_err(|(why, _)| *why), expected);
        match begun {
            Ok(()) => model.shown = Shown::Draining,
            Err(_) => self.requests.destroys_back += 1,
        }
    }

    fn withdraw_destroy(&mut self, model: &mut Model) {
        let withdrawn = self.life.withdraw_destroy();
        assert_eq!(withdrawn.is_some(), model.shown == Shown::Draining);
        if withdrawn.is_some() {
            self.requests.destroys_back += 1;
            model.shown = Shown::Stopped;
        }
    }

    fn quarantine(&mut self, model: &mut Model) {
        match self.life.quarantine() {
            Ok(starts) => {
                assert_eq!(model.shown, Shown::Stopped);
                assert_eq!(starts.len(), model.waiting_starts as usize);
                self.requests.starts_back += model.waiting_starts;
                (model.shown, model.waiting_starts) = (Shown::Quarantined, 0);
            }
            Err(_) => assert_ne!(model.shown, Shown::Stopped),
        }
    }

    /// Only for a session that the witnesses release: nothing waits, and it does not run.
    fn end(&mut self, model: &mut Model) {
        if !matches!(model.shown, Shown::Draining | Shown::Quarantined) {
            return;
        }
        let was = std::mem::replace(&mut model.shown, Shown::Destroyed);
        let ended = self.life.end();
        assert_eq!(ended.is_some(), was == Shown::Draining);
        self.requests.destroys_back += u32::from(ended.is_some());
    }

    fn check(&mut self, model: &Model) {
        let shown = match &self.life {
            Lifecycle::Running => Shown::Running,
            Lifecycle::Stopping { .. } | Lifecycle::Stopped { .. } => Shown::Stopped,
            Lifecycle::Draining { .. } => Shown::Draining,
            Lifecycle::Quarantined { .. } => Shown::Quarantined,
            Lifecycle::Destroyed => Shown::Destroyed,
        };
        assert_eq!(shown, model.shown);
        assert_eq!(self.poller.is_some(), model.at_poller);
        // W3: the runtime is here exactly when no poller has it, until it goes with the session.
        let is_here = matches!(self.life.place(), RuntimeHolder::Here(_));
        let is_over = shown == Shown::Destroyed;
        assert_eq!(is_here, !model.at_poller && !is_over);
        assert_eq!(self.life.runtime().is_some(), is_here);
        let returns = model.at_poller && shown != Shown::Running && !is_over;
        assert_eq!(self.life.returning_since().is_some(), returns);
        assert_eq!(self.life.destroy().is_some(), shown == Shown::Draining);
        // No request is lost, and none is answered twice.
        let requests = &self.requests;
        assert_eq!(
            requests.starts_made,
            requests.starts_back + model.waiting_starts
        );
        let waiting = u32::from(shown == Shown::Draining);
        assert_eq!(requests.destroys_made, requests.destroys_back + waiting);
    }
}

/// Plays every sequence of `depth` events. The transitions that it saw: state, event, state.
fn play(depth: usize) -> BTreeSet<(&'static str, String, &'static str)> {
    let mut seen = BTreeSet::new();
    let sequences = EVENTS.len().pow(u32::try_from(depth).unwrap());
    for number in 0..sequences {
        let mut subject = Subject {
            life: Lifecycle::new(Runtime),
            poller: None,
            requests: Requests::default(),
        };
        let mut model = Model {
            shown: Shown::Stopped,
            at_poller: false,
            waiting_starts: 0,
        };
        let mut rest = number;
        for _ in 0..depth {
            let event = EVENTS[rest % EVENTS.len()];
            rest /= EVENTS.len();
            let before = name(&subject.life);
            match event {
                Event::Start => subject.start(&mut model),
                Event::Stop => subject.stop(&mut model),
                Event::HandBack => subject.hand_back(&mut model),
                Event::BeginDestroy => subject.begin_destroy(&mut model),
                Event::WithdrawDestroy => subject.withdraw_destroy(&mut model),
                Event::Quarantine => subject.quarantine(&mut model),
                Event::End => subject.end(&mut model),
            }
            subject.check(&model);
            let after = name(&subject.life);
            if before != after {
                seen.insert((before, format!("{event:?}"), after));
            }
        }
    }
    seen
}

fn name(life: &Lifecycle<Runtime, u32, u32>) -> &'static str {
    match life {
        Lifecycle::Running => "Running",
        Lifecycle::Stopping { .. } => "Stopping",
        Lifecycle::Stopped { .. } => "Stopped",
        Lifecycle::Draining { .. } => "Draining",
        Lifecycle::Quarantined { .. } => "Quarantined",
        Lifecycle::Destroyed => "Destroyed",
    }
}

#[test]
fn lifecycle_every_event_sequence_then_as_the_reference_model() {
    play(DEPTH);
}

#[test]
fn lifecycle_transitions_are_those_of_the_table() {
    let table = TRANSITIONS.iter();
    let table: BTreeSet<_> = table
        .map(|(from, event, to, _)| (*from, (*event).to_owned(), *to))
        .collect();
    // Each state is three events away from the first one at most.
    assert_eq!(play(5), table);
}

#[test]
fn page_of_the_states_is_as_the_table_says() {
    let lines = TRANSITIONS
        .iter()
        .map(|(from, _, to, meaning)| format!("    {from} --> {to}: {meaning}\n"));
    let diagram = format!(
        "```mermaid\nstateDiagram-v2\n    [*] --> Stopped: create\n{}    Destroyed --> [*]\n```\n",
        lines.collect::<String>()
    );
    let page = onair_pages::generated::part("docs/architecture.md", "states", &diagram);
    page.unwrap_or_else(|stale| panic!("{stale}"));
}
