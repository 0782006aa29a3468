//! A session of this process, with what C holds of it: buffers, the descriptor for events, the last blockers.

use std::ffi::c_int;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use onair::{AnySession, Blocker, Contents, Error, EventFd};

use crate::border::{Fault, invalid};
use crate::table::Table;

/// A buffer of a session of any essence.
pub(crate) type OwnedBuffer = onair::OwnedBuffer<Contents>;

/// A handle, as in `onair.h`.
#[expect(non_camel_case_types, reason = "as in onair.h")]
pub(crate) type onair_session = u64;

static SESSIONS: Table<Attached> = Table::new();
/// No number.
const NONE: c_int = -1;

/// The errno of a handle, as a fault.
fn unknown(errno: c_int) -> Fault {
    match errno {
        libc::ESTALE => Fault::Use(errno, "the session was detached or destroyed"),
        _ => Fault::Use(errno, "no call of this library returned this session"),
    }
}

/// A session, and what C holds of it.
pub(crate) struct Attached {
    loans: Mutex<Vec<Loan>>,
    pub(crate) ready: OnceLock<EventDescriptor>,
    pub(crate) blockers: Mutex<Vec<Blocker>>,
    pub(crate) session: Arc<AnySession>,
    /// A forked child must not wait for a lock that a thread of its parent held.
    process: u32,
    /// The application has ended it: the handle closes with the last buffer.
    has_ended: AtomicBool,
}

/// A place for a buffer.
struct Loan {
    /// Number of the buffer that is or was here last.
    serial: u32,
    place: BufferState,
}

enum BufferState {
    Free,
    Held(OwnedBuffer),
    /// A call works on the buffer that is held here.
    AtWork,
}

impl BufferState {
    /// Why no buffer is taken from here.
    fn fault(&self) -> Fault {
        match self {
            Self::AtWork => invalid("another thread is in a call with the buffer"),
            Self::Free | Self::Held(_) => Fault::Library(Error::AlreadyPut),
        }
    }
}

impl Loan {
    /// Takes the buffer, and leaves `then` in its place.
    fn take(&mut self, then: BufferState) -> Result<OwnedBuffer, Fault> {
        match std::mem::replace(&mut self.place, then) {
            BufferState::Held(buffer) => Ok(buffer),
            other => {
                let fault = other.fault();
                self.place = other;
                Err(fault)
            }
        }
    }

    fn is_free(&self) -> bool {
        matches!(self.place, BufferState::Free)
    }
}

impl Attached {
    /// A handle of a new session.
    pub(crate) fn insert(session: AnySession) -> Result<u64, Fault> {
        let attached = Self {
            loans: Mutex::default(),
            ready: OnceLock::new(),
            blockers: Mutex::default(),
            session: Arc::new(session),
            process: std::process::id(),
            has_ended: AtomicBool::new(false),
        };
        let full = Fault::Use(libc::EMFILE, "this process has too many sessions");
        SESSIONS.insert(Arc::new(attached)).ok_or(full)
    }

    pub(crate) fn of(handle: u64) -> Result<Arc<Self>, Fault> {
        SESSIONS.get(handle).map_err(unknown)
    }

    /// Runs `body` with a session. Async-signal-safe if `body` is.
    pub(crate) fn with(handle: u64, body: impl FnOnce(&AnySession) -> c_int) -> c_int {
        let result = SESSIONS.with(handle, |attached| body(&attached.session));
        result.unwrap_or_else(|errno| -errno)
    }

    /// After the application has ended the session: the handle is closed, or is when the last buffer is put.
    pub(crate) fn end(&self, handle: u64) {
        self.has_ended.store(true, Ordering::SeqCst);
        if self.process != std::process::id() || locked(&self.loans).iter().all(Loan::is_free) {
            SESSIONS.close(handle);
        }
    }

    /// Keeps a buffer of this session until it is put; the number under which. A session that has just ended, by another
    /// thread, keeps none.
    pub(crate) fn keep(&self, buffer: OwnedBuffer) -> Result<u64, Fault> {
        let mut loans = locked(&self.loans);
        if self.has_ended.load(Ordering::SeqCst) {
            return Err(Fault::Library(Error::Stale));
        }
        let index = loans.iter().position(Loan::is_free);
        let index = index.unwrap_or_else(|| {
            loans.push(Loan {
                serial: 0,
                place: BufferState::Free,
            });
            loans.len() - 1
        });
        let loan = &mut loans[index];
        loan.serial = loan.serial.wrapping_add(1);
        loan.place = BufferState::Held(buffer);
        Ok(u64::from(loan.serial) << 32 | index as u64)
    }

    /// Ends a loan with `put`.
    pub(crate) fn give_back(
        &self,
        handle: u64,
        number: u64,
        put: impl FnOnce(OwnedBuffer) -> Result<(), Error>,
    ) -> Result<(), Fault> {
        let buffer = {
            let mut loans = self.loans()?;
            find(&mut loans, number)?.take(BufferState::Free)?
        };
        let result = put(buffer);
        if self.has_ended.load(Ordering::SeqCst) {
            self.end(handle);
        }
        Ok(result?)
    }

    /// Works on a buffer that is on loan, without the lock, so that calls with other buffers do not wait.
    pub(crate) fn with_buffer<R>(
        &self,
        number: u64,
        work: impl FnOnce(OwnedBuffer) -> (OwnedBuffer, R),
    ) -> Result<R, Fault> {
        let buffer = find(&mut self.loans()?, number)?.take(BufferState::AtWork)?;
        let (buffer, result) = work(buffer);
        find(&mut self.loans()?, number)?.place = BufferState::Held(buffer);
        Ok(result)
    }

    /// Looks at a buffer that is on loan.
    pub(crate) fn look<R>(
        &self,
        number: u64,
        look: impl FnOnce(&OwnedBuffer) -> R,
    ) -> Result<R, Fault> {
        let mut loans = self.loans()?;
        match &find(&mut loans, number)?.place {
            BufferState::Held(buffer) => Ok(look(buffer)),
            other => Err(other.fault()),
        }
    }

    fn loans(&self) -> Result<MutexGuard<'_, Vec<Loan>>, Fault> {
        match self.process == std::process::id() {
            true => Ok(locked(&self.loans)),
            false => Err(Fault::Library(Error::Stale)),
        }
    }
}

fn find(loans: &mut [Loan], number: u64) -> Result<&mut Loan, Fault> {
    let index = usize::try_from(number & u64::from(u32::MAX)).expect("32 bits");
    let serial = u32::try_from(number >> 32).expect("32 bits");
    let loan = loans
        .get_mut(index)
        .filter(|it| serial != 0 && serial <= it.serial);
    let loan = loan.ok_or(invalid("this session did not loan the buffer"))?;
    match loan.serial == serial {
        true => Ok(loan),
        false => Err(Fault::Library(Error::AlreadyPut)),
    }
}

/// No code panics while it holds one of these locks; after a panic the guarded state would still be valid.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The library's own descriptor, and a number of it for the program. If the program closes that number, and it is
/// another file's then, the library touches no other file.
pub(crate) struct EventDescriptor {
    own: EventFd,
    given: AtomicI32,
}

impl EventDescriptor {
    pub(crate) fn new(own: EventFd) -> Self {
        Self {
            own,
            given: AtomicI32::new(NONE),
        }
    }

    /// The program's number; another one if the program has closed the last.
    pub(crate) fn number(&self) -> Result<c_int, Error> {
        let before = self.given.load(Ordering::Relaxed);
        if self.own.is_at(before) {
            return Ok(before);
        }
        if !self.own.is_open() {
            // With all descriptors the program has closed the connection, too.
            return Err(Error::Disconnected);
        }
        let new = self.own.as_fd().try_clone_to_owned();
        let new = new.map_err(|source| Error::System {
            what: "duplicate the event descriptor",
            source,
        })?;
        let given = self.given.compare_exchange(
            before,
            new.as_raw_fd(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        // Of two threads that ask at once, one drops its own.
        Ok(given.map_or_else(|theirs| theirs, |_| new.into_raw_fd()))
    }

    /// Makes it unreadable, unless a call would have a result.
    pub(crate) fn clear(&self) {
        self.own.clear();
    }
}

impl Drop for EventDescriptor {
    fn drop(&mut self) {
        let given = *self.given.get_mut();
        if self.own.is_at(given) {
            // SAFETY: it is a number of this socket, which only this library duplicates.
            drop(unsafe { OwnedFd::from_raw_fd(given) });
        }
    }
}
