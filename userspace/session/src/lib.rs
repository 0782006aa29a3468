//! A session, without I/O: which states it has, how it drains, and the evidence for its certificate.
//!
//! One entry: [`SessionCore::handle`] takes an [`Event`] and returns the [`Effect`]s. The core reads
//! and changes the words in shared memory (the gate, the slots, the ledger), and nothing else: it
//! opens no file, makes no system call but the gate's barrier, knows no socket. Clock, probe and
//! kernel come through a [`View`]; the poller's half of a session is a [`Runtime`]. The daemon
//! implements both and does what the effects say; the tests play them, with the same words and the
//! same callers under a scheduler of their own.
//!
//! | file | noun |
//! |---|---|
//! | `session_core`, `event`, `effect`, `view`, `runtime` | the core and its two sides |
//! | `lifecycle` | the states, and which may follow which |
//! | `running`, `runs`, `drain`, `together`, `rescan`, `quarantine` | stop and start, and the way to the end |
//! | `clients`, `admission`, `leaving`, `evicting`, `dead_threads` | how clients come and go |
//! | `witness`, `sites`, `verdicts` | what is seen, and what follows |
//! | `audit`, `evidence`, `retired` | what the certificate says, and the memory that it frees |

mod admission;
pub mod attachment;
mod audit;
mod clients;
mod dead_threads;
mod drain;
mod effect;
mod event;
mod evicting;
mod evidence;
mod flushing;
mod leaving;
mod lifecycle;
mod quarantine;
mod readings;
mod reply;
mod rescan;
mod retired;
mod running;
mod runs;
mod runtime;
mod session_core;
mod sites;
mod together;
mod verdicts;
mod view;
mod warnings;
pub mod witness;

pub use self::attachment::{Attachment, Exit};
pub use self::effect::{Effect, Named, Order, SiteQuestion, ThreadQuestion};
pub use self::event::{Admission, Destroy, Event};
pub use self::evicting::{Answer, EvictedClient};
pub use self::evidence::Evidence;
pub use self::lifecycle::Place;
pub use self::reply::{Awaited, Reply};
pub use self::retired::RetiredMemory;
pub use self::runtime::{AttachRefusal, Evicted, FlushReport, Runtime};
pub use self::session_core::SessionCore;
pub use self::sites::{SiteFinding, Sites};
pub use self::together::{Examination, Examined, examine_together};
pub use self::view::{Moment, Timeouts, View, Walk};
