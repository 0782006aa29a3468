//! Client library of OnAir: attach to a session of the daemon, take frames out of shared memory and
//! give them back, stop, and end a session that this process created.
//!
//! ```no_run
//! use onair::{Client, Error, Timeout};
//!
//! let session = Client::from_env().attach("cam1")?;
//! loop {
//!     match session.buffer_get(Timeout::NEVER) {
//!         Ok(buffer) => println!("frame {}: {} bytes", buffer.number(), buffer.len()),
//!         // Stopped: wait it out instead of asking again and again.
//!         Err(Error::Stopped) => session.wait_started(Timeout::NEVER)?,
//!         Err(error) => return Err(error),
//!     }
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), Error>(())
//! ```
//!
//! - A [`Session`] is used by any number of threads at once, through `&Session` or `Arc<Session>`.
//! - A call that finds a frame makes no system call; one that does not sleeps without using a
//!   processor. The library has no time-outs of its own on these calls: the caller decides.
//! - Every error has an errno equivalent, [`Error::errno`].
//! - After `fork` the child's copies answer `ESTALE`; it attaches anew if it wants frames. A child
//!   made by a raw `clone(2)` that skips `pthread_atfork` faults instead.
//!
//! Never here: HTTP, DPDK, and unsafe code; the words in shared memory are crate `onair-ipc`'s.
#![forbid(unsafe_code)]

mod buffer;
mod certificate;
mod client;
mod connection;
mod ending;
mod error;
mod event_fd;
mod layout;
mod line;
mod raw;
mod session;
mod status;
mod timeout;

pub use buffer::{Buffer, BufferMut, PutError};
pub use certificate::Certificate;
pub use client::{Client, DEFAULT_SOCKET, SOCKET_VARIABLE};
pub use error::{Busy, Error};
pub use event_fd::EventFd;
pub use layout::{Layout, Pgroup};
pub use raw::RawBuffer;
pub use session::Session;
pub use status::{Incomplete, Status};
pub use timeout::Timeout;

pub use onair_ipc::event::{Event, EventKind};
pub use onair_ipc::meta::MissingRange;
pub use onair_types::{Blocker, SessionId, SessionSpec};
