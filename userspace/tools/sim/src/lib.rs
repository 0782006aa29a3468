//! Lives of sessions: the real core, the real words and the real callers, in one thread, on a virtual
//! clock. A seed is a life, the same to the byte each time.
//!
//! Callers are coroutines that run `onair-ipc`'s own code: each access to a shared word, each futex
//! and each label is a step, at which another task may run or the caller may die. A state machine
//! that imitates a caller would be faster, but then a fault in the real caller changes nothing: half
//! of the gate's mutants are there. A step without a switch costs a few nanoseconds, so the real
//! code is fast enough.
//!
//! | file or folder | noun |
//! |---|---|
//! | `kernel/` (a crate) | tasks, words with store buffers, futexes, the clock |
//! | `ipc/`, `session/` (crates) | the product's sources on those words |
//! | `plan` | who is there, and what is done to them |
//! | `world` | what is so |
//! | `oracle` | what must be so |
//! | `daemon` | the control thread and the pollers; `runtime`: what a poller has of a session |
//! | `client`, `kernel`, `operator`, `mail` | what surrounds them |
//! | `beside` | cores without callers, beside each life: other addresses |
//! | `life` | one life |
//! | `disk` | lives of the state directory: real archive and store, crashes |
//! | `wire` | lives of a session's packets: real merge and depacketisers, and a stranger |
//! | `engine/` (a crate) | lives of the daemon's actor on a simulated machine |
//! | `hunt` | many lives, and the shortest that fails |
//! | `replay` | the life of a daemon's session, by its trace |

mod beside;
mod client;
mod daemon;
mod disk;
mod hunt;
mod kernel;
#[path = "../../../gate/session/tests/played/ledgers.rs"]
mod ledgers;
mod life;
mod mail;
mod operator;
mod oracle;
mod plan;
mod replay;
mod requests;
mod runtime;
mod sending;
mod wire;
mod world;

pub use self::hunt::{Found, Kind, failed_seeds, hunt, leaked, replay};
pub use self::life::{Report, live};
pub use self::plan::{
    Adversity, ClientPlan, Death, Deed, DeedKind, End, Manners, Plan, SessionPlan, reached,
};
pub use self::replay::replay_trace;
