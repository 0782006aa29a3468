//! The contract between the daemon and its clients: words in shared memory, the gate that stops and
//! counts callers, the ledger of loaned frames, and the messages on `attach.sock`.
//!
//! This crate is about two processes that share memory and do not trust each other. The daemon's
//! side ([`memory`], [`lender`], [`frames`], [`life`]) treats each word that a client can write as
//! hostile. The client's side ([`caller`]) only trusts pages that it cannot write. Not in this
//! crate: sessions, policies, media formats, DPDK.
//!
//! `docs/gate.md` describes the protocol, its invariants and the tests of them.

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the counting of callers rests on x86-64's store order (docs/gate.md)");

mod daemon;
pub mod label;
pub mod pins;
mod segment;
pub mod sync;
mod words;

#[cfg(simulated)]
pub use onair_sim_kernel as scheduled;

#[cfg(not(feature = "loom"))]
pub mod caller;
#[cfg(not(feature = "loom"))]
pub mod event;
#[cfg(not(feature = "loom"))]
pub mod membarrier;
#[cfg(not(feature = "loom"))]
pub mod message;
#[cfg(not(feature = "loom"))]
pub mod site;
#[cfg(not(feature = "loom"))]
pub mod sys;

#[cfg(all(test, not(feature = "loom")))]
mod model;

#[cfg(not(any(feature = "loom", simulated)))]
pub use self::daemon::guardian;
#[cfg(not(feature = "loom"))]
pub use self::daemon::{described, frames, freshness, lender, life, memory};
#[cfg(not(feature = "loom"))]
use self::segment::copy;
#[cfg(not(feature = "loom"))]
pub use self::segment::{layout, mapping, memfd, meta, pinned_pages};
#[cfg(not(feature = "loom"))]
pub use self::words::fence;
pub use self::words::{event_count, frame_word, gate, kick, progress, sending, slot};
