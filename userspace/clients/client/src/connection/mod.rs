//! Requests and answers on the attach socket. Get and put do not use them.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use onair_ipc::label;
use onair_ipc::message::{
    AttachRequest, DESCRIPTORS, Hello, MAX_PACKET, PROTOCOL_MISMATCH, PROTOCOLS, Request, Response,
    Tag, Welcome, read_response, write,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags,
    SocketAddrUnix, SocketFlags, SocketType, sockopt,
};

use crate::Error;

/// An answer with its descriptors.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Connects to the daemon at `path`, waiting at most `timeout` for a place in its backlog.
pub(crate) fn open(path: &Path, timeout: Duration) -> Result<OwnedFd, Error> {
    let failed = |source: Errno| Error::NoDaemon {
        path: path.to_owned(),
        source: source.into(),
    };
    let address = SocketAddrUnix::new(path).map_err(failed)?;
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(failed)?;
    // Bounds connect() too: it blocks while the listener's backlog is full. Zero would mean forever.
    let bound = timeout.max(Duration::from_millis(1));
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(bound)).map_err(failed)?;
    loop {
        match rustix::net::connect(&socket, &address) {
            Err(Errno::INTR) => {}
            // The bound passed.
            Err(Errno::AGAIN) => return Err(Error::NoAnswer(timeout)),
            result => return result.map(|()| socket).map_err(failed),
        }
    }
}

/// End of a wait, and its total length.
pub(crate) type Until = (Option<Instant>, Duration);

impl Answer {
    /// The answer to a request `R` about `session`; a refusal is an error.
    pub(crate) fn to<R: AttachRequest>(self, session: &str) -> Result<Answered<R>, Error> {
        match self.response {
            Response::Refused(refused) => Err(Error::refused(refused, session)),
            response => match R::Answer::try_from(response) {
                Ok(answer) => Ok((answer, self.descriptors)),
                Err(other) => Err(unexpected(&other, R::NAME)),
            },
        }
    }
}

/// The answer to a request `R`, with its descriptors.
pub(crate) type Answered<R> = (<R as AttachRequest>::Answer, Vec<OwnedFd>);

/// Sends `request`; waits for room in the socket.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    tag: Tag,
    request: &Request,
    until: Until,
) -> Result<(), Error> {
    let packet = write(tag, request)
        .map_err(|error| Error::Protocol(format!("cannot write a request: {error}")))?;
    if packet.len() > MAX_PACKET {
        // A name or a specification that the caller passed.
        return Err(system("send a request of more than 64 KiB", Errno::INVAL));
    }
    label!("request.begun");
    loop {
        match rustix::net::send(socket, &packet, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => await_event(socket, PollFlags::OUT, until)?,
            // The daemon may have sent the reason before it hung up: read on.
            Ok(_) | Err(Errno::PIPE | Errno::CONNRESET) => break,
            Err(errno) => return Err(system("send a request to the daemon", errno)),
        }
    }
    label!("request.sent");
    Ok(())
}

/// Waits for the next answer.
pub(crate) fn recv(socket: BorrowedFd<'_>, until: Until) -> Result<(Tag, Answer), Error> {
    let mut reset = false;
    loop {
        match receive(socket) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => await_event(socket, PollFlags::IN, until)?,
            // The daemon hung up and left our request unread. The kernel reports that once, and
            // before the daemon's last answers.
            Err(Errno::CONNRESET) if !reset => reset = true,
            Err(Errno::CONNRESET) => return Err(Error::Disconnected),
            Err(errno) => return Err(system("receive the daemon's answer", errno)),
            Ok(packet) => {
                label!("request.answered");
                return packet.read();
            }
        }
    }
}

fn system(what: &'static str, errno: Errno) -> Error {
    Error::System {
        what,
        source: io::Error::from(errno),
    }
}

fn await_event(
    socket: BorrowedFd<'_>,
    event: PollFlags,
    (deadline, timeout): Until,
) -> Result<(), Error> {
    let left = match deadline {
        None => None,
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::NoAnswer(timeout));
            }
            // A wait too long for a timespec is unlimited.
            Timespec::try_from(left).ok()
        }
    };
    match poll(
        &mut [PollFd::from_borrowed_fd(socket, event)],
        left.as_ref(),
    ) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(system("wait for the daemon", errno)),
    }
}

struct Packet {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    cut: bool,
    descriptors_cut: bool,
}

fn receive(socket: BorrowedFd<'_>) -> Result<Packet, Errno> {
    let mut bytes = vec![0; MAX_PACKET];
    // Space for one more descriptor than expected, to detect too many.
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS + 1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut descriptors = Vec::new();
    for item in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = item {
            descriptors.extend(received);
        }
    }
    bytes.truncate(message.bytes);
    Ok(Packet {
        bytes,
        descriptors,
        cut: message.flags.contains(ReturnFlags::TRUNC),
        descriptors_cut: message.flags.contains(ReturnFlags::CTRUNC),
    })
}

impl Packet {
    fn read(self) -> Result<(Tag, Answer), Error> {
        if self.bytes.is_empty() {
            return Err(Error::Disconnected);
        }
        // Fewer descriptors than the space allows: this process reached its limit.
        if self.descriptors_cut && self.descriptors.len() <= DESCRIPTORS {
            return Err(system(
                "take the session's memory files: raise the limit of open files (RLIMIT_NOFILE)",
                Errno::MFILE,
            ));
        }
        if self.cut || self.descriptors_cut {
            return Err(Error::Protocol("an answer was truncated".into()));
        }
        let (tag, response) = read_response(&self.bytes)
            .map_err(|error| Error::Protocol(format!("cannot read an answer: {error}")))?;
        let answer = Answer {
            response,
            descriptors: self.descriptors,
        };
        Ok((tag, answer))
    }
}

/// A connection before there is an attachment.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    timeout: Duration,
}

impl Connection {
    /// Connects and says hello.
    pub(crate) fn open(path: &Path, timeout: Duration) -> Result<Self, Error> {
        Self::over(open(path, timeout)?, timeout)
    }

    /// Says hello over a connected socket.
    pub(crate) fn over(socket: OwnedFd, timeout: Duration) -> Result<Self, Error> {
        let this = Self { socket, timeout };
        label!("attach.connected");
        this.hello(PROTOCOLS)?;
        Ok(this)
    }

    /// Says hello in the highest version of `spoken` that the daemon knows too.
    fn hello(&self, spoken: RangeInclusive<u32>) -> Result<Welcome, Error> {
        for protocol in spoken.clone().rev() {
            let hello = Hello {
                protocol,
                library: concat!("onair ", env!("CARGO_PKG_VERSION")).to_owned(),
                sites: onair_ipc::site::are_executed(),
            };
            let answer = self.exchange(hello.into())?;
            if let Response::Refused(refused) = &answer.response
                && refused.code == PROTOCOL_MISMATCH
                && protocol > *spoken.start()
            {
                continue;
            }
            let (welcome, _) = answer.to::<Hello>("hello")?;
            if welcome.protocol == protocol {
                return Ok(welcome);
            }
            return Err(Error::Protocol(format!(
                "{} speaks version {} of the messages, this library {protocol}",
                welcome.daemon, welcome.protocol
            )));
        }
        Err(Error::Protocol("this library speaks no protocol".into()))
    }

    /// Sends one request about `session`, and waits for its answer. No other request may be in
    /// progress.
    pub(crate) fn ask<R: AttachRequest>(
        &self,
        request: R,
        session: &str,
    ) -> Result<Answered<R>, Error> {
        self.exchange(request.into())?.to::<R>(session)
    }

    fn exchange(&self, request: Request) -> Result<Answer, Error> {
        let until = (Instant::now().checked_add(self.timeout), self.timeout);
        let socket = self.socket.as_fd();
        send(socket, 0, &request, until)?;
        match recv(socket, until)? {
            (0, answer) => Ok(answer),
            (tag, answer) => Err(Error::Protocol(format!(
                "{:?} came as the answer to a request {tag} that was not made",
                answer.response.name()
            ))),
        }
    }

    /// The socket, for the attachment.
    pub(crate) fn into_socket(self) -> OwnedFd {
        self.socket
    }
}

/// The error for an answer that does not belong to the request.
pub(crate) fn unexpected(response: &Response, request: &str) -> Error {
    Error::Protocol(format!(
        "{:?} came as the answer to {request:?}",
        response.name()
    ))
}

#[cfg(test)]
mod tests;
