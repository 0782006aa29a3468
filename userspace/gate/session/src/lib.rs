//! A session, without I/O: which states it has, how it drains, and the evidence for its certificate.
//!
//! One entry: [`SessionCore::handle`] takes an [`Event`] with the [`Facts`] known then, and returns
//! the [`Effect`]s; answers to requests and reports of what happened are effects, too. The core reads
//! and changes the words in shared memory (the gate, the slots, the ledger), and nothing else: it
//! opens no file, makes no system call but the gate's barrier, knows no socket. What
//! must be asked in the middle of an event, of the kernel or of shared words, is asked through a [`View`]:
//! a trace has the answers, and [`replay()`] decides by them again; the poller's half of a session is a [`Runtime`]. The daemon implements both and
//! does what the effects say; the tests play them, with the same words and the same callers under a
//! scheduler of their own.
//!
//! | file or folder | noun |
//! |---|---|
//! | `boundary` | what the core and the daemon say to each other |
//! | `state` | the life of a session, its clients, its other parts, and the turn in which they handle an event |
//! | `lifecycle` | which state may follow which |
//! | `dispatch` | which code handles which event |
//! | `running`, `ending` | stop and start, and the way to the end |
//! | `clients` | how clients come and go |
//! | `groups` | when several sessions end in one step |
//! | `replay` | a traced life, again; `clock`: its times |
//! | `retarget` | a change of addresses; `quarantines`: those that wait for a look at sites |
//! | `witness` | what is seen, and what follows |
//! | [`shutdown`] | when all sessions end together |

mod boundary;
mod clients;
mod clock;
mod dispatch;
mod ending;
mod groups;
mod lifecycle;
mod quarantines;
mod replay;
mod retarget;
mod running;
pub mod shutdown;
mod state;
pub mod witness;

pub use self::boundary::effect::{Effect, Named, PollerCommand, SiteQuestion, ThreadQuestion};
pub use self::boundary::event::{Admission, Destroy, Event, Exit};
pub use self::boundary::facts::{Facts, PollerFact, Timeouts};
pub use self::boundary::note::Note;
pub use self::boundary::retired::{ClientMemory, RetiredMemory};
pub use self::boundary::runtime::{AttachRefusal, Evicted, FlushReport, Runtime};
pub use self::boundary::sites::{SiteFinding, Sites};
pub use self::boundary::ticket::{Answer, EvictionTicket, Ticket};
pub use self::boundary::view::{Moment, View, ViewAnswer, Walk};
pub use self::ending::together::{Examination, Examined, examine_together};
pub use self::groups::{AwaitedTurn, GroupEvent, GroupStep, boundary_from, end_of_group};
pub use self::lifecycle::RuntimeHolder;
pub use self::quarantines::{QuarantineRequest, Quarantines};
pub use self::replay::{Replay, ReplayDifference, replay};
pub use self::retarget::{
    RetargetBusy, RetargetEvent, RetargetStep, Retargeting, RuntimePlace, sources_of_both,
};
pub use self::state::SessionCore;
pub use self::state::clients::Clients;
pub use self::state::clients::attachment::Attachment;
pub use self::state::clients::evicted::EvictedClient;
pub use self::state::life::Life;
pub use self::state::trace::Trace;
pub use boundary::facts::Evidence;
