//! Frame memory, on the daemon's side.

use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::copy;
use crate::freshness::Freshness;
use crate::layout::Geometry;
use crate::memfd::Memfd;

/// Cache line, in bytes.
const LINE: usize = 64;

/// The frames of a receive session, or of one attachment of a send session. Clones refer to the
/// same memory: the poller writes through one while the control thread keeps another for W4.
#[derive(Clone, Debug)]
pub struct FrameMemory {
    memfd: Arc<Memfd>,
    geometry: Geometry,
    /// Of frames that clients fill one after the other.
    freshness: Option<Arc<Freshness>>,
}

impl FrameMemory {
    /// Creates zeroed frame memory. With `readers_only` clients can only read it (receive).
    ///
    /// # Errors
    /// The kernel's: out of memory or descriptors.
    pub fn create(geometry: Geometry, readers_only: bool) -> io::Result<Self> {
        let memfd = Memfd::create("onair-frames", geometry.frames_len(), readers_only)?;
        Ok(Self {
            memfd: Arc::new(memfd),
            geometry,
            freshness: None,
        })
    }

    /// Creates zeroed frame memory that one client at a time fills, and others read.
    ///
    /// # Errors
    /// The kernel's: out of memory or descriptors.
    pub fn create_filled(geometry: Geometry) -> io::Result<Self> {
        let memfd = Memfd::create_filled("onair-frames", geometry.frames_len())?;
        let freshness = Freshness::new(&memfd, geometry)?;
        Ok(Self {
            memfd: Arc::new(memfd),
            geometry,
            freshness: Some(Arc::new(freshness)),
        })
    }

    /// A memory file of a daemon that has ended, whatever it holds: [`Memfd::inherit`].
    ///
    /// # Errors
    /// The kernel's.
    pub fn inherit(file: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            memfd: Arc::new(Memfd::inherit(file)?),
            geometry: Geometry::new(1, 1).expect("one byte is a frame"),
            freshness: None,
        })
    }

    /// Which frames an earlier filler may still write to; `None`: no client at all, or one alone.
    pub fn freshness(&self) -> Option<&Arc<Freshness>> {
        self.freshness.as_ref()
    }

    /// Number of frames.
    pub fn count(&self) -> u32 {
        self.geometry.frames
    }

    /// Bytes of one frame.
    pub fn frame_bytes(&self) -> u32 {
        self.geometry.frame_bytes
    }

    /// The layout.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Size of the memory, in bytes.
    pub fn len(&self) -> usize {
        self.memfd.mapping().len()
    }

    /// Bytes of it for which the machine gave memory: frames that were never filled have none.
    ///
    /// # Errors
    /// The kernel's.
    pub fn resident(&self) -> io::Result<u64> {
        // Of 512 bytes each, inode(7).
        let blocks = rustix::fs::fstat(&*self.memfd)?.st_blocks;
        Ok(u64::try_from(blocks).unwrap_or(0) * 512)
    }

    /// Whether there is no memory (never the case).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies `bytes` into frame `frame` at `offset`.
    ///
    /// # Panics
    /// If they do not lie within the frame: the caller must check offsets from the wire.
    #[inline]
    pub fn write(&self, frame: u32, offset: usize, bytes: &[u8]) {
        let at = self.place(frame, offset, bytes.len());
        // SAFETY: in bounds of the mapping; a client that reads at the same time sees a mix of old
        // and new bytes, which harms that client only.
        unsafe { copy::copy(at, bytes.as_ptr(), bytes.len()) };
    }

    /// As [`Self::write`], by libc's memcpy: what the bench compares with.
    ///
    /// # Panics
    /// As [`Self::write`].
    #[inline]
    pub fn write_by_memcpy(&self, frame: u32, offset: usize, bytes: &[u8]) {
        let at = self.place(frame, offset, bytes.len());
        // SAFETY: as in `write`.
        unsafe { at.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }

    /// Prefetches up to `len` bytes of frame `frame` from `offset` on for a later write. A write
    /// waits for the line that it replaces, and the processor has few such waits in parallel. A
    /// hint only, for the part that lies within the frame.
    #[inline]
    pub fn fetch(&self, frame: u32, offset: usize, len: usize) {
        let end = offset
            .saturating_add(len)
            .min(self.geometry.frame_bytes as usize);
        if offset >= end || frame >= self.geometry.frames {
            return;
        }
        let at = self.place(frame, offset, end - offset).cast::<i8>();
        for more in (0..end - offset).step_by(LINE) {
            // SAFETY: a hint, which reads and writes nothing; the address is in bounds of the
            // mapping.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(at.add(more)) };
        }
    }

    /// Copies from frame `frame` at `offset` into `bytes`. If a client writes at the same time, the
    /// result is a mix, but never memory outside of the frame.
    ///
    /// # Panics
    /// If the range does not lie within the frame.
    #[inline]
    pub fn read(&self, frame: u32, offset: usize, bytes: &mut [u8]) {
        let at = self.place(frame, offset, bytes.len());
        // SAFETY: in bounds of the mapping, and no other thread uses `bytes`.
        unsafe { at.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
    }

    #[inline]
    fn place(&self, frame: u32, offset: usize, len: usize) -> *mut u8 {
        assert!(
            frame < self.geometry.frames
                && offset
                    .checked_add(len)
                    .is_some_and(|end| end <= self.geometry.frame_bytes as usize),
            "{len} bytes at {offset} of frame {frame} lie outside of it"
        );
        let at = self.geometry.frame_offset(frame) + offset;
        // SAFETY: in bounds of the mapping, as asserted above.
        unsafe { self.memfd.mapping().base().as_ptr().add(at) }
    }

    /// Opens a file description for a client.
    ///
    /// # Errors
    /// Out of descriptors; `/proc` not mounted.
    pub fn for_client(&self) -> io::Result<OwnedFd> {
        self.memfd.for_client()
    }

    /// The memory file.
    pub fn file(&self) -> &Memfd {
        &self.memfd
    }

    /// Whether there is no other clone.
    pub fn is_last(&self) -> bool {
        Arc::strong_count(&self.memfd) == 1
    }

    /// The memory file, if this is the last clone.
    pub fn into_file(self) -> Option<Memfd> {
        Arc::into_inner(self.memfd)
    }

    /// Whether no other process has the frames; see [`Memfd::is_sole_user`].
    ///
    /// # Errors
    /// The kernel's errors other than "another user exists".
    pub fn is_sole_user(&self) -> io::Result<bool> {
        self.memfd.is_sole_user()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_memory_write_read_then_same_bytes_and_no_others_change() {
        let memory = FrameMemory::create(Geometry::new(3, 5000).unwrap(), true).unwrap();
        memory.write(1, 4990, &[7; 10]);
        let mut bytes = [0; 10];
        memory.read(1, 4990, &mut bytes);
        assert_eq!(bytes, [7; 10]);
        memory.read(2, 0, &mut bytes);
        assert_eq!(bytes, [0; 10]);
    }

    #[test]
    fn frame_memory_fetch_anywhere_then_nothing_is_changed() {
        let memory = FrameMemory::create(Geometry::new(3, 5000).unwrap(), true).unwrap();
        memory.write(2, 4990, &[7; 10]);
        for (frame, offset, len) in [(2, 4990, 5000), (2, 5000, 1), (3, 0, 9), (0, usize::MAX, 9)] {
            memory.fetch(frame, offset, len);
        }
        let mut bytes = [0; 10];
        memory.read(2, 4990, &mut bytes);
        assert_eq!(bytes, [7; 10]);
    }

    #[test]
    #[should_panic(expected = "lie outside")]
    fn frame_memory_write_past_the_frame_then_panics() {
        let memory = FrameMemory::create(Geometry::new(3, 5000).unwrap(), true).unwrap();
        memory.write(1, 4991, &[7; 10]);
    }
}
