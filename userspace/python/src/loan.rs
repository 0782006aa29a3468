//! A buffer and the session that it borrows, as one value.

use std::ptr::NonNull;
use std::sync::Arc;

use onair::{Buffer, Error, Session};

/// A frame on loan. Dropping it returns the frame.
pub(crate) struct Loan {
    // Before the session, which it borrows: fields are dropped in this order.
    buffer: Buffer<'static>,
    session: Arc<Session>,
    start: Start,
}

/// First byte of a frame.
#[derive(Clone, Copy)]
struct Start(NonNull<u8>);

// SAFETY: an address of shared memory that every thread has mapped; its users order their accesses themselves, as Python
// has it for every buffer.
unsafe impl Send for Start {}
// SAFETY: as above.
unsafe impl Sync for Start {}

impl Loan {
    /// # Panics
    /// If the buffer is another session's.
    pub(crate) fn new(session: &Arc<Session>, buffer: Buffer<'_>) -> Self {
        assert!(std::ptr::eq(buffer.session(), &raw const **session));
        // SAFETY: the buffer borrows `session`, which is in an `Arc` and does not move. It is dropped before this `Arc`
        // is, as the earlier field or by name, and no method gives it out for longer than `self` is borrowed.
        let buffer = unsafe { std::mem::transmute::<Buffer<'_>, Buffer<'static>>(buffer) };
        let (buffer, start) = match buffer.writable() {
            Ok(mut buffer) => {
                let start = NonNull::from(&mut buffer[..]).cast();
                (buffer.into_buffer(), start)
            }
            Err(buffer) => {
                let start = NonNull::from(&buffer[..]).cast();
                (buffer, start)
            }
        };
        Self {
            buffer,
            session: session.clone(),
            start: Start(start),
        }
    }

    pub(crate) fn buffer(&self) -> &Buffer<'_> {
        &self.buffer
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.session.is_sender()
    }

    /// Its first byte. The memory may be read as long as the loan lives, and written if [`Self::is_writable`].
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start.0
    }

    /// Changes its bytes; a frame of a receive session is refused.
    pub(crate) fn change<T>(
        self,
        change: impl FnOnce(&mut onair::BufferMut<'_>) -> T,
    ) -> (Self, Result<T, Error>) {
        let Self {
            buffer,
            session,
            start,
        } = self;
        let (buffer, result) = match buffer.writable() {
            Ok(mut buffer) => {
                let result = change(&mut buffer);
                (buffer.into_buffer(), Ok(result))
            }
            Err(buffer) => {
                let name = session.name().to_owned();
                (buffer, Err(Error::NotASender(name)))
            }
        };
        let this = Self {
            buffer,
            session,
            start,
        };
        (this, result)
    }

    pub(crate) fn put(self) -> Result<(), Error> {
        let Self {
            buffer, session, ..
        } = self;
        let result = buffer.put();
        drop(session);
        result
    }

    /// Submits it. A frame of a receive session is refused, and put.
    pub(crate) fn submit(self) -> Result<(), Error> {
        let Self {
            buffer, session, ..
        } = self;
        let result = match buffer.writable() {
            Ok(buffer) => buffer.submit(),
            Err(_) => Err(Error::NotASender(session.name().to_owned())),
        };
        drop(session);
        result
    }
}
