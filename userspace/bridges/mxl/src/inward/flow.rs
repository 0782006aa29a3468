//! The flow that a session's units become, over removals, other formats and other writers.
//!
//! Before each grain: is the flow at the name still the one that is written? If not (someone removed it, or the whole
//! domain), the writer is let go without the library removing anything, and the flow is made anew: readers are told that
//! theirs is invalid, open it again, and find this grain as the first one. What cannot be made is tried again 4 times a
//! second. An index that leaves some out: their places get grains that are invalid, for a reader would find older ones there
//! and take them for these.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::domain::{FlowFiles, FlowLock, FlowLockError, Standing};
use crate::flow::{Definition, Format};
use crate::libmxl::{FlowReader, FlowWriter, Instance, Library, NoInstance, OpenGrain, Status};

/// Pause after a flow that could not be made.
const PAUSE: Duration = Duration::from_millis(250);

/// Why a unit did not become a grain.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The folder of the domain is not there.
    #[error("the domain {0} is not there: create the folder, on a tmpfs")]
    NoDomain(PathBuf),
    /// The library does not open it.
    #[error(transparent)]
    Instance(#[from] NoInstance),
    /// The flow's name is not free.
    #[error(transparent)]
    Locked(#[from] FlowLockError),
    /// The library does not make the flow.
    #[error("libmxl does not create the flow: {status}; {} of {} bytes are free in the domain", space.0, space.1)]
    Create {
        /// Its status.
        status: Status,
        /// Bytes that are free, and all.
        space: (u64, u64),
    },
    /// The files are smaller than the units.
    #[error("the flow's files are smaller than its definition says: remove {0}")]
    Small(PathBuf),
    /// The library does not take the grain.
    #[error("libmxl does not take the grain: {0}")]
    Grain(#[from] Status),
    /// The unit before it has the same index.
    #[error("two units have the index {0}: the sender's rate is not that of the session's format")]
    Twice(u64),
    /// It was tried a moment ago.
    #[error("the flow is not there yet")]
    Paused,
}

/// A flow that is written.
#[derive(Debug)]
pub struct OutFlow {
    library: Arc<Library>,
    domain: PathBuf,
    files: FlowFiles,
    definition: Definition,
    instance: Option<Arc<Instance>>,
    open: Option<Open>,
    again: Option<Instant>,
    /// Grains that were written as invalid because their units never came.
    pub filled: u64,
    /// Times that the flow was made or taken over.
    pub openings: u64,
}

#[derive(Debug)]
struct Open {
    writer: FlowWriter,
    place: FlowLock,
    /// The newest index; of samples, their end.
    last: Option<u64>,
}

impl OutFlow {
    /// A flow of a domain. It is made with its first unit.
    #[must_use]
    pub fn new(library: &Arc<Library>, domain: PathBuf, definition: Definition) -> Self {
        Self {
            library: Arc::clone(library),
            files: FlowFiles::of(&domain, definition.id),
            domain,
            definition,
            instance: None,
            open: None,
            again: None,
            filled: 0,
            openings: 0,
        }
    }

    /// Its definition.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Its newest index.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.open.as_ref().and_then(|it| it.last)
    }

    /// From now on the units have another format, or indices of another clock: the flow is removed, and made again with the
    /// next one.
    pub fn set(&mut self, format: Format, is_utc: bool) {
        if (self.definition.format, self.definition.is_utc) != (format, is_utc) {
            self.close();
            (self.definition.format, self.definition.is_utc) = (format, is_utc);
            self.again = None;
        }
    }

    /// Lets the flow go.
    pub fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.place.leave(open.writer);
        }
    }

    /// Opens the place of a grain, after places of those that were left out.
    ///
    /// # Errors
    /// [`FlowError`].
    pub fn grain(&mut self, index: u64) -> Result<OpenGrain<'_>, FlowError> {
        let bytes = self.definition.format.bytes();
        self.make_ready()?;
        let open = self.open.as_mut().ok_or(FlowError::Paused)?;
        if open.last == Some(index) {
            return Err(FlowError::Twice(index));
        }
        let oldest = (index + 1).saturating_sub(open.writer.grains());
        if let Some(last) = open.last.filter(|it| *it < index) {
            // First the next one, wherever the ring is: a writer that was killed may have opened it. The library gives its
            // place the index at once, and shows it as whole as the grain that was there before.
            let next = (last + 1..index).take(1);
            for missing in next.chain(oldest.max(last + 2)..index) {
                open.writer.grain(missing, bytes)?.finish(false)?;
                open.last = Some(missing);
                self.filled += 1;
            }
        }
        let grain = open.writer.grain(index, bytes)?;
        open.last = Some(index);
        Ok(grain)
    }

    /// Writes the samples of a block, whose first one has index `first`, after silence for those that were left out.
    ///
    /// # Errors
    /// [`FlowError`].
    pub fn samples(
        &mut self,
        first: u64,
        count: usize,
        fill: impl FnMut(usize, usize, &mut [f32]),
    ) -> Result<(), FlowError> {
        // The library wakes no reader of samples before those that were written.
        if self.last().is_some_and(|it| it > first) {
            self.close();
        }
        self.make_ready()?;
        let open = self.open.as_mut().ok_or(FlowError::Paused)?;
        let most = open.writer.buffer_samples() / 2;
        if let Some(last) = open.last.filter(|it| *it < first) {
            let missing = usize::try_from(first - last)
                .unwrap_or(usize::MAX)
                .min(most);
            open.writer
                .samples(first, missing, |_, _, piece| piece.fill(0.0))?;
            self.filled += missing as u64;
        }
        let end = first + count as u64;
        open.writer.samples(end, count, fill)?;
        open.last = Some(end);
        Ok(())
    }

    /// Sees to it that the flow stands at its name, and that this process writes it.
    fn make_ready(&mut self) -> Result<(), FlowError> {
        if self.open.as_ref().is_some_and(|it| it.place.is_own()) {
            return Ok(());
        }
        if self.open.is_some() {
            tracing::warn!(flow = %self.definition.id, "the flow was removed or replaced: making it anew");
            self.close();
            self.again = None;
        }
        if self.again.is_some_and(|it| it > Instant::now()) {
            return Err(FlowError::Paused);
        }
        let made = self.make();
        if made.is_err() {
            // What it knows of the domain may be of one that was removed.
            self.instance = None;
            self.again = Some(Instant::now() + PAUSE);
        }
        made
    }

    fn make(&mut self) -> Result<(), FlowError> {
        if !self.domain.is_dir() {
            return Err(FlowError::NoDomain(self.domain.clone()));
        }
        let instance = match &self.instance {
            Some(instance) => Arc::clone(instance),
            None => Instance::open(&self.library, &self.domain)?,
        };
        self.instance = Some(Arc::clone(&instance));
        let document = self.definition.document();
        let standing = FlowLock::prepare(&self.files, &document)?;
        let writer = FlowWriter::create(&instance, &document.to_string(), &self.options());
        let mut writer = writer.map_err(|status| FlowError::Create {
            status,
            space: self.space(),
        })?;
        let place = FlowLock::take(&self.files)?;
        if !self.is_large_enough(&writer) {
            place.leave(writer);
            return Err(FlowError::Small(self.files.folder().to_owned()));
        }
        let last = match standing {
            Standing::Left if !writer.is_new => {
                let reader = FlowReader::open(&instance, &self.definition.id.to_string())?;
                let last = Some(reader.head()?.index).filter(|it| *it > 0);
                if let Some(last) = last {
                    self.end_grain(&reader, &mut writer, last)?;
                }
                last
            }
            _ => None,
        };
        self.openings += 1;
        self.open = Some(Open {
            writer,
            place,
            last,
        });
        tracing::info!(
            session = self.definition.label,
            flow = %format_args!("mxl://{}?id={}", self.domain.display(), self.definition.id),
            taken_over = last.is_some(),
            "writes"
        );
        Ok(())
    }

    /// Ends the newest grain of a writer that was killed amid it: its readers wait for the rest.
    fn end_grain(
        &self,
        reader: &FlowReader,
        writer: &mut FlowWriter,
        last: u64,
    ) -> Result<(), Status> {
        if let Format::Audio { .. } = self.definition.format {
            return Ok(());
        }
        let bytes = self.definition.format.bytes();
        let (head, _) = reader.grain(last, (0, Duration::ZERO), bytes)?;
        match head.slices.0 < head.slices.1 {
            true => writer.grain(last, bytes)?.finish(false),
            false => Ok(()),
        }
    }

    fn is_large_enough(&self, writer: &FlowWriter) -> bool {
        match self.definition.format {
            Format::Audio { channels, .. } => {
                self.files.hold_samples(channels, writer.buffer_samples())
            }
            _ => {
                let grains = writer.grains();
                grains > 0
                    && self
                        .files
                        .hold_grains(grains, self.definition.format.bytes())
            }
        }
    }

    /// A writer's hints for its readers: how much comes at once.
    fn options(&self) -> String {
        let batch = match self.definition.format {
            Format::Video { .. } => self.definition.format.lines().div_ceil(SLICES_PARTS),
            // A block, whatever its length: readers are woken by each.
            Format::Audio { .. } => 1,
            Format::Data { .. } => return String::new(),
        };
        json!({"maxCommitBatchSizeHint": batch, "maxSyncBatchSizeHint": batch}).to_string()
    }

    /// Bytes that are free in the domain, and all.
    fn space(&self) -> (u64, u64) {
        rustix::fs::statvfs(&self.domain).map_or((0, 0), |it| {
            (it.f_bavail * it.f_frsize, it.f_blocks * it.f_frsize)
        })
    }
}

/// Parts in which lines come: those of `each_part` of the client library.
const SLICES_PARTS: u32 = 16;

impl Drop for OutFlow {
    fn drop(&mut self) {
        self.close();
    }
}
