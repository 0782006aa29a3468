//! The memory of a session, or of clients that left one.

use std::sync::Arc;

use onair_ipc::frames::FrameMemory;
use onair_ipc::memfd::Memfd;
use onair_ipc::memory::AttachmentMemory;
use serde::{Deserialize, Serialize};

/// Memory that a process may still have mapped.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct RetiredMemory {
    /// Memory of clients.
    pub clients: Vec<ClientMemory>,
    /// Frames of the session itself.
    pub own: Vec<FrameMemory>,
}

/// The memory of one client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClientMemory {
    /// The client's user.
    pub uid: u32,
    /// Shared words of the attachment.
    #[serde(with = "onair_ipc::described::shared")]
    pub words: Arc<AttachmentMemory>,
    /// Frames of a sender.
    pub frames: Option<FrameMemory>,
}

impl ClientMemory {
    /// Maximum size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let geometry = self.words.geometry();
        let frames = self.frames.as_ref().map_or(0, FrameMemory::len);
        (geometry.ctl_len() + geometry.seg_len() + frames) as u64
    }
}

impl RetiredMemory {
    /// Shared words of attachments.
    pub fn words(&self) -> impl Iterator<Item = &Arc<AttachmentMemory>> {
        self.clients.iter().map(|it| &it.words)
    }

    /// All frame memory.
    pub fn frames(&self) -> impl Iterator<Item = &FrameMemory> {
        let senders = self.clients.iter().filter_map(|it| it.frames.as_ref());
        senders.chain(&self.own)
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &Memfd> {
        let words = self.words().flat_map(|it| it.files());
        words.chain(self.frames().map(FrameMemory::file))
    }

    /// Maximum size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes_by_user(0).map(|(_, bytes)| bytes).sum()
    }

    /// Maximum size in bytes, with the user that it is charged to: what a client had to the client's, and the
    /// session's own to `owner`. A user may come several times.
    pub fn bytes_by_user(&self, owner: u32) -> impl Iterator<Item = (u32, u64)> {
        let clients = self.clients.iter().map(|it| (it.uid, it.bytes()));
        clients.chain(self.own.iter().map(move |it| (owner, it.len() as u64)))
    }

    /// Adds the memory of `others`.
    pub fn add(&mut self, others: Self) {
        self.clients.extend(others.clients);
        self.own.extend(others.own);
    }
}
