//! Breadth-first search over every reachable state of a model, with the shortest path to a fault.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

/// Most states of one search; beyond it the search panics. At about 150 bytes a state this bounds
/// the memory of the whole test binary, because searches take turns.
const STATE_LIMIT: usize = 4_000_000;

/// Held by the running search, so that the memory bound does not grow with the number of cores.
static TURN: Mutex<()> = Mutex::new(());

/// A protocol as a transition system.
pub(super) trait Model {
    /// A state: a plain value.
    type State: Copy + Eq + Hash;
    /// Faults of a state.
    type Violation: Copy + Debug + PartialEq;

    /// The initial state.
    fn initial(&self) -> Self::State;
    /// Adds every possible step in `state`, with its successor.
    fn successors(
        &self,
        state: &Self::State,
        steps: &mut Steps<Self::State>,
    ) -> Result<(), Self::Violation>;
    /// Checks a state that only deaths leave.
    fn quiescent(&self, state: &Self::State) -> Result<(), Self::Violation>;
}

/// One atomic step: its thread, and its effect.
type Step = (&'static str, &'static str);

/// The steps out of one state.
#[derive(Debug)]
pub(super) struct Steps<S> {
    next: Vec<(Step, S)>,
    /// Whether one of them is a step of the protocol, not a death.
    progress: bool,
}

impl<S> Steps<S> {
    fn new() -> Self {
        Self {
            next: Vec::new(),
            progress: false,
        }
    }

    /// A step of the protocol.
    pub(super) fn push(&mut self, actor: &'static str, action: &'static str, state: S) {
        self.progress = true;
        self.next.push(((actor, action), state));
    }

    /// A death: it may happen, but no thread may rely on it.
    pub(super) fn push_death(&mut self, action: &'static str, state: S) {
        self.next.push((("kernel", action), state));
    }
}

/// The reachable states, and the first fault among them.
struct Search<M: Model> {
    seen: IndexSet<M::State, FxBuildHasher>,
    /// `parents[n]` is the index of the state from which state `n` was first reached.
    parents: Vec<u32>,
    /// With the index of its state.
    fault: Option<(M::Violation, usize)>,
}

impl<M: Model> Search<M> {
    /// Visits every reachable state, or stops at the first fault.
    fn run(model: &M) -> Self {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut search = Self {
            seen: IndexSet::default(),
            parents: vec![0],
            fault: None,
        };
        search.seen.insert(model.initial());
        let mut steps = Steps::new();
        let mut current = 0;
        while let Some(&state) = search.seen.get_index(current) {
            steps.next.clear();
            steps.progress = false;
            let mut checked = model.successors(&state, &mut steps);
            if checked.is_ok() && !steps.progress {
                checked = model.quiescent(&state);
            }
            if let Err(violation) = checked {
                search.fault = Some((violation, current));
                return search;
            }
            for &(_, next) in &steps.next {
                if search.seen.insert(next) {
                    let parent = u32::try_from(current).expect("STATE_LIMIT is below 2^32");
                    search.parents.push(parent);
                }
            }
            assert!(
                search.seen.len() <= STATE_LIMIT,
                "more than {STATE_LIMIT} states: shrink the scenario, or raise STATE_LIMIT and the memory it takes"
            );
            current += 1;
        }
        search
    }

    /// The steps to a state: found again rather than remembered for each state.
    fn trace(&self, model: &M, mut child: usize) -> String {
        let mut lines = Vec::new();
        while child != 0 {
            let parent = self.parents[child] as usize;
            let mut steps = Steps::new();
            let passed = model.successors(&self.seen[parent], &mut steps);
            assert!(passed.is_ok(), "the search passed a fault");
            let is_step = |(_, next): &&(Step, M::State)| *next == self.seen[child];
            let found = steps.next.iter().find(is_step);
            let ((actor, action), _) = found.expect("a child is a successor of its parent");
            lines.push(format!("\n  {actor}: {action}"));
            child = parent;
        }
        lines.into_iter().rev().collect()
    }
}

/// The model has no fault in any state.
pub(super) fn passes(model: &impl Model) {
    let search = Search::run(model);
    eprintln!("{} states", search.seen.len());
    if let Some((violation, at)) = search.fault {
        panic!("{violation:?} after{}", search.trace(model, at));
    }
}

/// The search finds `expected` first.
pub(super) fn is_caught<M: Model>(model: &M, expected: M::Violation) {
    let search = Search::run(model);
    eprintln!("{} states", search.seen.len());
    let (violation, at) = search.fault.expect("the mutant is a bug");
    assert_eq!(violation, expected, "after{}", search.trace(model, at));
}
