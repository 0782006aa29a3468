//! A descriptor for `epoll`, signalled by a small thread of the library.
//!
//! The daemon shares no eventfd with a client, because the client could change its flags. A thread
//! that sleeps on its own event count writes to an eventfd that never leaves the process. The
//! thread exists only if the application asked for a descriptor, and is not a user of the session.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use onair_mutant::mutant;

use super::{Attachment, wait};
use crate::{label, sys};

/// The descriptor and its thread; both end when it is dropped.
#[derive(Debug)]
pub struct Watch {
    ready: Arc<OwnedFd>,
    ends: Arc<AtomicBool>,
    attachment: Arc<Attachment>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(attachment: &Arc<Attachment>) -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        let ready = Arc::new(eventfd(1, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let ends = Arc::new(AtomicBool::new(false));
        // Counted as a listener before the descriptor exists, so that no notification is missed.
        attachment.words.watch_ready().join();
        label!("watch.joined");
        let heard = attachment.words.watch_ready().listen();
        let thread = {
            let (ready, ends, attachment) = (ready.clone(), ends.clone(), attachment.clone());
            std::thread::Builder::new()
                .name("onair-watch".into())
                .spawn(move || watch(&attachment, &ready, &ends, heard))?
        };
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
        let mut count = [0; 8];
        // An already empty eventfd is fine.
        let _ = rustix::io::read(&*self.ready, &mut count);
        if self.attachment.has_something() || self.attachment.is_gone() {
            set(&self.ready);
        }
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
        self.attachment.ring_watch();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn set(ready: &OwnedFd) {
    let _ = rustix::io::write(ready, &1_u64.to_ne_bytes());
}

fn watch(attachment: &Attachment, ready: &OwnedFd, ends: &AtomicBool, mut last: u32) {
    let event_count = attachment.words.watch_ready();
    while !ends.load(Ordering::SeqCst) {
        if attachment.left.load(Ordering::SeqCst) {
            // The words are no longer shared: no process notifies them again.
            set(ready);
            break;
        }
        let words = [
            (event_count.word(), last),
            (attachment.words.life(), attachment.life_value),
        ];
        wait::sleep(attachment, words, u64::MAX);
        label!("watch.slept");
        let heard = event_count.listen();
        let lost = attachment.is_daemon_lost();
        if heard != last || lost {
            last = heard;
            set(ready);
            // The daemon wakes one thread; there may be several descriptors.
            if event_count.waiters() > 1 {
                sys::futex_wake(event_count.word(), sys::ALL);
            }
        }
        if lost {
            wait::wake_others(attachment);
            break;
        }
    }
    event_count.part();
}
