//! As much of a daemon as a client needs to attach: the real words in shared memory, and no part that
//! decides anything. For what is measured between a client and the words alone.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair_essence::video::{Depth, FrameRate, VideoFormat};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{self, Geometry};
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::message::{Attached, MAX_PACKET, PROTOCOL, Request, Response, Welcome};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};

/// Its one session.
pub(crate) const SESSION: u64 = 1;
const WIDTH: u32 = 64;
const HEIGHT: u32 = 8;

/// The daemon's end of one attachment, opened and started.
pub(crate) struct HostedAttachment {
    pub(crate) memory: Arc<AttachmentMemory>,
    /// Keeps the frames mapped.
    pub(crate) _frames: FrameMemory,
}

/// Listens until the process ends.
pub(crate) struct Host {
    directory: tempfile::TempDir,
    attachments: Receiver<Result<HostedAttachment>>,
}

impl Host {
    /// A host whose attachments have `frames` frames.
    pub(crate) fn start(frames: u32) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let listener = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        let path = socket_in(directory.path());
        rustix::net::bind(&listener, &SocketAddrUnix::new(&path)?)?;
        rustix::net::listen(&listener, 16)?;
        let geometry =
            Geometry::new(frames, WIDTH * HEIGHT * 2).context("a geometry that is possible")?;
        let (told, attachments) = sync_channel(16);
        std::thread::spawn(move || listen(&listener, geometry, &told));
        Ok(Self {
            directory,
            attachments,
        })
    }

    /// The attach socket.
    pub(crate) fn path(&self) -> PathBuf {
        socket_in(self.directory.path())
    }

    /// The daemon's end of the next attachment.
    pub(crate) fn attachment(&self) -> Result<HostedAttachment> {
        self.attachments
            .recv_timeout(Duration::from_secs(20))
            .context("no client attached")?
    }
}

fn socket_in(directory: &Path) -> PathBuf {
    directory.join("attach.sock")
}

fn listen(listener: &OwnedFd, geometry: Geometry, told: &SyncSender<Result<HostedAttachment>>) {
    for attachment in 1.. {
        let Ok(socket) = rustix::net::accept_with(listener, SocketFlags::CLOEXEC) else {
            return;
        };
        let attachment = admit(&socket, attachment, geometry);
        if told.send(attachment).is_err() {
            return;
        }
        // The client's kicks go nowhere, but its connection stays.
        std::thread::spawn(move || while matches!(next(&socket), Ok(Some(_))) {});
    }
}

fn admit(socket: &OwnedFd, attachment: u64, geometry: Geometry) -> Result<HostedAttachment> {
    next(socket)?;
    let welcome = Response::from(Welcome {
        protocol: PROTOCOL,
        daemon: "onair-bench".into(),
    });
    answer(socket, &welcome, &[])?;
    let request = next(socket)?.context("the client hung up")?;
    let request: Request = serde_json::from_slice(&request)?;
    anyhow::ensure!(
        matches!(request, Request::Attach(_)),
        "the bench's host only attaches"
    );
    let memory = Arc::new(AttachmentMemory::create(SESSION, attachment, geometry)?);
    let frames = FrameMemory::create(geometry, true)?;
    memory.open();
    memory.start();
    let (ctl, seg) = memory.for_client()?;
    let attached = Attached {
        session: format!("{SESSION:016x}"),
        name: "bench".into(),
        attachment,
        owner: false,
        sends: false,
        local: false,
        version: layout::VERSION,
        geometry,
        format: VideoFormat::new(WIDTH, HEIGHT, Depth::Eight, FrameRate::new(60, 1)?)?.into(),
        layout: None,
        quota: 1,
        watched: false,
    };
    answer(
        socket,
        &Response::Attached(attached),
        &[ctl, seg, frames.for_client()?],
    )?;
    Ok(HostedAttachment {
        memory,
        _frames: frames,
    })
}

/// The next packet; `None` at the end.
fn next(socket: &OwnedFd) -> Result<Option<Vec<u8>>> {
    let mut packet = vec![0; MAX_PACKET];
    let (length, _) = rustix::net::recv(socket, &mut packet, RecvFlags::empty())?;
    packet.truncate(length);
    Ok((length > 0).then_some(packet))
}

fn answer(socket: &OwnedFd, response: &Response, files: &[OwnedFd]) -> Result<()> {
    let bytes = serde_json::to_vec(response)?;
    let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&files));
    }
    rustix::net::sendmsg(
        socket,
        &[IoSlice::new(&bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}
