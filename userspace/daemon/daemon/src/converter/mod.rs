//! The processes that make the frames of converted sessions, `onair-convert`: when they run, and their tasks.
//!
//! The engine says which converted session has which source ([`Conversions`]). Each has a process ([`process`]), because
//! the probe tells attachments of one process to one session not apart. The process gets two connections of the attach
//! protocol ([`links`]): the daemon knows which session each is for, so the process needs no right and no name. Whatever
//! it does, it is a client: its eviction, its death and its memory are those of any client. It is killed if it is evicted
//! or does not answer, and started again.

mod links;
mod process;

use std::collections::BTreeMap;
use std::mem;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use onair_ipc::message::Attach;
use onair_settings::access::peer::Peer;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_seqpacket::UnixSeqpacket;

pub use self::links::ConverterTask;
use self::links::Shared;
pub(crate) use self::process::check_program;

/// Connections that wait for the listener.
const MADE: usize = 16;

/// Converted sessions, each with its source.
type Wanted = BTreeMap<u64, u64>;
/// Converted sessions, each with the reason why it is not converted.
type Faults = BTreeMap<u64, String>;

/// The processes that convert, each with its converted session, and whether it was evicted and is to end.
type Converters = BTreeMap<u32, (u64, bool)>;

/// Conversions that the engine wants, and why they do not run.
#[derive(Debug)]
pub struct Conversions {
    wanted: watch::Sender<Wanted>,
    faults: watch::Receiver<Faults>,
    converters: watch::Sender<Converters>,
}

impl Conversions {
    /// None yet. The task makes them once it runs; the listener serves the connections. The processes keep off the
    /// pollers' `cores`.
    #[must_use]
    pub fn new(
        cores: Vec<usize>,
    ) -> (
        Self,
        ConverterTask,
        mpsc::Receiver<(UnixSeqpacket, BridgeConnection)>,
    ) {
        let (wanted, wish) = watch::channel(Wanted::new());
        let (faults, noted) = watch::channel(Faults::new());
        let (converters, _) = watch::channel(Converters::new());
        let (made, connections) = mpsc::channel(MADE);
        let task = ConverterTask {
            wanted: wish,
            shared: Shared {
                faults,
                converters: converters.clone(),
                made,
                cores,
            },
        };
        let own = Self {
            wanted,
            faults: noted,
            converters,
        };
        (own, task, connections)
    }

    /// These are to be converted from now on.
    pub fn convert(&self, wanted: Wanted) {
        self.wanted.send_if_modified(|now| {
            let is_other = *now != wanted;
            *now = wanted;
            is_other
        });
    }

    /// This process was evicted: if it runs, it is killed, and started again.
    pub fn end(&self, pid: u32) {
        let is_new = |(_, evicted): &mut (u64, bool)| !mem::replace(evicted, true);
        let converters = &self.converters;
        converters.send_if_modified(|all| all.get_mut(&pid).is_some_and(is_new));
    }

    /// Why a session is not converted, as far as it is known.
    pub fn fault(&self, session: u64) -> Option<String> {
        self.faults.borrow().get(&session).cloned()
    }
}

/// A connection that the daemon made for its converter, with the process at the other end.
#[derive(Debug)]
pub struct BridgeConnection {
    /// The process.
    pub peer: Peer,
    /// Its pidfd.
    pub pidfd: OwnedFd,
    /// Its purpose.
    pub end: BridgeEnd,
}

/// The one attachment that a connection of the converter may make.
#[derive(Debug)]
pub struct BridgeEnd {
    session: u64,
    fills: bool,
    /// Dropped with the connection.
    _serves: Arc<oneshot::Sender<()>>,
}

impl BridgeEnd {
    /// The request that counts, whatever the process asks for.
    pub(crate) fn attach(&self) -> Attach {
        Attach {
            session: onair_api::SessionId(self.session).to_string(),
            layout: None,
            after: None,
            fills: self.fills,
            // A converter that is behind is slow to none.
            samples: !self.fills,
        }
    }
}
