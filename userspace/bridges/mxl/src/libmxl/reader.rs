//! A flow that this process reads.

use std::ffi::CString;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use super::Status;
use super::instance::Instance;
use super::layout::{FlowInfo, Fragments, GrainInfo, INVALID, MultiSlice, empty, fragments};
use super::library::Handle;

/// A flow that this process reads. Its files were checked to be as large as `bytes` says: see [`super`].
#[derive(Debug)]
pub struct FlowReader {
    instance: Arc<Instance>,
    handle: Handle,
}

// SAFETY: the library has no thread of its own for a reader; calls are of one thread at a time.
unsafe impl Send for FlowReader {}

/// A flow's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The newest grain, or the end of the samples.
    pub index: u64,
    /// Grains of the ring; of a continuous flow it has no meaning.
    pub grains: u64,
    /// Channels, and samples of the buffer of each; of a discrete flow they have no meaning.
    pub channels: u32,
    /// See `channels`.
    pub buffer_samples: u32,
    /// When it was written last: ns since the epoch, by `CLOCK_TAI`.
    pub written_ns: u64,
}

/// Head of a grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrainHead {
    /// Its index. Another one than was asked for: the writer left that one out, or has begun the next one in its place.
    pub index: u64,
    /// Its writer says that it is whole.
    pub is_valid: bool,
    /// Slices that can be read, and all of them.
    pub slices: (u16, u16),
}

impl FlowReader {
    /// Opens a flow.
    ///
    /// # Errors
    /// [`Status`].
    pub fn open(instance: &Arc<Instance>, id: &str) -> Result<Self, Status> {
        let id = CString::new(id).map_err(|_| Status::NotFound)?;
        let mut handle = ptr::null_mut();
        // SAFETY: an open instance, texts that end with zero, and a place for what it answers.
        Status::check(unsafe {
            (instance.library.functions.create_reader)(
                instance.handle,
                id.as_ptr(),
                c"".as_ptr(),
                &raw mut handle,
            )
        })?;
        Ok(Self {
            instance: Arc::clone(instance),
            handle,
        })
    }

    /// The flow's head.
    ///
    /// # Errors
    /// [`Status`].
    pub fn head(&self) -> Result<Head, Status> {
        let mut info = empty!(FlowInfo);
        // SAFETY: an open reader, and a place for what it answers.
        Status::check(unsafe {
            (self.instance.library.functions.reader_info)(self.handle, &raw mut info)
        })?;
        Ok(Head {
            index: info.head,
            grains: info.config.words[4].into(),
            channels: info.config.words[0],
            buffer_samples: info.config.words[1],
            written_ns: info.last_write,
        })
    }

    /// Waits at most `timeout` for a grain of which `slices` slices can be read, and for no more than there are. The payload
    /// has `bytes` bytes; its writer may change it meanwhile: ask again.
    ///
    /// # Errors
    /// [`Status`]; [`Status::Unknown`] if the grain is smaller.
    pub fn grain(
        &self,
        index: u64,
        (slices, timeout): (u16, Duration),
        bytes: usize,
    ) -> Result<(GrainHead, &[u8]), Status> {
        let mut info = empty!(GrainInfo);
        let mut payload = ptr::null_mut();
        let timeout = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        // SAFETY: a reader of a discrete flow, and places for what it answers.
        Status::check(unsafe {
            (self.instance.library.functions.read_grain)(
                self.handle,
                index,
                slices,
                timeout,
                &raw mut info,
                &raw mut payload,
            )
        })?;
        if payload.is_null() || (info.grain_size as usize) < bytes {
            return Err(Status::Unknown);
        }
        // SAFETY: the library has mapped the grain's file, which has this size. Its writer may change the bytes: no
        // length and no address is taken from them.
        let payload = unsafe { std::slice::from_raw_parts(payload, bytes) };
        let head = GrainHead {
            index: info.index,
            is_valid: info.flags & INVALID == 0,
            slices: (info.valid_slices, info.total_slices),
        };
        Ok((head, payload))
    }

    /// Waits at most `timeout` for the `count` samples before index `end`. `take` gets for each channel and each piece of
    /// it: the channel, the first sample of the piece, and the samples.
    ///
    /// # Errors
    /// [`Status`].
    pub fn samples(
        &self,
        end: u64,
        count: usize,
        timeout: Duration,
        mut take: impl FnMut(usize, usize, &[f32]),
    ) -> Result<(), Status> {
        let mut slices = empty!(MultiSlice);
        let timeout = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        // SAFETY: a reader of a continuous flow, and a place for what it answers.
        Status::check(unsafe {
            (self.instance.library.functions.read_samples)(
                self.handle,
                end,
                count,
                timeout,
                &raw mut slices,
            )
        })?;
        let Fragments {
            pieces,
            stride,
            channels,
        } = fragments(&slices);
        for channel in 0..channels {
            let mut first = 0;
            for (start, samples) in pieces {
                // SAFETY: the library gives a piece of the channels' file, which it has mapped; the file has this
                // size. Its writer may change the samples: no length and no address is taken from them.
                let piece = unsafe {
                    std::slice::from_raw_parts(
                        start.byte_add(channel * stride).cast_const(),
                        samples,
                    )
                };
                take(channel, first, piece);
                first += samples;
            }
        }
        Ok(())
    }
}

impl Drop for FlowReader {
    fn drop(&mut self) {
        // SAFETY: both handles are of this library, and are used no more.
        unsafe {
            (self.instance.library.functions.release_reader)(self.instance.handle, self.handle);
        }
    }
}
