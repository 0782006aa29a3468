//! The flow that is read, over its writer's restarts.
//!
//! The next index is the one after the last. What the reader meets, and does:
//!
//! - not there yet: it waits for a grain's time, so that a flow that was replaced is seen within one;
//! - the flow was removed or replaced: it opens the one at the name;
//! - overwritten: it goes on at the newest grain;
//! - the newest grain is before the next one for some grains' time: the writer's clock stepped back, and it goes on there;
//! - another grain in its place: the writer left it out, or writes the next one over it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::domain::FlowFiles;
use crate::flow::{Format, NotRead};
use crate::libmxl::{FlowReader, GrainHead, Instance, Library, NoInstance, Status};

/// Pause after a flow that could not be opened.
const PAUSE: Duration = Duration::from_millis(20);
/// Grains without a new one after which the head is asked for.
const SILENT: u32 = 3;

/// Why there is no grain.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such flow.
    #[error("no flow {0} in the domain {1}: it is read as soon as it is there")]
    Absent(Uuid, PathBuf),
    /// The library does not open the domain.
    #[error(transparent)]
    Instance(#[from] NoInstance),
    /// Its definition cannot be read.
    #[error("cannot read the definition of the flow: {0}")]
    Definition(std::io::Error),
    /// It is of another kind.
    #[error("this flow is no session: {0}")]
    NotRead(#[from] NotRead),
    /// The files are smaller than the units.
    #[error(
        "the flow's files are smaller than its definition says: its writer has to make it anew"
    )]
    Small,
    /// The library does not open it.
    #[error("libmxl does not read the flow: {0}")]
    Library(#[from] Status),
}

/// A flow that is read.
#[derive(Debug)]
pub struct InFlow {
    library: Arc<Library>,
    domain: PathBuf,
    id: Uuid,
    files: FlowFiles,
    instance: Option<Arc<Instance>>,
    open: Option<Open>,
    again: Option<Instant>,
    /// Grains that never came, or were overwritten.
    pub missing: u64,
    /// Times that the flow was opened.
    pub openings: u64,
}

#[derive(Debug)]
struct Open {
    reader: FlowReader,
    format: Format,
    /// The next grain, or the end of the samples that were read.
    next: Option<u64>,
    silent: u32,
}

impl InFlow {
    /// A flow of a domain.
    #[must_use]
    pub fn new(library: &Arc<Library>, domain: PathBuf, id: Uuid) -> Self {
        Self {
            library: Arc::clone(library),
            files: FlowFiles::of(&domain, id),
            domain,
            id,
            instance: None,
            open: None,
            again: None,
            missing: 0,
            openings: 0,
        }
    }

    /// Which one.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// Opens it, if it is not open. Its format; `None`: it was tried a moment ago.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn format(&mut self) -> Result<Option<Format>, ReadError> {
        if let Some(open) = &self.open {
            return Ok(Some(open.format));
        }
        if self.again.is_some_and(|it| it > Instant::now()) {
            return Ok(None);
        }
        let made = self.make();
        if made.is_err() {
            self.instance = None;
            self.again = Some(Instant::now() + PAUSE);
        }
        made.map(Some)
    }

    fn make(&mut self) -> Result<Format, ReadError> {
        if !self.files.data().exists() {
            return Err(ReadError::Absent(self.id, self.domain.clone()));
        }
        let instance = match &self.instance {
            Some(instance) => Arc::clone(instance),
            None => Instance::open(&self.library, &self.domain)?,
        };
        self.instance = Some(Arc::clone(&instance));
        let definition = self.files.definition().map_err(ReadError::Definition)?;
        let format = Format::of_definition(&definition)?;
        let reader = FlowReader::open(&instance, &self.id.to_string())?;
        let head = reader.head()?;
        let is_large_enough = match format {
            Format::Audio { channels, .. } => {
                let samples = usize::try_from(head.buffer_samples).unwrap_or(usize::MAX);
                channels == head.channels && self.files.hold_samples(channels, samples)
            }
            _ => head.grains > 0 && self.files.hold_grains(head.grains, format.bytes()),
        };
        if !is_large_enough {
            return Err(ReadError::Small);
        }
        self.openings += 1;
        self.open = Some(Open {
            reader,
            format,
            next: None,
            silent: 0,
        });
        tracing::info!(
            flow = %format_args!("mxl://{}?id={}", self.domain.display(), self.id),
            ?format,
            "reads"
        );
        Ok(format)
    }

    /// Waits some time for the next grain, and gives it to `take` with the answer to whether it still stands unchanged.
    /// `None`: it did not come, or is none.
    ///
    /// # Errors
    /// [`ReadError`]; the first one of `take`.
    pub fn grain<T, E: From<ReadError>>(
        &mut self,
        mut take: impl FnMut(GrainHead, &[u8], &dyn Fn() -> bool) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        let (bytes, rate) = (open.format.bytes(), open.format.rate());
        let wait = Duration::from_nanos(rate.ns(1))
            .clamp(Duration::from_millis(5), Duration::from_millis(50));
        let index = match open.next {
            Some(index) => index,
            None => open.reader.head().map_err(ReadError::from)?.index,
        };
        if index == 0 {
            let first = open.reader.grain(1, (0, wait), bytes).map(drop);
            self.after_none(first)?;
            return Ok(None);
        }
        open.next = Some(index);
        let outcome = match open.reader.grain(index, (u16::MAX, wait), bytes) {
            Ok((head, payload)) => {
                open.silent = 0;
                open.next = Some(index + 1);
                if head.index != index {
                    self.missing += 1;
                    return Ok(None);
                }
                let still = || {
                    let again = open.reader.grain(index, (0, Duration::ZERO), bytes);
                    again.is_ok_and(|(now, _)| now.index == index)
                };
                return take(head, payload, &still).map(Some);
            }
            Err(status) => status,
        };
        self.after(outcome, index)?;
        Ok(None)
    }

    /// Waits some time for `count` more samples of each channel, and gives them to `take`. `false`: they did not come.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn samples(
        &mut self,
        count: usize,
        take: impl FnMut(usize, usize, &[f32]),
    ) -> Result<bool, ReadError> {
        let Some(open) = &mut self.open else {
            return Ok(false);
        };
        let rate = open.format.rate();
        let wait = Duration::from_nanos(rate.ns(count as u64))
            .clamp(Duration::from_millis(5), Duration::from_millis(50));
        let end = match open.next {
            Some(end) => end + count as u64,
            None => open.reader.head()?.index,
        };
        if end == 0 {
            let first = open.reader.samples(1, 0, wait, |_, _, _| {});
            self.after_none(first)?;
            return Ok(false);
        }
        match open.reader.samples(end, count, wait, take) {
            Ok(()) => {
                open.silent = 0;
                open.next = Some(end);
                Ok(true)
            }
            Err(status) => {
                self.after(status, end)?;
                Ok(false)
            }
        }
    }

    /// The next step after the wait for the first grain of a flow that was only made: its index is not known.
    fn after_none(&mut self, first: Result<(), Status>) -> Result<(), ReadError> {
        match first {
            Ok(()) | Err(Status::TooEarly | Status::TimedOut | Status::TooLate) => Ok(()),
            Err(status) => self.after(status, 1),
        }
    }

    /// The next step after an index that could not be read.
    fn after(&mut self, status: Status, index: u64) -> Result<(), ReadError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        match status {
            Status::TooEarly | Status::TimedOut => {
                open.silent += 1;
                if open.silent.is_multiple_of(SILENT) {
                    let head = open.reader.head()?.index;
                    // The newest one may be in the making, and of the samples before an index some may be there.
                    let last = match open.format {
                        Format::Audio { .. } => open.next.unwrap_or(index),
                        _ => index.saturating_sub(1),
                    };
                    if head < last {
                        tracing::warn!(flow = %self.id, from = index, to = head, "its indices jumped back");
                        open.next = Some(head);
                    } else if head > index {
                        // It was begun and left: the newest grain ended without it.
                        self.missing += 1;
                        open.next = Some(index + 1);
                    }
                }
                Ok(())
            }
            Status::TooLate => {
                let head = open.reader.head()?.index;
                self.missing += head.saturating_sub(index);
                open.next = Some(head);
                Ok(())
            }
            Status::FlowInvalid | Status::NotFound => {
                tracing::info!(flow = %self.id, "the flow was removed or replaced: opening it again");
                self.open = None;
                self.again = None;
                Ok(())
            }
            status => {
                self.open = None;
                Err(status.into())
            }
        }
    }
}
