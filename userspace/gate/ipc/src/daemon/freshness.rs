//! Frames that a former filler may still write to, until their pages are replaced.
//!
//! A session that clients fill has one file of frames, and one filler at a time. What a filler had mapped it may have
//! pinned: the kernel then writes for it (io_uring, a device's transfer) when it has no mapping and no descriptor any
//! more, and no lease tells. So each filler but the first begins a *tenure*, in which every frame is at first *stale*:
//!
//! 1. [`Freshness::begin_tenure`] (control thread): no process can write, the next filler is about to be admitted. Each
//!    frame is stale.
//! 2. [`Freshness::release`] (poller): no reader has the frame or will get it: it is *idle*. It is not loaned.
//! 3. [`Freshness::replace`] (a thread of its own, because it takes 0.2 ms a MiB): takes the frame's pages out of the
//!    file. Pages that are pinned go with them, and the next access of any process gets others. The frame is *fresh*, if
//!    its tenure is still the same.
//! 4. Only fresh frames are loaned to the filler.
//!
//! Invariant: *no page of a frame that a filler is loaned was in the file while another process could write to it, unless
//! that process is of its own tenure.* The model is `model/freshness.rs`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use onair_mutant::mutant;
use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::Errno;

use crate::layout::Geometry;

/// State of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum FrameAge {
    /// No process of an earlier tenure can write to it.
    Fresh = 0,
    /// Its pages are those of an earlier tenure.
    Stale = 1,
    /// Stale, and not used: its pages can be replaced.
    Idle = 2,
}

/// The tenures of a file of frames, and each frame's state.
#[derive(Debug)]
pub struct Freshness {
    /// A duplicate: another description would be another user of the file.
    file: OwnedFd,
    geometry: Geometry,
    /// Each `tenure << 2 | state`.
    words: Box<[AtomicU64]>,
    /// Fillers so far.
    tenure: AtomicU64,
    is_asked: AtomicBool,
}

fn age(word: u64) -> FrameAge {
    match word & 3 {
        0 => FrameAge::Fresh,
        1 => FrameAge::Stale,
        _ => FrameAge::Idle,
    }
}

impl Freshness {
    /// Of a new file, which no process has.
    ///
    /// # Errors
    /// Out of descriptors.
    pub(super) fn new(file: impl AsFd, geometry: Geometry) -> io::Result<Self> {
        Ok(Self {
            file: file.as_fd().try_clone_to_owned()?,
            geometry,
            words: (0..geometry.frames).map(|_| AtomicU64::new(0)).collect(),
            tenure: AtomicU64::new(0),
            is_asked: AtomicBool::new(false),
        })
    }

    /// Another filler comes. No process can write to the frames: the kernel was asked, and the filler's descriptor is not
    /// made yet. Control thread.
    pub fn begin_tenure(&self) {
        let tenure = self.tenure.fetch_add(1, Ordering::SeqCst) + 1;
        // Before the first one none could write.
        if tenure > 1 && !mutant!("fresh: what a filler leaves is used again") {
            for word in &self.words {
                word.store(tenure << 2 | FrameAge::Stale as u64, Ordering::SeqCst);
            }
        }
    }

    /// Fillers so far.
    pub fn tenure(&self) -> u64 {
        self.tenure.load(Ordering::SeqCst)
    }

    /// State of a frame.
    ///
    /// # Panics
    /// If the frame does not exist.
    #[inline]
    pub fn of(&self, frame: u32) -> FrameAge {
        age(self.words[frame as usize].load(Ordering::SeqCst))
    }

    /// Whether all are fresh.
    pub fn is_complete(&self) -> bool {
        (0..self.geometry.frames).all(|it| self.of(it) == FrameAge::Fresh)
    }

    /// A stale frame is not used, and will not be until it is fresh. The poller, or the owner of its sessions.
    ///
    /// # Panics
    /// If the frame does not exist.
    pub fn release(&self, frame: u32) {
        let word = &self.words[frame as usize];
        let stale = word.load(Ordering::SeqCst);
        if age(stale) == FrameAge::Stale {
            let idle = stale & !3 | FrameAge::Idle as u64;
            // A tenure that begins meanwhile stands.
            let _ = word.compare_exchange(stale, idle, Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    /// Whether [`Self::replace`] has to be called, and no call for it is due already.
    pub fn ask(&self) -> bool {
        let is_idle = |word: &AtomicU64| age(word.load(Ordering::SeqCst)) == FrameAge::Idle;
        self.words.iter().any(is_idle) && !self.is_asked.swap(true, Ordering::SeqCst)
    }

    /// Replaces the pages of idle frames. One thread at a time.
    ///
    /// # Errors
    /// The kernel's: frames stay idle.
    pub fn replace(&self) -> io::Result<()> {
        self.is_asked.store(false, Ordering::SeqCst);
        let words: Vec<u64> = (self.words.iter().map(|it| it.load(Ordering::SeqCst))).collect();
        let stride = u64::from(self.geometry.frame_stride);
        let (mut at, mut done) = (0, Ok(()));
        // Neighbours together: a huge page may have bytes of both.
        for run in words.chunk_by(|a, b| age(*a) == age(*b)) {
            let frames = at..at + run.len();
            at = frames.end;
            if age(run[0]) != FrameAge::Idle {
                continue;
            }
            if let Err(error) = self.take_out(frames.start as u64 * stride, at as u64 * stride) {
                done = Err(error);
                continue;
            }
            for (word, idle) in self.words[frames].iter().zip(run) {
                let fresh = idle & !3 | FrameAge::Fresh as u64;
                // Of another tenure, it stays.
                let _ = word.compare_exchange(*idle, fresh, Ordering::SeqCst, Ordering::SeqCst);
            }
        }
        done
    }

    /// Takes the pages out of the file, whatever else has them.
    fn take_out(&self, from: u64, to: u64) -> io::Result<()> {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&self.file, hole, from, to - from)?;
        if !have_huge_pages() {
            return Ok(());
        }
        // Of a pinned one that reaches beyond the hole the kernel only clears the bytes. It goes with its other frames.
        match seek(&self.file, SeekFrom::Data(from)) {
            Ok(data) if data < to => Err(Errno::BUSY.into()),
            Ok(_) | Err(Errno::NXIO) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether this host gives huge pages to memory files.
fn have_huge_pages() -> bool {
    const FOLDER: &str = "/sys/kernel/mm/transparent_hugepage";
    let gives = |folder: &Path| {
        let setting = std::fs::read_to_string(folder.join("shmem_enabled"));
        setting.is_ok_and(|it| {
            !["[never]", "[deny]", "[inherit]"]
                .iter()
                .any(|no| it.contains(no))
        })
    };
    let sizes = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    gives(Path::new(FOLDER)) || sizes.map(|it| it.path()).any(|size| gives(&size))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use rustix::pipe::{SpliceFlags, pipe, splice};

    use crate::frames::FrameMemory;
    use crate::mapping::{Access, Mapping};

    use super::*;

    fn frames() -> FrameMemory {
        FrameMemory::create_filled(Geometry::new(4, 8192).unwrap()).unwrap()
    }

    fn ages(of: &Freshness) -> [FrameAge; 4] {
        [0, 1, 2, 3].map(|it| of.of(it))
    }

    #[test]
    fn tenures_that_begin_then_all_but_the_first_have_stale_frames() {
        let frames = frames();
        let freshness = frames.freshness().unwrap();
        freshness.begin_tenure();
        assert!(freshness.is_complete() && !freshness.ask());
        freshness.release(1);
        assert!(freshness.is_complete(), "a fresh one stays so");
        freshness.begin_tenure();
        assert_eq!(ages(freshness), [FrameAge::Stale; 4]);
        assert!(!freshness.ask());
        freshness.release(1);
        assert!(freshness.ask() && !freshness.ask(), "once");
        freshness.replace().unwrap();
        let stale = FrameAge::Stale;
        assert_eq!(ages(freshness), [stale, FrameAge::Fresh, stale, stale]);
        freshness.begin_tenure();
        assert_eq!(ages(freshness), [FrameAge::Stale; 4]);
    }

    #[test]
    fn page_that_the_kernel_keeps_then_no_page_of_a_fresh_frame() {
        let frames = frames();
        let freshness = frames.freshness().unwrap();
        freshness.begin_tenure();
        frames.write(1, 0, &[1; 8192]);
        frames.write(2, 0, &[2; 8192]);
        let reader = frames.for_client().unwrap();
        let mapped = Mapping::new(reader.as_fd(), frames.len(), Access::ReadOnly).unwrap();
        // SAFETY: in bounds of the mapping, and no other thread writes.
        let seen = |frame: usize| unsafe { mapped.base().as_ptr().add(frame * 8192).read() };
        assert_eq!((seen(1), seen(2)), (1, 2));
        let (pipe, writer) = pipe().unwrap();
        let none = SpliceFlags::empty();
        splice(&reader, Some(&mut 8192), writer, None, 4096, none).unwrap();
        freshness.begin_tenure();
        freshness.release(1);
        freshness.replace().unwrap();
        assert_eq!((seen(1), seen(2)), (0, 2), "a reader has the other one");
        frames.write(1, 0, &[3; 8192]);
        assert_eq!(seen(1), 3);
        let mut kept = [0; 4096];
        rustix::io::read(&pipe, &mut kept).unwrap();
        assert_eq!(kept, [1; 4096], "it is another page now");
    }
}
