//! A frame on loan, with its address.

use std::sync::atomic::{AtomicPtr, Ordering};

use onair::{Contents, Error, Gap, Next};

/// A buffer of a session of any essence.
pub(crate) type OwnedBuffer = onair::OwnedBuffer<Contents>;
/// One to fill.
pub(crate) type OwnedBufferMut = onair::OwnedBufferMut<Contents>;

/// A frame on loan. Dropping it returns the frame.
pub(crate) struct Loan {
    buffer: OwnedBuffer,
    /// Its first byte: in memory that every thread has mapped. Its users order their accesses themselves, as Python has
    /// it for every buffer.
    start: AtomicPtr<u8>,
    /// The gap before it, if it is the first after a time without frames.
    gap: Option<Box<Gap>>,
}

impl Loan {
    pub(crate) fn new(buffer: OwnedBuffer) -> Self {
        let (buffer, start) = match buffer.writable() {
            Ok(mut buffer) => {
                let start = buffer.as_mut_ptr();
                (buffer.into_buffer(), start)
            }
            Err(buffer) => {
                let start = buffer.as_ptr().cast_mut();
                (buffer, start)
            }
        };
        let start = AtomicPtr::new(start);
        let gap = None;
        Self { buffer, start, gap }
    }

    pub(crate) fn of_next(next: Next<OwnedBuffer>) -> Self {
        let gap = next.gap().copied().map(Box::new);
        Self {
            gap,
            ..Self::new(next.into_buffer())
        }
    }

    pub(crate) fn gap(&self) -> Option<&Gap> {
        self.gap.as_deref()
    }

    pub(crate) fn buffer(&self) -> &OwnedBuffer {
        &self.buffer
    }

    pub(crate) fn into_buffer(self) -> OwnedBuffer {
        self.buffer
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.buffer.session().is_sender()
    }

    /// Its first byte. The memory may be read as long as the loan lives, and written if [`Self::is_writable`].
    pub(crate) fn start(&self) -> *mut u8 {
        self.start.load(Ordering::Relaxed)
    }

    /// The frame to be filled; that of a receive session is refused.
    pub(crate) fn writable(self) -> Result<OwnedBufferMut, (Self, Error)> {
        let Self { buffer, start, gap } = self;
        buffer.writable().map_err(|buffer| {
            let error = Error::NotASender(buffer.session().name().to_owned());
            (Self { buffer, start, gap }, error)
        })
    }
}
