//! A new daemon takes the place of a running one, beside which it starts: `onairctl upgrade`.
//!
//! A restart costs mostly the start: DPDK, the kernel's types, the probe's programs. None of it needs
//! anything that the running daemon has. So the order is:
//!
//! 1. The running daemon, the *predecessor*, starts the program at its own path again, with its own arguments and a
//!    socket as its standard input ([`Takeover::begin`]). It serves on.
//! 2. The new one, the *successor*, reads the configuration and starts whatever needs nothing of the predecessor. It
//!    opens the ports that two processes can have at once, AF_PACKET among them; no session receives from them yet, and
//!    they leave the flags of their interfaces alone. It watches the files of the processes that the predecessor's probe watches
//!    (`clients`): these attach again. Then it drops what these ports have received, says `prepared`, and
//!    waits ([`Predecessor::wait`]): what comes from here on stays in their rings. It opens ports on AF_XDP, which it has
//!    prepared, when the predecessor says that it has `left` their queues. If it ends before
//!    that, or takes too long, it is killed, the operation fails, and nothing has happened.
//! 3. The predecessor goes on for the time of a unit: each unit is whole in one of the two. Then it shuts down as after
//!    SIGTERM: it stops, destroys and certifies its sessions, closes its ports,
//!    writes its files. Three things are different. Its listening sockets stay: no daemon accepts from them, the kernel
//!    queues connections. It accepts no more clients on the attach socket from the begin on: they would only be
//!    refused. And it leaves interfaces as they are: ports that both can have stay open until its process ends, those on
//!    AF_XDP give up their queues alone, and their XDP program serves the successor.
//! 4. It sends `yours` with the descriptors of the listening sockets and of the lock of the state directory. From here
//!    on it touches nothing in that directory ([`HandOver`]). The journal of resources stays as it is: the successor
//!    takes over from it what an interface was before both.
//! 5. The successor says `taken`, opens files and what ports are left, restores the sessions, gives the pollers the ports
//!    that were open before, and accepts. A receive or local session keeps its first units for clients that attach again. The predecessor tells the service manager the new main process, and ends.
//!
//! *Two daemons never own one session.* A session belongs to the daemon that has the lock of the state directory
//! (flock(2)). The lock is a description in the kernel, not a message: it is the predecessor's until `yours` is on its
//! way, then it is in the socket, then the successor's; when a process dies it is free once no process has it any more.
//! Whichever process dies at any time, the successor begins only with the lock: the one that came with `yours`, or, once the
//! predecessor is gone without it, the one that it takes as every start does. `protocol.rs` decides both sides' steps;
//! its test walks through every order of steps and deaths.
//!
//! Not handed over: sessions, the gate's words, the probe's links. Clients attach again, as after
//! a restart; the certificate of a session is of the daemon that had it. Of sessions that have ended, and whose memory
//! clients keep, the successor gets the files, before `yours`: it completes their certificates when no process has them.
//!
//! If a part of the predecessor did not end in order (a poller hangs), it does not hand over: it ends, which releases
//! everything, and the successor takes the lock then.

mod channel;
mod predecessor;
mod protocol;
mod successor;

pub use self::predecessor::{HandOver, Irreplaceable, Takeover, TakeoverError};
pub use self::successor::{Ending, Inherited, Predecessor, StdinError};

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A listening socket, by what it is and where it listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listening {
    /// The control socket.
    Control(PathBuf),
    /// The attach socket.
    Attach(PathBuf),
    /// The metrics socket.
    Metrics(SocketAddr),
}
