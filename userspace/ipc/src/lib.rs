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

pub mod event_count;
pub mod frame_word;
pub mod gate;
pub mod kick;
pub mod label;
pub mod pins;
pub mod slot;
pub mod sync;

#[cfg(shuttle)]
pub mod scheduled;

#[cfg(not(loom))]
pub mod caller;
#[cfg(not(loom))]
mod copy;
#[cfg(not(loom))]
pub mod event;
#[cfg(not(loom))]
pub mod fence;
#[cfg(not(loom))]
pub mod frames;
#[cfg(not(any(loom, shuttle)))]
pub mod guardian;
#[cfg(not(loom))]
pub mod layout;
#[cfg(not(loom))]
pub mod lender;
#[cfg(not(loom))]
pub mod life;
#[cfg(not(loom))]
pub mod mapping;
#[cfg(not(loom))]
pub mod memfd;
#[cfg(not(loom))]
pub mod memory;
#[cfg(not(loom))]
pub mod message;
#[cfg(not(loom))]
pub mod meta;
#[cfg(not(loom))]
pub mod pinned_pages;
#[cfg(not(loom))]
pub mod site;
#[cfg(not(loom))]
pub mod sys;

#[cfg(all(test, not(loom)))]
mod model;
