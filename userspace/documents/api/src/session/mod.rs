//! Documents about a session: its state, its traffic, its users. What a session is asked to be is in
//! [`crate::spec`].

mod blocker;
mod counters;
mod group;
mod legs;
mod listed;
mod problem;
mod signal;
mod verdict;
mod view;

pub use blocker::{Blocker, BlockerKind, BlockerList, HeldFrame, WaitsIn};
pub use blocker::{Eviction, EvictionCause, EvictionList};
pub use counters::{CounterMetric, SessionCounter, SessionCounters};
pub use group::{GroupMembership, JoinedBy, Querier};
pub use legs::{LegState, Legs};
pub use listed::{ListedSession, SessionList};
pub use problem::{PeerState, SessionProblem, SessionProblemKind};
pub use signal::{Arriving, Signal, SignalState};
pub use verdict::{Reading, Says, Verdict, Witness, WordOf};
pub use view::{
    AttachmentState, AttachmentView, MissedUnits, NextFlow, RecentTraffic, SessionState,
    SessionView,
};
