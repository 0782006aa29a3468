//! A descriptor for `epoll`, signalled by a small thread of the library.
//!
//! The daemon shares no such descriptor with a client, because the client could change its flags. A thread that sleeps
//! on its own event count writes to its end of a pair of sockets; the program has the other end. The thread exists only
//! if the application asked for a descriptor, and is not a user of the session.
//!
//! The thread has a table of descriptors of its own: whatever the program closes and opens, the thread writes to nothing
//! of the program's, also when both happen at once. The program's end is read only in a call of the program, after a
//! look whether the number is still its own.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use onair_mutant::mutant;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, recv, send, shutdown,
    socketpair,
};

use super::{Attachment, wait};
use crate::sys::{CheckedFd, OwnTable, Waited};
use crate::{label, sys};

/// The descriptor and its thread; both end when it is dropped.
#[derive(Debug)]
pub struct Watch {
    ready: CheckedFd,
    ends: Arc<AtomicBool>,
    attachment: Arc<Attachment>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(attachment: &Arc<Attachment>) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ready, far) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let (ready, far) = (CheckedFd::new(ready), Arc::new(CheckedFd::new(far)));
        // For the first look.
        set(&far);
        let ends = Arc::new(AtomicBool::new(false));
        // Counted as a listener before the descriptor exists, so that no notification is missed.
        let event_count = attachment.words.watch_ready();
        event_count.join();
        label!("watch.joined");
        let heard = event_count.listen();
        let (tell, told) = sync_channel(1);
        let watched = (far.clone(), ends.clone(), attachment.clone());
        let thread = std::thread::Builder::new()
            .name("onair-watch".into())
            .spawn(move || {
                let (far, ends, attachment) = watched;
                if let Some(far) = FarEnd::new(far, &attachment, |taken| drop(tell.send(taken))) {
                    watch(&attachment, &far, &ends, heard);
                }
                attachment.words.watch_ready().part();
            });
        let thread = thread.inspect_err(|_| event_count.part())?;
        let is_apart = told.recv().map_err(|_| io::Error::from(Errno::NOMEM))??;
        if is_apart {
            // The thread's table has it.
            far.close_here();
        }
        Ok(Self {
            ready,
            ends,
            attachment: attachment.clone(),
            thread: Some(thread),
        })
    }

    /// Makes the descriptor unreadable until something new happens. Call it before you check
    /// (`buffer_get` with a time-out of 0), never after.
    pub fn clear(&self) {
        let is_due = || self.attachment.has_something() || self.attachment.is_gone();
        // It is readable, or will be when the thread has run.
        if is_due() || !self.is_own() {
            return;
        }
        let mut bytes = [0; 512];
        while recv(&self.ready, &mut bytes, RecvFlags::DONTWAIT).is_ok_and(|it| it.1 == bytes.len())
        {
        }
        if is_due() {
            self.attachment.words.ring_watch();
        }
    }

    /// Whether the descriptor is still its own. The program may have closed it.
    pub fn is_own(&self) -> bool {
        self.ready.is_own()
    }

    /// Whether the number `other` of this process is a duplicate of the descriptor.
    pub fn is_at(&self, other: RawFd) -> bool {
        self.ready.is_at(other)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.attachment.is_inherited() && !mutant!("fork: a child joins its parent's thread") {
            // The thread is the parent's. Joining or detaching it is an error here.
            std::mem::forget(self.thread.take());
            return;
        }
        self.ends.store(true, Ordering::SeqCst);
        self.attachment.words.ring_watch();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Makes the other end readable.
fn set(end: &CheckedFd) {
    if end.is_own() {
        // A full one is readable.
        let _ = send(end, &[1], SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    }
}

/// The thread's end of the pair, and what it sees of the daemon.
struct FarEnd {
    end: Arc<CheckedFd>,
    /// Readable when the daemon has closed the connection. It keeps no connection open that the program has closed.
    /// `None`: a seccomp filter denies the thread a table of its own.
    /// It goes with the table: a close by libc would be one of the program's file for a thread sanitizer.
    hang_up: Option<ManuallyDrop<OwnedFd>>,
}

impl FarEnd {
    /// Takes the end into a table of the calling thread. Tells whether it has one, before it closes what else is in it:
    /// that may wait for a file system.
    fn new(
        end: Arc<CheckedFd>,
        attachment: &Attachment,
        tell: impl FnOnce(io::Result<bool>),
    ) -> Option<Self> {
        let Ok(table) = OwnTable::copy() else {
            tell(Ok(false));
            return Some(Self { end, hang_up: None });
        };
        // From here on it stays what it is.
        let hang_up = match end.is_own() {
            true => hang_up_of(attachment),
            false => Err(Errno::BADF.into()),
        };
        match hang_up {
            Ok(hang_up) => {
                tell(Ok(true));
                table.keep([end.as_fd(), hang_up.as_fd()]);
                let hang_up = Some(ManuallyDrop::new(hang_up));
                Some(Self { end, hang_up })
            }
            Err(error) => {
                tell(Err(error));
                None
            }
        }
    }

    /// Makes the program's end readable for ever.
    fn set_for_ever(&self) {
        if self.end.is_own() {
            let _ = shutdown(&*self.end, Shutdown::Write);
        }
    }

    /// Checks whether the daemon still has its end of the connection.
    fn look(&self, attachment: &Attachment) {
        let Some(hang_up) = &self.hang_up else {
            return attachment.connection.look();
        };
        let mut asked = [PollFd::new(&**hang_up, PollFlags::IN)];
        if poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
            attachment.connection.note_hang_up();
        }
    }
}

fn hang_up_of(attachment: &Attachment) -> io::Result<OwnedFd> {
    let hang_up = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    if attachment.has_connection() {
        let (data, flags) = (epoll::EventData::new_u64(0), epoll::EventFlags::RDHUP);
        epoll::add(&hang_up, attachment.as_fd(), data, flags)?;
    }
    Ok(hang_up)
}

fn watch(attachment: &Attachment, far: &FarEnd, ends: &AtomicBool, mut last: u32) {
    let event_count = attachment.words.watch_ready();
    let mut passing = wait::Passing::since(last);
    while !ends.load(Ordering::SeqCst) {
        if attachment.left.load(Ordering::SeqCst) {
            // The words are no longer shared: no process notifies them again.
            far.set_for_ever();
            break;
        }
        let words = [
            (event_count.word(), last),
            (attachment.words.life(), attachment.life_value),
        ];
        let waited = wait::sleep_only(words, u64::MAX);
        if waited != Waited::Moved {
            far.look(attachment);
        }
        label!("watch.slept");
        let heard = event_count.listen();
        let lost = attachment.is_daemon_lost();
        if heard != last && !lost {
            last = heard;
            set(&far.end);
        }
        // There may be several descriptors.
        let passes_on = passing.passes_on(heard, waited != Waited::Expired);
        if passes_on && event_count.waiters() > 1 {
            sys::futex_wake(event_count.word(), sys::ALL);
        }
        if lost {
            far.set_for_ever();
            wait::wake_others(attachment);
            break;
        }
    }
}
