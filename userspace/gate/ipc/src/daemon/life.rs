//! Notifies clients at once when the daemon dies, however it dies.
//!
//! One thread, the owner-death notifier, only owns a robust-futex list. Each attachment's life word
//! is on it. When the process dies the kernel walks the list, marks each word and wakes one sleeper
//! on it, before it closes any descriptor. The list's nodes are in private memory, at a fixed
//! distance from the words, so that no client can break the list. Kernel document:
//! `Documentation/locking/robust-futex-ABI.rst`.

use core::sync::atomic::{AtomicPtr, Ordering};
use std::io;
use std::sync::Mutex;

use crate::layout::CTL_LIFE;
use crate::memory::AttachmentMemory;
use crate::sync::AtomicU32;
use crate::sys;

/// Most attachments on one owner-death notifier: the kernel walks no more than 2048 nodes.
pub const CAPACITY: usize = 2000;

const PAGE: usize = 4096;
/// Set by the kernel in a life word when its owner died.
pub const OWNER_DIED: u32 = libc::FUTEX_OWNER_DIED;

#[repr(C)]
struct Node {
    next: AtomicPtr<Node>,
}

#[repr(C)]
struct ListHead {
    list: Node,
    futex_offset: libc::c_long,
    pending: *mut Node,
}

/// The owner-death notifier: a thread, its list, and an arena of `[nodes][words]`, a page for each attachment.
#[derive(Debug)]
pub struct OwnerDeathNotifier {
    head: *mut ListHead,
    nodes: *mut u8,
    tid: u32,
    robust_list: Mutex<RobustList>,
}

// SAFETY: the pointers refer to memory that lives as long as the process; `robust_list` orders its writers.
unsafe impl Send for OwnerDeathNotifier {}
// SAFETY: as above.
unsafe impl Sync for OwnerDeathNotifier {}

#[derive(Debug)]
struct RobustList {
    /// Slots on the list, from its end to its head.
    hung: Vec<usize>,
    vacant: Vec<usize>,
}

/// Why the notifier cannot take another attachment.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// All places are used.
    #[error("{CAPACITY} attachments are already on the owner-death notifier; detach some")]
    Full,
    /// The kernel refused.
    #[error("cannot set up the owner-death notifier: {0}")]
    System(#[from] io::Error),
}

impl OwnerDeathNotifier {
    /// Starts the thread. Its memory stays until the process ends.
    ///
    /// # Errors
    /// The kernel's: no memory, no thread.
    pub fn start() -> Result<Self, LifeError> {
        let nodes = reserve(2 * CAPACITY * PAGE)?;
        // SAFETY: the first half of a fresh reservation of our own.
        let usable = unsafe {
            libc::mprotect(
                nodes.cast(),
                CAPACITY * PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
            )
        };
        if usable != 0 {
            return Err(io::Error::last_os_error().into());
        }
        let head = Box::into_raw(Box::new(ListHead {
            list: Node {
                next: AtomicPtr::new(std::ptr::null_mut()),
            },
            futex_offset: libc::c_long::try_from(CAPACITY * PAGE).expect("8 MiB"),
            pending: std::ptr::null_mut(),
        }));
        // SAFETY: `head` was just made; an empty list points to itself.
        unsafe {
            (*head)
                .list
                .next
                .store((&raw mut (*head).list).cast(), Ordering::Release);
        }
        let (told, tid) = std::sync::mpsc::sync_channel(1);
        let address = head as usize;
        std::thread::Builder::new()
            .name("owner-death".into())
            .spawn(move || {
                // SAFETY: the head lives as long as the process. This thread uses no robust mutex,
                // so replacing the list that libc had registered harms no one.
                let set = unsafe {
                    libc::syscall(libc::SYS_set_robust_list, address, size_of::<ListHead>())
                };
                // It dies before the threads that have more to do.
                sys::run_first();
                let answer = if set == 0 {
                    Ok(sys::gettid())
                } else {
                    Err(io::Error::last_os_error())
                };
                let lives = answer.is_ok();
                if told.send(answer).is_ok() && lives {
                    loop {
                        std::thread::park();
                    }
                }
            })?;
        let tid = tid
            .recv()
            .map_err(|_| io::Error::other("the death-event count thread ended"))??;
        Ok(Self {
            head,
            nodes,
            tid,
            robust_list: Mutex::new(RobustList {
                hung: Vec::new(),
                vacant: (0..CAPACITY).rev().collect(),
            }),
        })
    }

    /// Adds the attachment's life word to the list. Free the returned place with
    /// [`OwnerDeathNotifier::unhang`] before the attachment's memory goes.
    ///
    /// # Errors
    /// [`LifeError::Full`], or the kernel's.
    pub fn hang(&self, memory: &AttachmentMemory) -> Result<usize, LifeError> {
        let mut robust_list = self
            .robust_list
            .lock()
            .expect("no code panics with the robust_list");
        let place = robust_list.vacant.pop().ok_or(LifeError::Full)?;
        // The file is sealed against new writable mappings, so the daemon's own one is duplicated:
        // mremap(2) with an old size of 0 does that for shared mappings.
        // SAFETY: page `place` of the arena's second half is reserved and not in use; the source is
        // the first page of a mapping that `memory` keeps.
        let mapped = unsafe {
            libc::mremap(
                memory.words.ctl.mapping().base().as_ptr().cast(),
                0,
                PAGE,
                libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
                self.nodes.add((CAPACITY + place) * PAGE),
            )
        };
        if mapped == libc::MAP_FAILED {
            let error = io::Error::last_os_error();
            robust_list.vacant.push(place);
            return Err(error.into());
        }
        let life = memory.words.life();
        // The kernel marks only a word that names the dying thread, and wakes a sleeper only with the waiters' bit.
        life.store(self.tid | libc::FUTEX_WAITERS, Ordering::SeqCst);
        let node = self.node(place);
        // SAFETY: head and node are valid for the life of the process. The kernel may walk the list
        // at any instant, so the node is complete before one store links it.
        unsafe {
            let first = (*self.head).list.next.load(Ordering::Relaxed);
            (*node).next.store(first, Ordering::Relaxed);
            (*self.head).list.next.store(node, Ordering::Release);
        }
        robust_list.hung.push(place);
        Ok(place)
    }

    /// Removes the word from the list, so that the daemon's orderly exit does not mark it.
    pub fn unhang(&self, place: usize) {
        let mut robust_list = self
            .robust_list
            .lock()
            .expect("no code panics with the robust_list");
        let Some(at) = robust_list.hung.iter().position(|&hung| hung == place) else {
            return;
        };
        let node = self.node(place);
        // SAFETY: as in `hang`; one store takes the node out.
        unsafe {
            let next = (*node).next.load(Ordering::Relaxed);
            let before = match robust_list.hung.get(at + 1) {
                Some(&newer) => self.node(newer),
                None => (&raw mut (*self.head).list).cast(),
            };
            (*before).next.store(next, Ordering::Release);
        }
        robust_list.hung.remove(at);
        // SAFETY: the page is ours; the reservation replaces it.
        unsafe {
            libc::mmap(
                self.nodes.add((CAPACITY + place) * PAGE).cast(),
                PAGE,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE,
                -1,
                0,
            );
        }
        robust_list.vacant.push(place);
    }

    /// The node of `place`: the futex offset before the life word in the arena's second half.
    fn node(&self, place: usize) -> *mut Node {
        // SAFETY: within the arena's first half; aligned, since CTL_LIFE is a multiple of 8.
        unsafe { self.nodes.add(place * PAGE + CTL_LIFE).cast() }
    }
}

const _: () = assert!(CTL_LIFE.is_multiple_of(align_of::<Node>()));

fn reserve(len: usize) -> io::Result<*mut u8> {
    // SAFETY: a fresh reservation at an address of the kernel's choice.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the range was just reserved.
    unsafe { libc::madvise(base, len, libc::MADV_DONTFORK) };
    Ok(base.cast())
}

/// Whether a life word shows that the daemon died.
#[inline(always)]
pub fn is_dead(word: &AtomicU32) -> bool {
    word.load(Ordering::Acquire) & OWNER_DIED != 0
}

/// The daemon dies, as the scheduler simulates it: the kernel marks the attachment's life word.
#[cfg(simulated)]
pub fn daemon_dies(memory: &AttachmentMemory) {
    crate::scheduled::owner_dies(memory.words.life(), OWNER_DIED);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Geometry;

    fn memory() -> AttachmentMemory {
        AttachmentMemory::create(1, 1, Geometry::new(1, 64).unwrap()).unwrap()
    }

    #[test]
    fn owner_death_hang_and_unhang_in_any_order_then_list_follows() {
        let notifier = OwnerDeathNotifier::start().unwrap();
        let memories: Vec<_> = (0..5).map(|_| memory()).collect();
        let places: Vec<_> = memories.iter().map(|m| notifier.hang(m).unwrap()).collect();
        let walk = || {
            let mut seen = vec![];
            // SAFETY: the test is the list's only user.
            unsafe {
                let mut node = (*notifier.head).list.next.load(Ordering::Acquire);
                while node.cast() != &raw mut (*notifier.head).list {
                    seen.push((node as usize - notifier.nodes as usize) / PAGE);
                    node = (*node).next.load(Ordering::Acquire);
                }
            }
            seen
        };
        assert_eq!(walk().len(), 5);
        for &gone in &[places[2], places[4], places[0]] {
            notifier.unhang(gone);
            assert!(!walk().contains(&gone));
        }
        assert_eq!(walk().len(), 2);
        notifier.unhang(places[2]);
        assert_eq!(walk().len(), 2, "a second unhang changes nothing");
        for memory in &memories {
            assert!(!is_dead(memory.words.life()));
        }
    }
}
