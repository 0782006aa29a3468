//! Breadth-first search over every reachable state of a model, with the shortest path to a fault.

use std::collections::VecDeque;
use std::fmt::{self, Debug, Display};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

/// Most states of one search; beyond it the search panics. At 50 to 70 bytes a state this bounds
/// the memory of the whole test binary, because searches take turns.
const STATE_LIMIT: usize = 4_000_000;

/// Held by the running search, so that the memory bound does not grow with the number of cores.
static TURN: Mutex<()> = Mutex::new(());

/// One atomic step: its thread, and its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The thread that takes the step.
    pub(super) actor: &'static str,
    /// Effect of the step.
    pub(super) action: &'static str,
}

impl Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.actor, self.action)
    }
}

/// A protocol as a transition system.
pub(super) trait Model {
    /// What the search hands to the model.
    type State: Copy + PartialEq;
    /// The same in as few bytes as possible; the search stores this form.
    type Packed: Copy + Eq + Hash;
    /// Faults of a state.
    type Violation: Copy + Debug + PartialEq;

    /// The initial state.
    fn initial(&self) -> Self::State;
    /// Packs a state. Different states have different packings.
    fn pack(&self, state: &Self::State) -> Self::Packed;
    /// The inverse of [`Model::pack`].
    fn unpack(&self, packed: &Self::Packed) -> Self::State;
    /// Adds every possible step in `state`, with its successor.
    fn successors(
        &self,
        state: &Self::State,
        steps: &mut Steps<Self::State>,
    ) -> Result<(), Self::Violation>;
    /// Checks a state that only deaths leave.
    fn quiescent(&self, state: &Self::State) -> Result<(), Self::Violation>;
}

/// The steps out of one state.
#[derive(Debug)]
pub(super) struct Steps<S> {
    next: Vec<(Step, S)>,
    /// Whether one of them is a step of the protocol, not a death.
    progress: bool,
}

impl<S> Steps<S> {
    /// A step of the protocol.
    pub(super) fn push(&mut self, actor: &'static str, action: &'static str, state: S) {
        self.progress = true;
        self.next.push((Step { actor, action }, state));
    }

    /// A death: it may happen, but no thread may rely on it.
    pub(super) fn push_death(&mut self, actor: &'static str, action: &'static str, state: S) {
        self.next.push((Step { actor, action }, state));
    }
}

/// A fault and the shortest path to it.
#[derive(Debug)]
pub(super) struct Fault<V> {
    /// The fault.
    pub(super) violation: V,
    /// The steps from the initial state.
    pub(super) trace: Vec<Step>,
}

impl<V: Debug> Display for Fault<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} after", self.violation)?;
        for step in &self.trace {
            write!(f, "\n  {step}")?;
        }
        Ok(())
    }
}

/// Result of a search.
#[derive(Debug)]
pub(super) struct Outcome<V> {
    /// States visited.
    pub(super) states: usize,
    /// The first fault, if there is one.
    pub(super) fault: Option<Fault<V>>,
}

/// Visits every reachable state, or stops at the first fault.
///
/// # Panics
/// When the model has more than [`STATE_LIMIT`] states, or a packing loses something.
pub(super) fn explore<M: Model>(model: &M) -> Outcome<M::Violation> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut seen: IndexSet<M::Packed, FxBuildHasher> = IndexSet::default();
    // parents[n] is the index of the state from which state n was first reached.
    let mut parents: Vec<u32> = vec![0];
    let mut steps = Steps {
        next: Vec::new(),
        progress: false,
    };
    seen.insert(model.pack(&model.initial()));

    let mut current = 0;
    while let Some(packed) = seen.get_index(current) {
        let state = model.unpack(packed);
        steps.next.clear();
        steps.progress = false;
        let verdict = model.successors(&state, &mut steps).and_then(|()| {
            if steps.progress {
                Ok(())
            } else {
                model.quiescent(&state)
            }
        });
        if let Err(violation) = verdict {
            let trace = trace(model, &seen, &parents, current);
            return Outcome {
                states: seen.len(),
                fault: Some(Fault { violation, trace }),
            };
        }
        for (_, next) in &steps.next {
            let packed = model.pack(next);
            if seen.insert(packed) {
                assert!(
                    model.unpack(&packed) == *next,
                    "the packing loses something of the state after {} steps",
                    trace(model, &seen, &parents, current).len() + 1
                );
                parents.push(u32::try_from(current).expect("STATE_LIMIT is below 2^32"));
            }
        }
        assert!(
            seen.len() <= STATE_LIMIT,
            "more than {STATE_LIMIT} states: shrink the scenario, or raise STATE_LIMIT and the memory it takes"
        );
        current += 1;
    }
    Outcome {
        states: seen.len(),
        fault: None,
    }
}

/// The steps to the state with index `last`: found again rather than remembered for each state.
fn trace<M: Model>(
    model: &M,
    seen: &IndexSet<M::Packed, FxBuildHasher>,
    parents: &[u32],
    last: usize,
) -> Vec<Step> {
    let mut trace = VecDeque::new();
    let mut child = last;
    while child != 0 {
        let parent = parents[child] as usize;
        let mut steps = Steps {
            next: Vec::new(),
            progress: false,
        };
        model
            .successors(&model.unpack(&seen[parent]), &mut steps)
            .unwrap_or_else(|violation| panic!("the search passed a fault: {violation:?}"));
        let (step, _) = steps
            .next
            .iter()
            .find(|(_, next)| model.pack(next) == seen[child])
            .expect("a child is a successor of its parent");
        trace.push_front(*step);
        child = parent;
    }
    trace.into()
}
