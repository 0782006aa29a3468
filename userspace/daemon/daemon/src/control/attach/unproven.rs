//! A process that was opened by its number: whether it is the one that sends.
//!
//! The number that SO_PEERCRED gave may belong to another process when it is opened. A packet proves that it
//! does not: the kernel names its sender (SCM_CREDENTIALS, unix(7)), it was sent after the process was opened, and
//! the process still lives, so it had the number all the time.

use std::os::fd::BorrowedFd;

use onair_api::{Problem, ProblemCode};
use onair_ipc::message::Request;
use onair_mutant::mutant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::sockopt::set_socket_passcred;

/// A pidfd that is not proven to be of the process that sends.
#[derive(Debug)]
pub(super) struct Unproven {
    pid: u32,
    /// The next message was sent after the pidfd was opened.
    is_fresh: bool,
}

/// From now on packets to `socket` carry the number of their sender, or no longer.
pub(super) fn name_senders(socket: BorrowedFd<'_>, is_wanted: bool) -> std::io::Result<()> {
    Ok(set_socket_passcred(socket, is_wanted)?)
}

impl Unproven {
    /// The process `pid`, right after it was opened; before, [`name_senders`] was called.
    pub(super) fn new(pid: u32, socket: BorrowedFd<'_>) -> Self {
        let is_fresh = is_empty(socket);
        Self { pid, is_fresh }
    }

    /// Whether `request`, just received from `sender`, proves that `pidfd` is of the sender. A hello may wait in the
    /// socket since before; its sender waits for the answer, so the next request was sent after it.
    ///
    /// # Errors
    /// `forbidden`: another process sends, or the process has ended. `invalid_request`: a request that was sent
    /// before the answer to the hello.
    pub(super) fn is_proven(
        &mut self,
        request: &Request,
        sender: Option<u32>,
        pidfd: BorrowedFd<'_>,
        socket: BorrowedFd<'_>,
    ) -> Result<bool, Problem> {
        let was_fresh = self.is_fresh;
        // The answer is not sent yet.
        self.is_fresh |= is_empty(socket);
        let refused = |code, what: String| Err(Problem::new(code, what));
        if !mutant!("attach: an early packet proves its sender", true, was_fresh) {
            return match request {
                Request::Hello(_) => Ok(false),
                _ => refused(
                    ProblemCode::InvalidRequest,
                    "wait for the answer to the hello before the next request".to_owned(),
                ),
            };
        }
        let connected = self.pid;
        match sender {
            Some(pid) if mutant!("attach: any sender will do", true, pid == connected) => {}
            sender => {
                let sender =
                    sender.map_or("another one".to_owned(), |pid| format!("process {pid}"));
                return refused(
                    ProblemCode::Forbidden,
                    format!(
                        "process {connected} connected and {sender} sends: connect in the process that attaches"
                    ),
                );
            }
        }
        if !is_alive(pidfd) {
            return refused(ProblemCode::Forbidden, "your process has ended".to_owned());
        }
        Ok(true)
    }
}

/// Whether no packet waits in the socket.
fn is_empty(socket: BorrowedFd<'_>) -> bool {
    let mut byte = [0; 1];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    rustix::net::recv(socket, &mut byte[..], flags).is_err_and(|error| error == Errno::AGAIN)
}

fn is_alive(pidfd: BorrowedFd<'_>) -> bool {
    let mut asked = [PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
    poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ended| ended == 0)
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, OwnedFd};
    use std::process::Command;

    use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};
    use tokio_seqpacket::UnixSeqpacket;

    use super::super::wire::{Packet, receive_named};
    use super::*;

    const HELLO: &[u8] = br#"{"type":"hello","protocol":4,"library":"x","sites":true}"#;
    const ATTACH: &str = r#"{"type":"attach","session":"cam"}"#;

    /// A connection of this process, which was opened by its number.
    struct Opened {
        client: UnixSeqpacket,
        socket: UnixSeqpacket,
        pidfd: OwnedFd,
        unproven: Unproven,
    }

    fn fd(socket: &UnixSeqpacket) -> BorrowedFd<'_> {
        socket.as_async_fd().get_ref().as_fd()
    }

    impl Opened {
        /// `before` is sent before it is opened.
        async fn after(before: &[&[u8]]) -> Self {
            let (client, socket) = UnixSeqpacket::pair().unwrap();
            name_senders(fd(&socket), true).unwrap();
            for packet in before {
                client.send(packet).await.unwrap();
            }
            Self {
                pidfd: pidfd_open(getpid(), PidfdFlags::empty()).unwrap(),
                unproven: Unproven::new(std::process::id(), fd(&socket)),
                client,
                socket,
            }
        }

        async fn next(&mut self) -> Result<bool, Problem> {
            let mut buffer = [0; 1024];
            let (packet, sender) = receive_named(&self.socket, &mut buffer).await;
            let Packet::Request(_, request) = packet else {
                panic!("no request");
            };
            let (pidfd, socket) = (self.pidfd.as_fd(), fd(&self.socket));
            self.unproven.is_proven(&request, sender, pidfd, socket)
        }
    }

    #[tokio::test]
    async fn packet_sent_after_the_open_then_its_sender_is_proven() {
        let mut opened = Opened::after(&[]).await;
        opened.client.send(HELLO).await.unwrap();
        assert!(opened.next().await.unwrap());
        // A hello that waited, and what follows its answer.
        let mut opened = Opened::after(&[HELLO]).await;
        assert!(!opened.next().await.unwrap());
        opened.client.send(ATTACH.as_bytes()).await.unwrap();
        assert!(opened.next().await.unwrap());
    }

    #[tokio::test]
    async fn request_sent_before_the_open_then_refused() {
        let mut opened = Opened::after(&[HELLO, ATTACH.as_bytes()]).await;
        assert!(!opened.next().await.unwrap());
        let refused = opened.next().await.unwrap_err();
        assert_eq!(refused.code, ProblemCode::InvalidRequest);
    }

    #[tokio::test]
    async fn packet_of_another_process_then_refused_with_both_numbers() {
        let mut opened = Opened::after(&[]).await;
        let stdout = fd(&opened.client).try_clone_to_owned().unwrap();
        let mut other = Command::new("printf");
        let mut other = other.args(["%s", ATTACH]).stdout(stdout).spawn().unwrap();
        let refused = opened.next().await.unwrap_err();
        other.wait().unwrap();
        assert_eq!(refused.code, ProblemCode::Forbidden);
        for pid in [std::process::id(), other.id()] {
            let named = format!("process {pid} ");
            assert!(refused.detail.contains(&named), "{}", refused.detail);
        }
    }

    #[tokio::test]
    async fn process_that_was_opened_is_dead_then_refused() {
        let mut opened = Opened::after(&[]).await;
        // As if it had had the number before this process.
        let mut dead = Command::new("true").spawn().unwrap();
        let pid = Pid::from_child(&dead);
        opened.pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        dead.wait().unwrap();
        opened.client.send(HELLO).await.unwrap();
        let refused = opened.next().await.unwrap_err();
        assert_eq!(refused.code, ProblemCode::Forbidden);
    }
}
