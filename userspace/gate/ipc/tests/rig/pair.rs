//! One attachment with the daemon's side and the client's in this process.
#![allow(dead_code, reason = "each test program uses a part")]

use std::os::fd::OwnedFd;
use std::sync::Arc;

use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_ipc::caller::Attachment;
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{Geometry, VERSION};
use onair_ipc::lender::Lender;
use onair_ipc::membarrier;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::message::Attached;

/// Number of the session.
pub(crate) const SESSION: u64 = 77;
/// Most frames on loan to an attachment of [`Pair::receiving`].
pub(crate) const QUOTA: u32 = 4;
/// Bytes of each of its frames.
pub(crate) const FRAME_BYTES: u32 = 1000;

fn format() -> VideoFormat {
    VideoFormat::new(20, 25, Depth::Eight, FrameRate::new(60, 1).unwrap()).unwrap()
}

/// The description of attachment `number` for its client.
pub(crate) fn attached(number: u64, sends: bool, geometry: Geometry) -> Attached {
    Attached {
        session: format!("{SESSION:016x}"),
        name: "test".into(),
        attachment: number,
        owner: false,
        sends,
        local: false,
        version: VERSION,
        geometry,
        format: format().into(),
        layout: None,
        quota: QUOTA,
        watched: false,
    }
}

/// A connection: the daemon's end and the client's.
pub(crate) fn connection() -> (OwnedFd, OwnedFd) {
    rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::SEQPACKET,
        rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK,
        None,
    )
    .unwrap()
}

/// One attachment, open and started.
pub(crate) struct Pair {
    pub(crate) memory: Arc<AttachmentMemory>,
    pub(crate) client: Arc<Attachment>,
    /// The daemon's end of the connection.
    pub(crate) socket: OwnedFd,
}

impl Pair {
    /// Attachment `number` of a session with `frames`. `plain`: its callers count with plain
    /// stores.
    pub(crate) fn new(number: u64, sends: bool, frames: &FrameMemory, plain: bool) -> Self {
        let geometry = frames.geometry();
        let memory = Arc::new(AttachmentMemory::create(SESSION, number, geometry).unwrap());
        memory.open();
        memory.start();
        let (ctl, seg) = memory.for_client().unwrap();
        let files = [ctl, seg, frames.for_client().unwrap()];
        let (socket, theirs) = connection();
        let about = attached(number, sends, geometry);
        let client = Attachment::map(&about, SESSION, files, theirs, plain).unwrap();
        Self {
            memory,
            client,
            socket,
        }
    }

    /// Whether a kick arrived; consumes it.
    pub(crate) fn is_kicked(&self) -> bool {
        let mut byte = [0; 8];
        rustix::net::recv(&self.socket, &mut byte, rustix::net::RecvFlags::DONTWAIT).is_ok()
    }
}

/// One attachment with frames and the daemon's ledger.
pub(crate) struct Session {
    pub(crate) lender: Lender,
    pub(crate) frames: FrameMemory,
    pub(crate) memory: Arc<AttachmentMemory>,
    pub(crate) client: Arc<Attachment>,
    pub(crate) pair: Pair,
}

impl Session {
    /// Of six frames, [`QUOTA`] of them for its one client, which takes them.
    pub(crate) fn receiving() -> Self {
        Self::with(6, false)
    }

    /// The same; its client fills the frames.
    pub(crate) fn sending() -> Self {
        Self::with(6, true)
    }

    fn with(count: u32, sends: bool) -> Self {
        let geometry = Geometry::new(count, FRAME_BYTES).unwrap();
        let frames = FrameMemory::create(geometry, !sends).unwrap();
        let pair = Pair::new(5, sends, &frames, membarrier::register());
        Self {
            lender: Lender::new(pair.memory.clone(), QUOTA),
            frames,
            memory: pair.memory.clone(),
            client: pair.client.clone(),
            pair,
        }
    }

    /// Stops the session, and wakes every caller.
    pub(crate) fn stop(&self) {
        self.memory.stop();
        while self.memory.wake_some(64) {}
    }

    /// Publishes these frames, without a description.
    pub(crate) fn publish(&mut self, frames: impl IntoIterator<Item = u32>) {
        for frame in frames {
            self.lender.publish(frame, &Default::default()).unwrap();
        }
    }
}
