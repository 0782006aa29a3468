//! The socket between predecessor and successor: a message a packet, with descriptors.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::protocol::Message;

/// Longest packet, bytes: a few paths.
const MAX_PACKET: usize = 16 * 1024;
/// Descriptors that come with a message: the lock, and the sockets, or some of a session's files.
pub(super) const MAX_DESCRIPTORS: usize = 8;

/// One end.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

/// The result of a wait for a message.
#[derive(Debug)]
pub(super) enum Received {
    /// A message, with its descriptors.
    Message(Message, Vec<OwnedFd>),
    /// The other process has ended, or what it sent is no message of this version.
    Gone,
    /// The time is over.
    Late,
    /// The descriptor that was to end the wait is readable.
    Stopped,
}

impl Channel {
    /// Both ends: the second one is for another process.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (own, other) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self(own), other))
    }

    /// The end that this process was given.
    pub(super) fn of(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Sends a message. Does not wait: there is room for far more than what is said.
    ///
    /// # Errors
    /// The other process has ended.
    pub(super) fn send(&self, message: &Message, with: &[BorrowedFd<'_>]) -> io::Result<()> {
        let packet = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !with.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(with)) {
            return Err(io::Error::other("too many sockets to hand over"));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&self.0, &[IoSlice::new(&packet)], &mut ancillary, flags)?;
        Ok(())
    }

    /// Waits for a message until `deadline`, or until `stop` is readable.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn receive(
        &self,
        deadline: Option<Instant>,
        stop: Option<BorrowedFd<'_>>,
    ) -> io::Result<Received> {
        loop {
            let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
            let timeout = left.map(Timespec::try_from).transpose();
            let timeout = timeout.map_err(io::Error::other)?;
            let own = PollFd::new(&self.0, PollFlags::IN);
            let stop = stop.as_ref().map(|it| PollFd::new(it, PollFlags::IN));
            let mut polled: Vec<_> = [own].into_iter().chain(stop).collect();
            match poll(&mut polled, timeout.as_ref()) {
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
                Ok(0) => return Ok(Received::Late),
                // If both are readable, the message comes first.
                Ok(_) if polled[0].revents().is_empty() => return Ok(Received::Stopped),
                Ok(_) => return self.take(),
            }
        }
    }

    /// The message that has arrived.
    fn take(&self) -> io::Result<Received> {
        let mut packet = vec![0; MAX_PACKET];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let mut slices = [IoSliceMut::new(&mut packet)];
        let bytes = match recvmsg(&self.0, &mut slices, &mut ancillary, flags) {
            Ok(received) => received.bytes,
            // The other end was closed with unread messages.
            Err(Errno::CONNRESET) => 0,
            Err(error) => return Err(error.into()),
        };
        let mut descriptors = Vec::new();
        for item in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = item {
                descriptors.extend(received);
            }
        }
        Ok(match serde_json::from_slice(&packet[..bytes]) {
            Ok(message) => Received::Message(message, descriptors),
            Err(error) => {
                if bytes > 0 {
                    tracing::error!(%error, "the other daemon says something unintelligible");
                }
                Received::Gone
            }
        })
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::time::Duration;

    use super::*;
    use crate::takeover::Listening;

    fn pair() -> (Channel, Channel) {
        let (own, other) = Channel::pair().unwrap();
        (own, Channel::of(other))
    }

    #[test]
    fn message_with_descriptors_then_the_same_files_arrive() {
        let (own, other) = pair();
        let file = tempfile::tempfile().unwrap();
        let sockets = vec![Listening::Control("/run/a".into())];
        let message = Message::Yours { sockets };
        own.send(&message, &[file.as_fd(), file.as_fd()]).unwrap();
        let Received::Message(read, descriptors) = other.receive(None, None).unwrap() else {
            panic!("no message");
        };
        assert_eq!(read, message);
        let mut files: Vec<_> = descriptors.into_iter().map(File::from).collect();
        assert_eq!(files.len(), 2);
        files[1].write_all(b"four").unwrap();
        assert_eq!(file.metadata().unwrap().len(), 4);
    }

    #[test]
    fn other_end_closed_silent_or_unintelligible_then_said() {
        let (own, other) = pair();
        let soon = Some(Instant::now() + Duration::from_millis(1));
        assert!(matches!(own.receive(soon, None).unwrap(), Received::Late));
        let (stop, _kept) = pair();
        drop(_kept);
        let stopped = own.receive(None, Some(stop.as_fd())).unwrap();
        assert!(matches!(stopped, Received::Stopped));
        rustix::net::send(other.as_fd(), b"{}", SendFlags::empty()).unwrap();
        assert!(matches!(own.receive(None, None).unwrap(), Received::Gone));
        drop(other);
        assert!(matches!(own.receive(None, None).unwrap(), Received::Gone));
        assert!(own.send(&Message::Taken, &[]).is_err());
    }
}
