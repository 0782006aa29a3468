//! Asks ptp4l on its management socket, a Unix datagram socket.
//!
//! ptp4l answers to the path that the client's socket is bound to. The client connects its socket,
//! so that the kernel takes datagrams of ptp4l's socket only. Each answer has a deadline, a length
//! and a number of datagrams that are read for it at most.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use onair_api::PtpTimestamping;
use onair_ptp::{
    ClockIdentity, Content, DataSet, HardwareClock, PortIdentity, PortProperties, Reject, Reply,
    Request,
};

use super::{Reading, nearest_port};

/// Time for the answer to one request. ptp4l answers between two of its messages.
const ANSWER: Duration = Duration::from_millis(300);
/// Time for a request to find space in ptp4l's queue.
const SENDING: Duration = Duration::from_millis(100);
/// Most datagrams that are read for one request.
const DATAGRAMS: usize = 256;
/// Most ports whose answers are waited for.
const PORTS: usize = 64;
/// An answer is shorter: the longest has a name of 255 bytes.
const LONGEST: usize = 512;
/// The last PTP domain (IEEE 1588-2008, table 2), and the default of ST 2059-2.
const LAST_DOMAIN: u8 = 127;

/// Asks, on one socket of its own.
#[derive(Debug)]
pub struct PtpClient {
    socket: UnixDatagram,
    own: PathBuf,
    peers: Vec<PathBuf>,
    domain: Option<u8>,
    source: PortIdentity,
    link: Option<Link>,
    sequence: u16,
}

/// The ptp4l that answered.
#[derive(Clone, Debug)]
struct Link {
    peer: PathBuf,
    domain: u8,
}

/// Why there is no reading.
#[derive(Debug, thiserror::Error)]
pub enum Silence {
    /// No socket can be connected to.
    #[error(
        "ptp4l is not reached: {}. Start ptp4l, let the daemon's user write to its socket, or set \
         clock.ptp_socket", .0.join("; ")
    )]
    NotReached(Vec<String>),
    /// Nothing answers in the domain.
    #[error("{} does not answer{}: look in ptp4l's log, or set clock.ptp_domain", .0.display(), in_domain(.1))]
    NoAnswer(PathBuf, Option<u8>),
    /// A message arrived that is not an answer.
    #[error("what {} answers is not ptp4l's: {why}", peer.display())]
    Rejected {
        /// Its socket.
        peer: PathBuf,
        /// Why the last datagram was rejected.
        why: Reject,
    },
    /// Answers contradict each other or lack a part.
    #[error("the answers of {} do not fit together: {what}", peer.display())]
    Inconsistent {
        /// Its socket.
        peer: PathBuf,
        /// Its fault.
        what: &'static str,
    },
    /// A socket call failed.
    #[error("cannot ask {}: {error}", peer.display())]
    System {
        /// Its socket.
        peer: PathBuf,
        /// The kernel's error.
        error: io::Error,
    },
}

fn in_domain(domain: &Option<u8>) -> String {
    domain.map_or_else(String::new, |it| format!(" in PTP domain {it}"))
}

impl PtpClient {
    /// Asks the first of `peers` that can be connected to, with `socket`, which is bound to `own`.
    /// Without a `domain` it is searched for.
    #[must_use]
    pub fn new(
        socket: UnixDatagram,
        own: PathBuf,
        peers: Vec<PathBuf>,
        domain: Option<u8>,
    ) -> Self {
        // As pmc does, so that answers to several clients can be told apart in a trace.
        let number = u16::try_from(std::process::id() & 0xffff).expect("sixteen bits");
        Self {
            socket,
            own,
            peers,
            domain,
            source: PortIdentity {
                clock: ClockIdentity([0; 8]),
                number,
            },
            link: None,
            sequence: 0,
        }
    }

    /// The socket that answered last.
    #[must_use]
    pub fn peer(&self) -> Option<&Path> {
        self.link.as_ref().map(|link| link.peer.as_path())
    }

    /// Reads every data set once. Takes three seconds at most.
    ///
    /// # Errors
    /// [`Silence`]; the next call connects anew.
    pub fn ask(&mut self) -> Result<Reading, Silence> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.connect()?,
        };
        let reading = self.read(&link)?;
        self.link = Some(link);
        Ok(reading)
    }

    fn connect(&mut self) -> Result<Link, Silence> {
        let mut failed = Vec::new();
        for peer in self.peers.clone() {
            match self.connect_to(&peer) {
                Ok(()) => {
                    let domain = self.find_domain(&peer)?;
                    return Ok(Link { peer, domain });
                }
                Err(error) => failed.push(format!("{}: {error}", peer.display())),
            }
        }
        Err(Silence::NotReached(failed))
    }

    fn connect_to(&self, peer: &Path) -> io::Result<()> {
        self.socket.connect(peer)?;
        self.socket.set_write_timeout(Some(SENDING))?;
        // Only now: before, every process could have sent to it.
        if std::fs::metadata(peer)?.uid() != 0 {
            let all = std::fs::Permissions::from_mode(0o666);
            std::fs::set_permissions(&self.own, all)?;
        }
        // What an earlier peer sent.
        self.socket.set_nonblocking(true)?;
        let mut byte = [0];
        for _ in 0..DATAGRAMS {
            if self.socket.recv(&mut byte).is_err() {
                break;
            }
        }
        self.socket.set_nonblocking(false)
    }

    /// A request of another domain is not answered: each is tried, the usual ones first.
    fn find_domain(&mut self, peer: &Path) -> Result<u8, Silence> {
        let all = [0, LAST_DOMAIN].into_iter().chain(1..LAST_DOMAIN);
        let all: Vec<u8> = self.domain.map_or_else(|| all.collect(), |it| vec![it]);
        self.sequence = self.sequence.wrapping_add(1);
        for domain in all {
            match self.send(peer, DataSet::Default, domain) {
                // Its queue is full, perhaps because ours is.
                Err(Silence::NoAnswer(..)) => break,
                sent => sent?,
            }
        }
        let is_own_domain = |reply: &Reply| match &reply.content {
            Content::Default(clock) => clock.domain == reply.domain,
            _ => false,
        };
        let found = self.collect(peer, 1, is_own_domain)?;
        let domain = found.first().map(|reply| reply.domain);
        domain.ok_or_else(|| Silence::NoAnswer(peer.to_owned(), self.domain))
    }

    fn read(&mut self, link: &Link) -> Result<Reading, Silence> {
        let wrong = |what| Silence::Inconsistent {
            peer: link.peer.clone(),
            what,
        };
        let Content::Default(clock) = self.question_one(link, DataSet::Default)?.content else {
            return Err(wrong("no default data set"));
        };
        let Content::TimeProperties(time) =
            self.question_one(link, DataSet::TimeProperties)?.content
        else {
            return Err(wrong("no time properties"));
        };
        let Content::Parent(parent) = self.question_one(link, DataSet::Parent)?.content else {
            return Err(wrong("no parent data set"));
        };
        let Content::Current(current) = self.question_one(link, DataSet::Current)?.content else {
            return Err(wrong("no current data set"));
        };
        let ports = usize::from(clock.ports).clamp(1, PORTS);
        let of_clock = |port: &PortProperties| port.port.clock == clock.identity;
        let mut found = self.ports(link, DataSet::PortProperties, ports)?;
        found.retain(of_clock);
        if found.is_empty() {
            found = self.ports(link, DataSet::Port, ports)?;
            found.retain(of_clock);
        }
        let port = nearest_port(found).ok_or_else(|| wrong("no port of the clock"))?;
        let is_hardware = matches!(port.link, Some((PtpTimestamping::Hardware, _)));
        let hardware_clock = if is_hardware {
            self.hardware_clock(link, ports, port.port)?
        } else {
            None
        };
        Ok(Reading {
            clock,
            current,
            parent,
            time,
            port,
            hardware_clock,
        })
    }

    fn ports(
        &mut self,
        link: &Link,
        data_set: DataSet,
        ports: usize,
    ) -> Result<Vec<PortProperties>, Silence> {
        let replies = self.question(link, data_set, ports)?;
        let ports = replies.into_iter().filter_map(|it| match it.content {
            Content::Port(port) | Content::PortProperties(port) => Some(port),
            _ => None,
        });
        Ok(ports.collect())
    }

    fn hardware_clock(
        &mut self,
        link: &Link,
        ports: usize,
        of: PortIdentity,
    ) -> Result<Option<u32>, Silence> {
        let replies = self.question(link, DataSet::PortHardwareClock, ports)?;
        Ok(replies.into_iter().find_map(|it| match it.content {
            Content::HardwareClock(HardwareClock { port, index }) if port == of => index,
            _ => None,
        }))
    }

    fn question_one(&mut self, link: &Link, data_set: DataSet) -> Result<Reply, Silence> {
        let mut replies = self.question(link, data_set, 1)?;
        let none = || Silence::NoAnswer(link.peer.clone(), Some(link.domain));
        replies.pop().ok_or_else(none)
    }

    /// Up to `count` answers to one request; a refusal is the last one.
    fn question(
        &mut self,
        link: &Link,
        data_set: DataSet,
        count: usize,
    ) -> Result<Vec<Reply>, Silence> {
        self.sequence = self.sequence.wrapping_add(1);
        self.send(&link.peer, data_set, link.domain)?;
        let id = data_set.id();
        let is_asked = |reply: &Reply| reply.content.about() == id && reply.domain == link.domain;
        self.collect(&link.peer, count, is_asked)
    }

    fn send(&self, peer: &Path, data_set: DataSet, domain: u8) -> Result<(), Silence> {
        let request = Request {
            data_set,
            domain,
            sequence: self.sequence,
            source: self.source,
        };
        let sent = self.socket.send(&request.bytes());
        sent.map(drop).map_err(|error| match error.kind() {
            // Its queue is full.
            ErrorKind::WouldBlock => Silence::NoAnswer(peer.to_owned(), self.domain),
            _ => system(peer, error),
        })
    }

    fn collect(
        &self,
        peer: &Path,
        count: usize,
        is_asked: impl Fn(&Reply) -> bool,
    ) -> Result<Vec<Reply>, Silence> {
        let deadline = Instant::now() + ANSWER;
        let mut found = Vec::new();
        let mut rejected = None;
        let mut buffer = [0; LONGEST];
        for _ in 0..DATAGRAMS {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || found.len() >= count {
                break;
            }
            let limited = self.socket.set_read_timeout(Some(left));
            limited.map_err(|error| system(peer, error))?;
            let length = match self.socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(system(peer, error)),
            };
            match Reply::parse(&buffer[..length]) {
                Ok(reply) => {
                    let is_ours = (reply.sequence, reply.target) == (self.sequence, self.source);
                    if is_ours && is_asked(&reply) {
                        let is_refused = matches!(reply.content, Content::Refused { .. });
                        found.push(reply);
                        if is_refused {
                            break;
                        }
                    }
                }
                Err(why) => rejected = Some(why),
            }
        }
        match rejected {
            Some(why) if found.is_empty() => Err(Silence::Rejected {
                peer: peer.to_owned(),
                why,
            }),
            _ => Ok(found),
        }
    }
}

fn system(peer: &Path, error: io::Error) -> Silence {
    Silence::System {
        peer: peer.to_owned(),
        error,
    }
}

#[cfg(test)]
mod tests;
