//! A frame on loan, with its address.

use std::ptr::NonNull;

use onair::{Error, OwnedBuffer, OwnedBufferMut};

/// A frame on loan. Dropping it returns the frame.
pub(crate) struct Loan {
    buffer: OwnedBuffer,
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
    pub(crate) fn new(buffer: OwnedBuffer) -> Self {
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
        let start = Start(start);
        Self { buffer, start }
    }

    pub(crate) fn buffer(&self) -> &OwnedBuffer {
        &self.buffer
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.buffer.session().is_sender()
    }

    /// Its first byte. The memory may be read as long as the loan lives, and written if [`Self::is_writable`].
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start.0
    }

    /// Changes its bytes; a frame of a receive session is refused.
    pub(crate) fn change<T>(
        self,
        change: impl FnOnce(&mut OwnedBufferMut) -> T,
    ) -> (Self, Result<T, Error>) {
        let Self { buffer, start } = self;
        let (buffer, result) = match buffer.writable() {
            Ok(mut buffer) => {
                let result = change(&mut buffer);
                (buffer.into_buffer(), Ok(result))
            }
            Err(buffer) => {
                let refused = not_a_sender(&buffer);
                (buffer, Err(refused))
            }
        };
        (Self { buffer, start }, result)
    }

    pub(crate) fn put(self) -> Result<(), Error> {
        self.buffer.put()
    }

    /// Submits it. A frame of a receive session is refused, and put.
    pub(crate) fn submit(self) -> Result<(), Error> {
        match self.buffer.writable() {
            Ok(buffer) => buffer.submit(),
            Err(buffer) => Err(not_a_sender(&buffer)),
        }
    }
}

fn not_a_sender(buffer: &OwnedBuffer) -> Error {
    Error::NotASender(buffer.session().name().to_owned())
}
