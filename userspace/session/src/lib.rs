//! A session, without I/O: which states it has, how it drains, and the evidence for its certificate.
//!
//! One entry: [`SessionCore::handle`] takes an [`Event`] and returns the [`Effect`]s. The core reads
//! and changes the words in shared memory (the gate, the slots, the ledger), and nothing else: it
//! opens no file, makes no system call but the gate's barrier, knows no socket. Clock, probe and
//! kernel come through a [`View`]; the poller's half of a session is a [`Runtime`]. The daemon
//! implements both and does what the effects say; the tests play them, with the same words and the
//! same callers under a scheduler of their own.
//!
//! | file or folder | noun |
//! |---|---|
//! | `boundary` | what the core and the daemon say to each other |
//! | `state` | what there is of a session; `lifecycle`: which state may follow which |
//! | `dispatch` | which code handles which event |
//! | `running`, `flushing`, `ending` | stop and start, flushes, and the way to the end |
//! | `clients` | how clients come and go |
//! | `witness` | what is seen, and what follows |
//! | `certificate` | what the certificate says |
//! | [`shutdown`] | when all sessions end together |

mod boundary;
mod certificate;
mod clients;
mod dispatch;
mod ending;
mod flushing;
mod lifecycle;
mod running;
pub mod shutdown;
mod state;
pub mod witness;

pub use self::boundary::effect::{Effect, Named, PollerCommand, SiteQuestion, ThreadQuestion};
pub use self::boundary::event::{Admission, Destroy, Event, Exit};
pub use self::boundary::evidence::Evidence;
pub use self::boundary::reply::{Awaited, EvictionAnswer, Reply};
pub use self::boundary::retired::RetiredMemory;
pub use self::boundary::runtime::{AttachRefusal, Evicted, FlushReport, Runtime};
pub use self::boundary::sites::{SiteFinding, Sites};
pub use self::boundary::view::{Moment, Timeouts, View, Walk};
pub use self::ending::together::{Examination, Examined, examine_together};
pub use self::lifecycle::Place;
pub use self::state::SessionCore;
pub use self::state::clients::attachment::Attachment;
pub use self::state::clients::evicted::EvictedClient;
