//! A client process, with the product's own calls.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

use onair_api::{NewSession, Problem, SessionId, SessionRef, SessionView, Who};
use onair_engine::inputs::{AttachAction, Input, NoPlace};
use onair_engine::session::attachment::ClientProcess;
use onair_ipc::caller::Attachment;
use onair_ipc::membarrier;
use onair_settings::access::authority::Caller;

use super::{Life, root, who};

/// The daemon's end of a client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    id: u64,
    socket: UnixDatagram,
}

impl Connection {
    /// The kicks that have come.
    pub(super) fn kicks(&self) -> impl Iterator<Item = Input> {
        let connection = self.id;
        let came = || self.socket.recv(&mut [0]).is_ok();
        let kick = move || Input::Attach(AttachAction::Kick { connection });
        std::iter::from_fn(move || came().then(kick))
    }
}

/// A client process with a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The process, and what its user may do.
    pub caller: Caller,
    /// Its number.
    pub pid: u32,
    /// The connection.
    pub connection: u64,
    /// It attaches to fill a local session.
    pub fills: bool,
    /// It takes some frames, not all.
    pub samples: bool,
}

/// A client that is attached.
#[derive(Debug)]
pub struct Client {
    /// Its process.
    pub pid: u32,
    /// Its connection.
    pub connection: u64,
    /// Its attachment.
    pub attachment: Arc<Attachment>,
    /// Its memory, as it may pass it on.
    pub files: [OwnedFd; 3],
}

impl Client {
    /// The session, and its number there.
    #[must_use]
    pub fn place(&self) -> (SessionRef, u64) {
        let session = SessionId(self.attachment.session());
        (session.into(), self.attachment.attachment())
    }

    /// Its memory, passed on to another process.
    ///
    /// # Panics
    /// If no descriptors are left.
    #[must_use]
    pub fn pass_on(&self) -> [OwnedFd; 3] {
        let copy = |it: &OwnedFd| it.try_clone().expect("descriptors are left");
        self.files.each_ref().map(copy)
    }
}

impl Life {
    /// A new process of a user connects.
    pub fn peer(&mut self, caller: Caller) -> Peer {
        let pid = self.world.begin_process();
        self.connect(caller, pid)
    }

    /// A process connects.
    pub const fn connect(&mut self, mut caller: Caller, pid: u32) -> Peer {
        self.opened += 1;
        caller.who.pid = pid;
        Peer {
            caller,
            pid,
            connection: self.opened,
            fills: false,
            samples: false,
        }
    }

    /// A new process of root attaches to a session.
    ///
    /// # Errors
    /// The refusal.
    pub fn attach(&mut self, name: &str) -> Result<Client, Problem> {
        self.attach_as(root(), name, None)
    }

    /// A new process attaches to a session, in a layout if one is given.
    ///
    /// # Errors
    /// The refusal.
    pub fn attach_as(
        &mut self,
        caller: Caller,
        name: &str,
        layout: Option<&str>,
    ) -> Result<Client, Problem> {
        let peer = self.peer(caller);
        let session = self.reserve(&peer, name, layout)?;
        self.admit(&peer, session)
    }

    /// A new process of root attaches to fill a local session.
    ///
    /// # Errors
    /// The refusal.
    pub fn attach_to_fill(&mut self, name: &str) -> Result<Client, Problem> {
        let peer = Peer {
            fills: true,
            ..self.peer(root())
        };
        let session = self.reserve(&peer, name, None)?;
        self.admit(&peer, session)
    }

    /// A new process of root attaches to sample a session.
    ///
    /// # Errors
    /// The refusal.
    pub fn attach_to_sample(&mut self, name: &str) -> Result<Client, Problem> {
        let peer = Peer {
            samples: true,
            ..self.peer(root())
        };
        let session = self.reserve(&peer, name, None)?;
        self.admit(&peer, session)
    }

    /// Reserves a place; the session that it is in.
    ///
    /// # Errors
    /// The refusal.
    ///
    /// # Panics
    /// If `name` is no name.
    pub fn reserve(
        &mut self,
        peer: &Peer,
        name: &str,
        layout: Option<&str>,
    ) -> Result<u64, Problem> {
        let reserved = self.attach_action(|reply| AttachAction::Reserve {
            caller: peer.caller.clone(),
            session: name.parse().expect("a name or an id"),
            layout: layout.map(str::to_owned),
            fills: peer.fills,
            reply,
        })?;
        match reserved {
            Ok(reserved) => Ok(reserved.session),
            Err(NoPlace { problem, .. }) => Err(*problem),
        }
    }

    /// A process with a reservation has proven its sites.
    ///
    /// # Errors
    /// The refusal.
    ///
    /// # Panics
    /// If no descriptors are left, or the memory is none of an attachment.
    pub fn admit(&mut self, peer: &Peer, session: u64) -> Result<Client, Problem> {
        let Peer {
            caller,
            pid,
            connection,
            fills,
            samples,
        } = peer.clone();
        let (socket, own) = UnixDatagram::pair().expect("descriptors are left");
        own.set_nonblocking(true).expect("it is a socket");
        self.connections.push(Connection {
            id: connection,
            socket: own,
        });
        let pidfd = std::fs::File::open("/dev/null").expect("descriptors are left");
        let client = Box::new(ClientProcess {
            who: Who {
                via: caller.who.via,
                ..who(caller.who.uid, pid)
            },
            library: "test".into(),
            pidfd: Arc::new(OwnedFd::from(pidfd)),
            connection,
            after: None,
            fills,
            samples,
        });
        let watched = self.world.arm(pid);
        let admitted = self.attach_action(|reply| AttachAction::Admit {
            session,
            client,
            watched: Some(Box::new(watched)),
            reply,
        });
        let (attached, files) = admitted.inspect_err(|_| self.forget(connection))?;
        let copy = |it: &OwnedFd| it.try_clone().expect("descriptors are left");
        let passed_on = files.each_ref().map(copy);
        let barrier = membarrier::register();
        let attachment = Attachment::map(&attached, session, files, socket.into(), barrier);
        Ok(Client {
            pid,
            connection,
            attachment: attachment.expect("the memory of an attachment"),
            files: passed_on,
        })
    }

    /// Gives a reservation back.
    pub fn release(&mut self, session: u64) {
        self.take(Input::Attach(AttachAction::Release { session }));
    }

    /// Creates a session of its own for a process.
    ///
    /// # Errors
    /// The refusal.
    pub fn create_for(&mut self, peer: &Peer, session: NewSession) -> Result<SessionView, Problem> {
        self.attach_action(|reply| AttachAction::Create {
            caller: peer.caller.clone(),
            connection: peer.connection,
            session: Box::new(session),
            reply,
        })
    }

    /// A new process creates a session of its own, and attaches to it.
    ///
    /// # Panics
    /// If it is refused.
    pub fn create_own(&mut self, caller: Caller, session: NewSession) -> (Peer, Client) {
        let peer = self.peer(caller);
        let view = self.create_for(&peer, session).expect("it is created");
        let id = self.reserve(&peer, view.name.as_str(), None);
        let client = id.and_then(|id| self.admit(&peer, id));
        (peer, client.expect("there is room"))
    }

    /// A client gives its attachment back, and lives on.
    ///
    /// # Errors
    /// The refusal.
    pub fn detach(&mut self, client: Client) -> Result<(), Problem> {
        let connection = client.connection;
        self.attach_action(|reply| AttachAction::Detach { connection, reply })
    }

    /// The connection of a client is closed, and its process lives on.
    pub fn hang_up(&mut self, connection: u64) {
        self.forget(connection);
        let attached = Box::new(());
        self.take(Input::Attach(AttachAction::HungUp {
            connection,
            attached,
        }));
    }

    /// The process of a client dies, with all that it has.
    pub fn kill(&mut self, client: Client) {
        let connection = client.connection;
        self.world.end_process(client.pid);
        drop(client);
        self.hang_up(connection);
        self.take(Input::Attach(AttachAction::ProcessEnded { connection }));
    }

    fn forget(&mut self, connection: u64) {
        self.connections.retain(|it| it.id != connection);
    }
}
