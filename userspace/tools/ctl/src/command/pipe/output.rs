//! The thread that writes to the other program, and the memory between it and the session.
//!
//! The main thread copies what it takes and returns it at once. A frame for which no memory is free is lost: the session
//! never waits for the reader.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use std::{mem, thread};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::pipe::fcntl_setpipe_size;

use super::counts::Counts;
use super::ending::{Ending, PipeEvent, Why};
use crate::failure::pipe::PipeFailure;

/// Frames between the session and the reader, besides those in the kernel.
const FRAMES: usize = 8;
/// Blocks of samples as well, of a group.
const BLOCKS: usize = 64;
/// How long the reader may take for what is under way at the end.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Between two looks for an end, while no frame comes from a session that is to come back.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// Capacity of a pipe that the kernel allows every user.
const UNPRIVILEGED_PIPE: usize = 1 << 20;

/// Bytes to write.
pub(super) struct Output {
    pub(super) header: Vec<u8>,
    pub(super) frame_bytes: usize,
    pub(super) target: Target,
    /// Frames that are wanted.
    pub(super) limit: u64,
    pub(super) counts: Arc<Counts>,
    pub(super) ending: Ending,
}

impl Output {
    /// Runs `pass` when the other program is there, while another thread writes what it passes on. Returns why it ended.
    pub(super) fn run(
        self,
        ends: &Receiver<PipeEvent>,
        pass: impl FnOnce(&mut Outlet) -> Why,
    ) -> Why {
        let (full, pieces) = channel();
        let (finished, writer_ended) = channel::<()>();
        let mut outlet = Outlet {
            full,
            frames: Pool::of(FRAMES),
            blocks: Pool::of(BLOCKS),
            left: self.limit,
            counts: Arc::clone(&self.counts),
        };
        thread::spawn(move || {
            self.write(pieces);
            drop(finished);
        });
        if let Ok(PipeEvent::End(why)) = ends.recv() {
            return why;
        }
        let mut why = pass(&mut outlet);
        // The first reason counts: it is what stopped the session.
        if let Ok(PipeEvent::End(first)) = ends.try_recv() {
            why = first;
        }
        drop(outlet);
        // A disconnect: the thread has ended.
        let _ = writer_ended.recv_timeout(LAST_WRITE);
        match ends.try_recv() {
            Ok(PipeEvent::End(late @ Why::Failed(_))) if matches!(why, Why::Enough) => late,
            _ => why,
        }
    }

    fn write(self, pieces: Receiver<Piece>) {
        let ending = self.ending.clone();
        let written = self.target.open(self.frame_bytes).and_then(|mut file| {
            let watched = file.try_clone()?;
            let of_reader = ending.clone();
            thread::spawn(move || {
                wait_for_close(&watched);
                of_reader.end(Why::ReaderGone);
            });
            ending.open();
            file.write_all(&self.header)?;
            for piece in pieces {
                file.write_all(&piece.bytes)?;
                match piece.is_frame {
                    true => drop(self.counts.passed(piece.bytes.len())),
                    false => self.counts.add_bytes(piece.bytes.len()),
                }
            }
            Ok(())
        });
        match written {
            Ok(()) => {}
            Err(error) if is_gone(&error) => ending.end(Why::ReaderGone),
            Err(error) => ending.end(Why::Failed(PipeFailure::Write(error))),
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset)
}

/// Where pieces go to the thread that writes.
pub(super) struct Outlet {
    full: Sender<Piece>,
    frames: Pool,
    blocks: Pool,
    /// Frames that are still wanted.
    left: u64,
    counts: Arc<Counts>,
}

impl Outlet {
    /// Memory for a frame or a block; `None`: it is lost, since the reader is too slow.
    pub(super) fn piece(&self, is_frame: bool) -> Option<Piece> {
        let piece = self.free_piece(is_frame);
        if piece.is_none() {
            self.counts.lose();
        }
        piece
    }

    /// The same for one that has not come whole; `None`: there is none yet.
    pub(super) fn free_piece(&self, is_frame: bool) -> Option<Piece> {
        let pool = if is_frame { &self.frames } else { &self.blocks };
        Some(Piece {
            bytes: pool.free.try_recv().ok()?,
            is_frame,
            back: pool.back.clone(),
        })
    }

    /// Passes a piece on to the reader.
    ///
    /// # Errors
    /// Why it was the last one.
    pub(super) fn pass(&mut self, piece: Piece) -> Result<(), Why> {
        self.left -= u64::from(piece.is_frame);
        self.full.send(piece).map_err(|_| Why::ReaderGone)?;
        match self.left {
            0 => Err(Why::Enough),
            _ => Ok(()),
        }
    }
}

/// A frame or a block on its way. Its drop returns the memory.
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    is_frame: bool,
    back: Sender<Vec<u8>>,
}

impl Drop for Piece {
    fn drop(&mut self) {
        // The main thread may have ended.
        drop(self.back.send(mem::take(&mut self.bytes)));
    }
}

/// Memory that is used again and again.
struct Pool {
    back: Sender<Vec<u8>>,
    free: Receiver<Vec<u8>>,
}

impl Pool {
    fn of(pieces: usize) -> Self {
        let (back, free) = channel();
        (0..pieces).for_each(|_| drop(back.send(Vec::new())));
        Self { back, free }
    }
}

/// Where frames go to or come from.
pub(super) enum Target {
    Standard(OwnedFd),
    Socket(UnixListener),
}

impl Target {
    /// Standard output or input.
    pub(super) fn standard(sends: bool) -> io::Result<Self> {
        let standard = match sends {
            true => io::stdin().as_fd().try_clone_to_owned(),
            false => io::stdout().as_fd().try_clone_to_owned(),
        };
        standard.map(Self::Standard)
    }

    /// A socket that waits for one program.
    pub(super) fn socket(path: &Path) -> Result<(Self, SocketFile), PipeFailure> {
        let path = path.to_owned();
        match UnixListener::bind(&path) {
            Ok(listener) => Ok((Self::Socket(listener), SocketFile(path))),
            Err(error) => Err(PipeFailure::Socket { path, error }),
        }
    }

    /// Waits for the other program. Lets the kernel keep up to a frame of so many bytes between the two.
    pub(super) fn open(self, frame_bytes: usize) -> io::Result<File> {
        let file = match self {
            Self::Standard(file) => file,
            Self::Socket(listener) => listener.accept()?.0.into(),
        };
        // Either is of one kind of target, and may be refused: less than a frame fits then.
        let _ = set_socket_send_buffer_size(&file, frame_bytes);
        if fcntl_setpipe_size(&file, frame_bytes).is_err() {
            let _ = fcntl_setpipe_size(&file, frame_bytes.min(UNPRIVILEGED_PIPE));
        }
        Ok(file.into())
    }
}

/// The file of a socket. Its drop removes it.
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// Returns when the reader of `file` has closed its end; never for a file.
pub(super) fn wait_for_close(file: &File) {
    // Nothing is asked for: errors and hang-ups are always told.
    let mut waits = [PollFd::new(file, PollFlags::empty())];
    while let Err(rustix::io::Errno::INTR) = poll(&mut waits, None) {}
}
