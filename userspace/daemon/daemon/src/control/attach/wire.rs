//! Reads and writes packets.

use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use onair_api::{Problem, ProblemCode};
use onair_ipc::message::{KICK, MAX_PACKET, Refused, Request, Response, Tag, read_request, write};
use rustix::net::RecvFlags;
use tokio_seqpacket::ancillary::{AncillaryMessage, AncillaryMessageWriter};
use tokio_seqpacket::{MessageInfo, UnixSeqpacket};

/// A packet as received.
pub(super) enum Packet {
    End,
    Kick,
    Bad(String),
    Request(Tag, Request),
}

pub(super) async fn receive(socket: &UnixSeqpacket, buffer: &mut [u8]) -> Packet {
    // No control buffer: the kernel drops descriptors that a client sends.
    let received = socket.recv(buffer).await;
    packet(received, buffer)
}

/// Room for a sender's credentials, and for no descriptor: the kernel drops those.
#[repr(align(8))]
struct Credentials([u8; 32]);

/// As [`receive`], with the number of the process that sent the packet, if the socket names senders.
pub(super) async fn receive_named(
    socket: &UnixSeqpacket,
    buffer: &mut [u8],
) -> (Packet, Option<u32>) {
    let mut space = Credentials([0; 32]);
    let received = socket.recv_with_ancillary(buffer, &mut space.0).await;
    let mut sender = None;
    let received = received.map(|(info, ancillary)| {
        for message in ancillary.messages() {
            if let AncillaryMessage::Credentials(mut of) = message {
                sender = of.next().and_then(|it| it.pid()?.try_into().ok());
            }
        }
        info
    });
    (packet(received, buffer), sender)
}

fn packet(received: std::io::Result<MessageInfo>, buffer: &[u8]) -> Packet {
    match received {
        Ok(info) if info.bytes_read() == 0 => Packet::End,
        Ok(info) if info.truncated() => Packet::Bad(format!("longer than {MAX_PACKET} bytes")),
        Ok(info) => match &buffer[..info.bytes_read()] {
            [KICK] => Packet::Kick,
            bytes => match read_request(bytes) {
                Ok((tag, request)) => Packet::Request(tag, request),
                Err(error) => Packet::Bad(format!("not a request: {error}")),
            },
        },
        Err(_) => Packet::End,
    }
}

/// Sends a response to the request with `tag`; false if the client is gone or did not take it
/// within `timeout`.
pub(super) async fn send(
    socket: &UnixSeqpacket,
    tag: Tag,
    response: &Response,
    descriptors: &[BorrowedFd<'_>],
    timeout: Duration,
) -> bool {
    let mut text = write(tag, response).expect("maps have string keys");
    if text.len() > MAX_PACKET {
        // Only lists of blockers and certificates get this long; the control socket returns them in
        // full.
        let short = refusal(
            ProblemCode::Internal,
            "the answer is too long for this socket: ask for it on the control socket",
        );
        text = write(tag, &short).expect("strings only");
    }
    let mut space = [0; 128];
    let mut ancillary = AncillaryMessageWriter::new(&mut space);
    if !descriptors.is_empty() && ancillary.add_fds(descriptors).is_err() {
        return false;
    }
    let parts = [std::io::IoSlice::new(&text)];
    let sent = socket.send_vectored_with_ancillary(&parts, &mut ancillary);
    matches!(tokio::time::timeout(timeout, sent).await, Ok(Ok(_)))
}

/// Most packets that [`discard_unread`] takes.
const UNREAD: usize = 4096;

/// Before a socket is closed: takes no more packets, and discards those that wait. Otherwise the
/// client reads ECONNRESET before its refusal (unix(7)). It does not block.
pub(super) fn discard_unread(socket: &UnixSeqpacket) {
    if socket.shutdown(Shutdown::Read).is_err() {
        return;
    }
    let mut byte = [0; 1];
    let next = || rustix::net::recv(socket.as_async_fd(), &mut byte[..], RecvFlags::DONTWAIT);
    std::iter::repeat_with(next)
        .take(UNREAD)
        .take_while(|it| matches!(it, Ok((_, length)) if *length > 0))
        .for_each(drop);
}

pub(super) fn refuse(problem: Problem) -> Response {
    Response::Refused(Refused {
        code: problem.code.to_string(),
        message: problem.detail,
        blockers: problem
            .blockers
            .iter()
            .filter_map(|blocker| serde_json::to_value(blocker).ok())
            .collect(),
    })
}

pub(super) fn refusal(code: ProblemCode, message: impl Into<String>) -> Response {
    refuse(Problem::new(code, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn socket_closed_with_unread_packets_then_the_refusal_is_read() {
        let (client, socket) = UnixSeqpacket::pair().unwrap();
        for _ in 0..3 {
            client.send(b"unread").await.unwrap();
        }
        let refused = refusal(ProblemCode::LimitReached, "full");
        assert!(send(&socket, 0, &refused, &[], Duration::from_secs(30)).await);
        discard_unread(&socket);
        assert!(client.send(b"more").await.is_err());
        drop(socket);
        let mut buffer = vec![0; MAX_PACKET];
        let length = client.recv(&mut buffer).await.unwrap().bytes_read();
        assert!(buffer[..length].windows(4).any(|it| it == b"full"));
        assert_eq!(client.recv(&mut buffer).await.unwrap().bytes_read(), 0);
    }
}
