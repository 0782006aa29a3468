//! The maps, shared by every thread that holds the handle.
//!
//! aya needs `&mut` for writes although the kernel does not: a mutex guards the written maps. No
//! code holds it over more than one system call.

use std::os::fd::AsFd as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aya::Ebpf;
use aya::maps::{Array, HashMap, IterableMap as _, Map, MapData, MapError};
use onair_ebpf::layout::{
    ATTACHMENT_KEY_SIZE, ATTACHMENT_SIZE, Attachment, AttachmentKey, CANARY_SIZE, CLIENT_SIZE,
    Canary, Client, Stat, WAITER_SIZE, Waiter,
};
use onair_ebpf::names;
use onair_ipc::sys::bpf::Entries;

use crate::config::ProbeConfig;
use crate::error::ProbeError;

type Waiters = Entries<WAITER_SIZE>;
type Attachments = HashMap<MapData, [u8; ATTACHMENT_KEY_SIZE], [u8; ATTACHMENT_SIZE]>;
type Clients = HashMap<MapData, u32, [u8; CLIENT_SIZE]>;
type Canaries = HashMap<MapData, u64, [u8; CANARY_SIZE]>;

/// `BPF_ANY`: insert or replace.
const ANY: u64 = 0;

/// Typed access to the object's maps.
pub(crate) struct Maps {
    waiters: Waiters,
    max_attachments: u32,
    attachments: Mutex<Attachments>,
    clients: Mutex<Clients>,
    canaries: Mutex<Canaries>,
    blocked: Array<MapData, u64>,
    stats: Array<MapData, u64>,
}

impl Maps {
    /// Takes the maps out of a loaded object.
    pub(crate) fn take(ebpf: &mut Ebpf, config: &ProbeConfig) -> Result<Self, ProbeError> {
        fn one<M: TryFrom<Map, Error = MapError>>(
            ebpf: &mut Ebpf,
            name: &'static str,
        ) -> Result<M, ProbeError> {
            let map = ebpf.take_map(name).ok_or(ProbeError::Object { name })?;
            map.try_into().map_err(ProbeError::map(name))
        }
        let waiters: HashMap<MapData, u64, [u8; WAITER_SIZE]> = one(ebpf, names::WAITERS)?;
        Ok(Self {
            waiters: Entries::of(waiters.map().fd().as_fd())
                .map_err(|error| ProbeError::map(names::WAITERS)(error.into()))?,
            max_attachments: config.max_attachments,
            attachments: Mutex::new(one(ebpf, names::ATTACHMENTS)?),
            clients: Mutex::new(one(ebpf, names::CLIENTS)?),
            canaries: Mutex::new(one(ebpf, names::CANARIES)?),
            blocked: one(ebpf, names::BLOCKED)?,
            stats: one(ebpf, names::STATS)?,
        })
    }

    /// Entries of the maps `attachments` and `clients`.
    pub(crate) fn max_attachments(&self) -> u32 {
        self.max_attachments
    }

    /// Every waiter of these sessions that existed during the whole walk, each once, in the order of their threads.
    pub(crate) fn waiters(&self, sessions: &[u64]) -> Result<Vec<Waiter>, MapError> {
        let mut wanted = sessions.to_vec();
        wanted.sort_unstable();
        let mut waiters = Vec::new();
        self.waiters.read(|_, value| {
            let waiter = Waiter::from_bytes(value);
            // There may be thousands of others.
            if wanted.binary_search(&waiter.session).is_ok() {
                waiters.push(waiter);
            }
        })?;
        waiters.sort_unstable_by_key(|it| (it.tgid, it.tid));
        Ok(waiters)
    }

    /// Number of blocked threads, over all sessions.
    pub(crate) fn waiter_count(&self) -> Result<usize, MapError> {
        let mut count = 0;
        self.waiters.read(|_, _| count += 1)?;
        Ok(count)
    }

    /// The programs' own count for an index.
    pub(crate) fn blocked(&self, index: u32) -> Result<u64, MapError> {
        self.blocked.get(&index, 0)
    }

    /// A counter of the programs.
    pub(crate) fn stat(&self, stat: Stat) -> Result<u64, MapError> {
        self.stats.get(&stat.index(), 0)
    }

    /// Starts the counting of a process for a session.
    pub(crate) fn set_attachment(
        &self,
        key: &AttachmentKey,
        value: &Attachment,
    ) -> Result<(), MapError> {
        locked(&self.attachments).insert(key.to_bytes(), value.to_bytes(), ANY)
    }

    /// The entry of a process and a session.
    pub(crate) fn attachment(&self, key: &AttachmentKey) -> Result<Option<Attachment>, MapError> {
        let bytes = present(locked(&self.attachments).get(&key.to_bytes(), 0))?;
        Ok(bytes.map(|bytes| Attachment::from_bytes(&bytes)))
    }

    /// Ends the counting of a process for a session.
    pub(crate) fn remove_attachment(&self, key: &AttachmentKey) -> Result<(), MapError> {
        gone(locked(&self.attachments).remove(&key.to_bytes()))
    }

    /// Enables events for thread exits and execs of a process.
    pub(crate) fn set_client(&self, tgid: u32, client: Client) -> Result<(), MapError> {
        locked(&self.clients).insert(tgid, client.to_bytes(), ANY)
    }

    /// Disables them.
    pub(crate) fn remove_client(&self, tgid: u32) -> Result<(), MapError> {
        gone(locked(&self.clients).remove(&tgid))
    }

    /// Arms a token.
    pub(crate) fn arm_canary(&self, token: u64) -> Result<(), MapError> {
        locked(&self.canaries).insert(token, Canary::default().to_bytes(), ANY)
    }

    /// The proof behind a token.
    pub(crate) fn canary(&self, token: u64) -> Result<Option<Canary>, MapError> {
        let bytes = present(locked(&self.canaries).get(&token, 0))?;
        Ok(bytes.map(|bytes| Canary::from_bytes(&bytes)))
    }

    /// Disarms a token.
    pub(crate) fn remove_canary(&self, token: u64) -> Result<(), MapError> {
        gone(locked(&self.canaries).remove(&token))
    }
}

/// A panic elsewhere cannot leave a descriptor half-written.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn present<T>(result: Result<T, MapError>) -> Result<Option<T>, MapError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(MapError::KeyNotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn gone(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(MapError::SyscallError(error))
            if error.io_error.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(())
        }
        result => result,
    }
}

/// Whether an insert failed because the map is full.
pub(crate) fn is_full(error: &MapError) -> bool {
    match error {
        MapError::SyscallError(error) => {
            error.io_error.raw_os_error() == Some(rustix::io::Errno::TOOBIG.raw_os_error())
        }
        _ => false,
    }
}
