//! Which conversions there are, and that their processes answer.
//!
//! A *link* is a converted session with its source. While it is wanted it has a process, to which two connections are
//! given, once. Their other ends are served by the listener of the attach socket, as those of any client. When both have
//! ended, because the process gave up or was evicted, it is let go, and started again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use onair_api::{Via, Who};
use onair_settings::access::peer::{Peer, this_daemon};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::process::{Signal, pidfd_send_signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_seqpacket::UnixSeqpacket;
use tokio_seqpacket::ancillary::AncillaryMessageWriter;

use super::process::{self, Kept};
use super::{BridgeConnection, BridgeEnd, Converters, Faults, Wanted};

/// Between two questions whether a process answers.
const ASK: Duration = Duration::from_secs(1);
/// Questions without an answer after which it is let go, as one that gave up: it is killed.
const UNANSWERED: u32 = 3;
/// Longest packet of a process.
const MAX_PACKET: usize = 1024;

/// A converted session, and its source.
type Link = (u64, u64);

/// Keeps the links. Runs on the control thread, for as long as that does.
#[derive(Debug)]
pub struct ConverterTask {
    pub(super) wanted: watch::Receiver<Wanted>,
    pub(super) shared: Shared,
}

/// State that all links share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) faults: watch::Sender<Faults>,
    pub(super) converters: watch::Sender<Converters>,
    pub(super) made: mpsc::Sender<(UnixSeqpacket, BridgeConnection)>,
    pub(super) cores: Vec<usize>,
}

impl ConverterTask {
    /// Runs in a `LocalSet`.
    pub async fn run(self) {
        let (mut wanted, shared) = (self.wanted, Rc::new(self.shared));
        let (mut links, mut linked) = (JoinSet::new(), BTreeSet::new());
        loop {
            let all: BTreeMap<u64, u64> = wanted.borrow_and_update().clone();
            for link in all {
                if linked.insert(link) {
                    let (wanted, shared) = (wanted.clone(), Rc::clone(&shared));
                    links.spawn_local(keep_linked(link, wanted, shared));
                }
            }
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() {
                    // The daemon ends.
                    return;
                },
                Some(ended) = links.join_next() => match ended {
                    Ok(link) => {
                        linked.remove(&link);
                    }
                    Err(error) => tracing::error!(%error, "a conversion's task failed"),
                },
            }
        }
    }
}

/// Keeps one link while it is wanted.
async fn keep_linked(link: Link, mut wanted: watch::Receiver<Wanted>, shared: Rc<Shared>) -> Link {
    let (session, source) = link;
    let note = |why: String| {
        tracing::warn!(session = %onair_api::SessionId(session), why, "not converted");
        let faults = |all: &mut Faults| drop(all.insert(session, why));
        shared.faults.send_modify(faults);
    };
    let (kept, mut news) = mpsc::unbounded_channel();
    let (_alive, ended) = std::sync::mpsc::channel();
    if let Err(error) = process::keep(&shared.cores, ended, kept) {
        note(format!("cannot start a thread: {error}"));
    }
    let mut running = None;
    // The cause is known: that it was killed then is none.
    let mut is_let_go = false;
    loop {
        tokio::select! {
            _ = wanted.wait_for(|all| all.get(&session) != Some(&source)) => break,
            end = live(&mut running) => {
                running = None;
                if let Some(why) = end {
                    note(why);
                    is_let_go = true;
                }
            }
            Some(kept) = news.recv() => {
                running = None;
                let started = match kept {
                    Kept::Started { pid, pidfd, socket } => {
                        Process::begin((pid, pidfd, socket), link, &shared).await
                    }
                    Kept::Down(_) if mem::take(&mut is_let_go) => continue,
                    Kept::Down(why) => Err(io::Error::other(why)),
                };
                match started {
                    Ok(process) => running = Some(process),
                    Err(why) => note(why.to_string()),
                }
            }
        }
    }
    shared.faults.send_modify(|all| drop(all.remove(&session)));
    link
}

/// A process that converts for one link.
#[derive(Debug)]
struct Process {
    pidfd: OwnedFd,
    socket: UnixSeqpacket,
    /// Ends with its second connection.
    served: oneshot::Receiver<()>,
    listed: Listed,
    converters: watch::Receiver<Converters>,
    asks: Interval,
    unanswered: u32,
    packet: Vec<u8>,
}

impl Process {
    /// Gives a process its connections.
    async fn begin(
        (pid, pidfd, socket): (u32, OwnedFd, OwnedFd),
        (session, source): Link,
        Shared {
            converters, made, ..
        }: &Shared,
    ) -> io::Result<Self> {
        let listed = Listed::enter(converters, pid, session);
        rustix::io::ioctl_fionbio(&socket, true)?;
        let socket = UnixSeqpacket::try_from(socket)?;
        let who = Who {
            command: "onair-convert".to_owned(),
            via: Via::Daemon,
            ..this_daemon(pid)
        };
        let peer = Peer {
            who,
            groups: Arc::default(),
        };
        let (serves, served) = oneshot::channel();
        let serves = Arc::new(serves);
        let connect = async |session, fills| {
            let (own, theirs) = UnixSeqpacket::pair()?;
            let connection = BridgeConnection {
                peer: peer.clone(),
                pidfd: pidfd.try_clone()?,
                end: BridgeEnd {
                    session,
                    fills,
                    _serves: Arc::clone(&serves),
                },
            };
            let sent = made.send((own, connection)).await;
            sent.map_err(io::Error::other)?;
            io::Result::Ok(OwnedFd::from(theirs))
        };
        let from = connect(source, false).await?;
        let to = connect(session, true).await?;
        let mut space = [0; 64];
        let mut ancillary = AncillaryMessageWriter::new(&mut space);
        ancillary.add_fds([&from, &to]).map_err(io::Error::other)?;
        // The first packet has room.
        socket
            .send_with_ancillary(b"convert", &mut ancillary)
            .await?;
        let mut asks = interval(ASK);
        asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            listed,
            converters: converters.subscribe(),
            pidfd,
            socket,
            served,
            asks,
            unanswered: 0,
            packet: vec![0; MAX_PACKET],
        })
    }

    /// Asks whether it goes on. False if it has not answered.
    fn ask(&mut self) -> bool {
        self.unanswered += 1;
        // A full socket is no answer either.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let _ = rustix::net::send(self.socket.as_async_fd().get_ref().as_fd(), b"?", flags);
        self.unanswered <= UNANSWERED
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A frozen one does not see that the socket is closed, and would hold its source.
        if let Err(error) = pidfd_send_signal(&self.pidfd, Signal::KILL)
            && error != Errno::SRCH
        {
            tracing::warn!(%error, "onair-convert is not killed");
        }
    }
}

/// A process in the list of those that convert. Dropped, it is out of it: the list is as long as there are processes.
#[derive(Debug)]
struct Listed {
    all: watch::Sender<Converters>,
    pid: u32,
    session: u64,
}

impl Listed {
    fn enter(all: &watch::Sender<Converters>, pid: u32, session: u64) -> Self {
        all.send_modify(|all| {
            all.insert(pid, (session, false));
        });
        Self {
            all: all.clone(),
            pid,
            session,
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        // The process of another session may have got the number.
        let (pid, session) = (self.pid, self.session);
        self.all.send_if_modified(|all| {
            all.extract_if(pid..=pid, |_, (of, _)| *of == session)
                .count()
                > 0
        });
    }
}

/// Returns when this process has been evicted.
async fn is_evicted(converters: &mut watch::Receiver<Converters>, pid: u32) {
    let is = |all: &Converters| all.get(&pid).is_some_and(|(_, evicted)| *evicted);
    let found = converters.wait_for(is).await;
    if found.is_err() {
        // The daemon ends.
        drop(found);
        std::future::pending::<()>().await;
    }
}

/// Returns when the process is to be let go: why it gave up, if it says so. Waits for ever without a process.
async fn live(process: &mut Option<Process>) -> Option<String> {
    let Some(process) = process else {
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            biased;
            said = process.socket.recv(&mut process.packet) => match said {
                Ok(info) if info.bytes_read() == 1 => match process.unanswered.checked_sub(1) {
                    Some(left) => process.unanswered = left,
                    None => return Some("onair-convert answers without a question: it is killed, and started again".to_owned()),
                },
                Ok(info) if info.bytes_read() > 1 => {
                    let text = String::from_utf8_lossy(&process.packet[..info.bytes_read()]);
                    return Some(onair_api::printable(&text));
                }
                // It has ended: the thread that waits for it says how.
                _ => return None,
            },
            _ = &mut process.served => return None,
            () = is_evicted(&mut process.converters, process.listed.pid) => {
                return Some("onair-convert was evicted: it is killed, and started again".to_owned());
            }
            _ = process.asks.tick() => if !process.ask() {
                return Some("onair-convert does not answer: it is killed, and started again".to_owned());
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Conversions;
    use super::*;

    #[test]
    fn process_evicted_then_listed_until_it_has_ended() {
        let (conversions, task, _connections) = Conversions::new(Vec::new());
        let converters = &task.shared.converters;
        // It does not run.
        conversions.end(7);
        assert!(converters.borrow().is_empty());
        let first = Listed::enter(converters, 7, 1);
        conversions.end(8);
        assert_eq!(*converters.borrow(), [(7, (1, false))].into());
        conversions.end(7);
        assert_eq!(*converters.borrow(), [(7, (1, true))].into());
        // Another session's process gets the number before the first one is let go.
        let second = Listed::enter(converters, 7, 2);
        drop(first);
        assert_eq!(*converters.borrow(), [(7, (2, false))].into());
        drop(second);
        conversions.end(7);
        assert!(converters.borrow().is_empty());
    }
}
