//! Client library of OnAir: attach to a session of the daemon, get frames from shared memory and
//! put them back, stop, and end a session that this process created.
//!
//! ```no_run
//! use onair::{Client, Error, Timeout};
//!
//! let session = Client::from_env().attach("cam1")?;
//! loop {
//!     match session.buffer_get(Timeout::NEVER) {
//!         Ok(buffer) => println!("frame {}: {} bytes", buffer.number(), buffer.len()),
//!         // Stopped: wait for the start instead of polling.
//!         Err(Error::Stopped) => session.wait_started(Timeout::NEVER)?,
//!         Err(error) => return Err(error),
//!     }
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), Error>(())
//! ```
//!
//! - Any number of threads may use a [`Session`] at once, through `&Session` or `Arc<Session>`.
//! - A call that finds a frame makes no system call. A call that finds none sleeps without using a
//!   processor. The library has no time-outs of its own on these calls: the caller decides.
//! - Every error has an errno equivalent, [`Error::errno`].
//! - After `fork` the child's copies return `ESTALE`; the child attaches again if it needs frames.
//!   A child made by a raw `clone(2)` that skips `pthread_atfork` faults instead.
//!
//! Not in this crate: HTTP, DPDK, and unsafe code. Crate `onair-ipc` handles the shared memory.
#![forbid(unsafe_code)]

/// The programs of the page compile.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/client.md")]
mod page {}

mod ancillary;
mod attach;
mod audio;
mod buffer;
mod carries;
mod certificate;
mod client;
mod connection;
mod error;
mod event_fd;
mod group;
mod jpeg_xs;
mod layout;
mod link;
mod parts;
mod reattach;
mod session;
mod timeout;
mod video;

pub use ancillary::{AncillarySession, AncillaryView};
pub use audio::{AudioSession, AudioView};
pub use buffer::{
    Buffer, BufferMut, BufferMutOf, BufferOf, Lender, LenderOf, OpenBuffer, OpenBufferOf,
    OwnedBuffer, OwnedBufferMut, OwnedOpenBuffer, PutError, RawBuffer,
};
pub use carries::Carries;
pub use certificate::Certificate;
pub use client::{Client, DEFAULT_SOCKET, SOCKET_VARIABLE};
pub use error::{Busy, Error};
pub use event_fd::EventFd;
pub use group::{Group, GroupWriter, Member, Missing, NotProgramme, NotWritten, Step, Unit};
pub use jpeg_xs::{CodestreamView, JpegXsSession};
pub use layout::{Contents, Incomplete, Layout, Pictured, Status};
pub use parts::Parts;
pub use reattach::{Ended, Gap, Mark, Next, Reattaching};
pub use session::Session;
pub use timeout::Timeout;
pub use video::{
    Appearance, Assembly, Colorimetry, Depth, Field, Frame, FrameError, FrameOf, FrameRate, Frames,
    OwnedFrame, Pgroup, PixelAspect, Sampling, Scan, TransferCharacteristics, VideoFormat,
    VideoRange,
};
pub(crate) use video::{Pair, Pairing};

/// An attachment to a session of any essence.
pub type AnySession = Session<Contents>;

pub use onair_api::{Blocker, SessionId, SessionSpec};
pub use onair_essence::ancillary::unit::{
    AncPacket, Place, Record, Signalled, UnitError, UnitFull, UnitWriter,
};
pub use onair_essence::ancillary::{AncillaryStream, content as anc_content, st2038};
pub use onair_essence::audio::samples::write as write_samples;
pub use onair_essence::audio::{AudioFormat, AudioSample, Coding, S24};
pub use onair_essence::jpeg_xs::codestream as jpeg_xs_headers;
pub use onair_essence::jpeg_xs::{JpegXsStream, PacketMode};
pub use onair_ipc::event::{Event, EventKind};
pub use onair_ipc::meta::MissingRange;
pub use onair_pixels::pipe::{
    NotPiped, PipeFile, PipeFormat, PipeReader, PipeWriter, PipedError, UnknownPipeFile,
};
pub use onair_pixels::{ConvertError, Picture, PixelFormat, Plane, Planes, weave};
