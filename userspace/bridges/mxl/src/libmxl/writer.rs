//! A flow that this process writes.

use std::ffi::CString;
use std::ptr;
use std::sync::Arc;

use super::Status;
use super::instance::Instance;
use super::layout::{FlowConfigInfo, Fragments, GrainInfo, INVALID, MultiSlice, empty, fragments};
use super::library::Handle;

/// A flow that this process writes. Its files were checked to be as large as `bytes` says: see [`super`].
#[derive(Debug)]
pub struct FlowWriter {
    instance: Arc<Instance>,
    handle: Handle,
    config: FlowConfigInfo,
    /// The library made the flow; else it was there.
    pub is_new: bool,
}

// SAFETY: the library has no thread of its own for a writer; calls are of one thread at a time.
unsafe impl Send for FlowWriter {}

impl FlowWriter {
    /// Creates the flow of a definition, or opens it if there is one with its id.
    ///
    /// # Errors
    /// [`Status`].
    pub fn create(
        instance: &Arc<Instance>,
        definition: &str,
        options: &str,
    ) -> Result<Self, Status> {
        let text = |it: &str| CString::new(it).map_err(|_| Status::Unknown);
        let (definition, options) = (text(definition)?, text(options)?);
        let (mut handle, mut is_new) = (ptr::null_mut(), false);
        let mut config = empty!(FlowConfigInfo);
        // SAFETY: an open instance, two texts that end with zero, and places for what it answers.
        Status::check(unsafe {
            (instance.library.functions.create_writer)(
                instance.handle,
                definition.as_ptr(),
                options.as_ptr(),
                &raw mut handle,
                &raw mut config,
                &raw mut is_new,
            )
        })?;
        Ok(Self {
            instance: Arc::clone(instance),
            handle,
            config,
            is_new,
        })
    }

    /// Grains of the ring; of a continuous flow it has no meaning.
    #[must_use]
    pub fn grains(&self) -> u64 {
        self.config.words[4].into()
    }

    /// Samples of the buffer of each channel; of a discrete flow it has no meaning.
    #[must_use]
    pub fn buffer_samples(&self) -> usize {
        self.config.words[1] as usize
    }

    /// Opens the place of a grain, whose payload has `bytes` bytes.
    ///
    /// # Errors
    /// [`Status`]; [`Status::Unknown`] if the grain is smaller.
    pub fn grain(&mut self, index: u64, bytes: usize) -> Result<OpenGrain<'_>, Status> {
        let mut info = empty!(GrainInfo);
        let mut payload = ptr::null_mut();
        // SAFETY: a writer of a discrete flow, and places for what it answers.
        Status::check(unsafe {
            (self.instance.library.functions.open_grain)(
                self.handle,
                index,
                &raw mut info,
                &raw mut payload,
            )
        })?;
        if payload.is_null() || (info.grain_size as usize) < bytes {
            return Err(Status::Unknown);
        }
        Ok(OpenGrain {
            writer: self,
            info,
            payload,
            bytes,
        })
    }

    /// Writes `count` samples of each channel, the last one before index `end`. `fill` gets for each channel and each
    /// piece of it: the channel, the first sample of the piece, and its place.
    ///
    /// # Errors
    /// [`Status`].
    pub fn samples(
        &mut self,
        end: u64,
        count: usize,
        mut fill: impl FnMut(usize, usize, &mut [f32]),
    ) -> Result<(), Status> {
        let mut slices = empty!(MultiSlice);
        // SAFETY: a writer of a continuous flow, and a place for what it answers.
        Status::check(unsafe {
            (self.instance.library.functions.open_samples)(self.handle, end, count, &raw mut slices)
        })?;
        let Fragments {
            pieces,
            stride,
            channels,
        } = fragments(&slices);
        for channel in 0..channels {
            let mut first = 0;
            for (start, samples) in pieces {
                // SAFETY: the library gives a piece of the channels' file, which it has mapped writable; the file
                // has this size, and no other reference of this process is to it.
                let piece = unsafe {
                    std::slice::from_raw_parts_mut(start.byte_add(channel * stride), samples)
                };
                fill(channel, first, piece);
                first += samples;
            }
        }
        // SAFETY: the writer has open samples.
        Status::check(unsafe { (self.instance.library.functions.commit_samples)(self.handle) })
    }
}

impl Drop for FlowWriter {
    /// The library removes the flow if no other writer has it.
    fn drop(&mut self) {
        // SAFETY: both handles are of this library, and are used no more.
        unsafe {
            (self.instance.library.functions.release_writer)(self.instance.handle, self.handle);
        }
    }
}

/// A grain that is being written.
#[derive(Debug)]
pub struct OpenGrain<'a> {
    writer: &'a mut FlowWriter,
    info: GrainInfo,
    payload: *mut u8,
    bytes: usize,
}

impl OpenGrain<'_> {
    /// Its bytes. Readers in other processes see them change.
    pub fn payload(&mut self) -> &mut [u8] {
        // SAFETY: the library has mapped the grain's file writable, which has this size; no other reference of this
        // process is to it.
        unsafe { std::slice::from_raw_parts_mut(self.payload, self.bytes) }
    }

    /// Slices of the whole.
    #[must_use]
    pub fn slices(&self) -> u16 {
        self.info.total_slices
    }

    /// Shows readers the first `slices` slices.
    ///
    /// # Errors
    /// [`Status`].
    pub fn commit(&mut self, slices: u16) -> Result<(), Status> {
        self.show(slices, false)
    }

    /// Ends it, as valid or not.
    ///
    /// # Errors
    /// [`Status`].
    pub fn finish(mut self, is_valid: bool) -> Result<(), Status> {
        self.show(self.info.total_slices, !is_valid)
    }

    fn show(&mut self, slices: u16, is_invalid: bool) -> Result<(), Status> {
        self.info.valid_slices = slices.min(self.info.total_slices);
        self.info.flags &= !INVALID;
        self.info.flags |= if is_invalid { INVALID } else { 0 };
        let commit = self.writer.instance.library.functions.commit_grain;
        // SAFETY: the writer has this grain open.
        Status::check(unsafe { commit(self.writer.handle, &raw const self.info) })
    }
}
