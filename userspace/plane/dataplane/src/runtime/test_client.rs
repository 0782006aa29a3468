//! The client of a runtime's tests.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use onair_essence::Format;
use onair_ipc::caller::{Attachment, Deadline, OwnedLoan};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::VERSION;
use onair_ipc::lender::Lender;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::message::Attached;

/// The session of all such clients.
pub(super) const SESSION: u64 = 7;

/// A client, with the daemon's part of its attachment.
pub(super) struct TestClient {
    pub(super) client: Arc<Attachment>,
    pub(super) memory: Arc<AttachmentMemory>,
    quota: u32,
    _daemons: OwnedFd,
}

impl TestClient {
    /// Attachment of this number, whose client `sends`, or fills the frames of a `local` session.
    pub(super) fn new(
        attachment: u64,
        (sends, local): (bool, bool),
        quota: u32,
        format: Format,
        frames: &FrameMemory,
    ) -> Self {
        let geometry = frames.geometry();
        let memory = Arc::new(AttachmentMemory::create(SESSION, attachment, geometry).unwrap());
        memory.open();
        memory.start();
        let (ctl, seg) = memory.for_client().unwrap();
        let flags = rustix::net::SocketFlags::CLOEXEC;
        let kind = rustix::net::SocketType::SEQPACKET;
        let pair = rustix::net::socketpair(rustix::net::AddressFamily::UNIX, kind, flags, None);
        let (socket, daemons) = pair.unwrap();
        let attached = Attached {
            session: format!("{SESSION:016x}"),
            name: "test".into(),
            attachment,
            owner: false,
            sends,
            local,
            version: VERSION,
            geometry,
            format,
            layout: None,
            quota,
            watched: false,
        };
        let frames = match sends && local {
            true => frames.file().for_filler(),
            false => frames.for_client(),
        };
        let files = [ctl, seg, frames.unwrap()];
        Self {
            client: Attachment::map(&attached, SESSION, files, socket, false).unwrap(),
            memory,
            quota,
            _daemons: daemons,
        }
    }

    pub(super) fn lender(&self) -> Lender {
        Lender::new(Arc::clone(&self.memory), self.quota)
    }

    /// A frame, if one is there.
    pub(super) fn take(&self) -> Option<OwnedLoan> {
        self.client.take_owned(Deadline::Now, None).ok()
    }
}
