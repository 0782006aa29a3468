//! A client process, with the product's own calls.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

use onair_api::{NewSession, Problem, SessionId, SessionRef};
use onair_engine::inputs::AttachAction;
use onair_engine::inputs::Input;
use onair_engine::session::attachment::ClientProcess;
use onair_ipc::caller::Attachment;
use onair_ipc::membarrier;
use onair_session::NoPlace;
use onair_settings::access::authority::Caller;

use crate::life::{Life, root, who};

/// The daemon's end of a client's connection.
pub(crate) struct Connection {
    id: u64,
    socket: UnixDatagram,
}

impl Connection {
    /// The kicks that have come.
    pub(crate) fn kicks(&self) -> impl Iterator<Item = Input> {
        let connection = self.id;
        let came = || self.socket.recv(&mut [0]).is_ok();
        let kick = move || Input::Attach(AttachAction::Kick { connection });
        std::iter::from_fn(move || came().then(kick))
    }
}

/// A client process with a connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) caller: Caller,
    pub(crate) pid: u32,
    pub(crate) connection: u64,
}

/// A client that is attached.
pub(crate) struct Client {
    pub(crate) pid: u32,
    pub(crate) connection: u64,
    pub(crate) attachment: Arc<Attachment>,
    /// Its memory, as it may pass it on.
    pub(crate) files: [OwnedFd; 3],
}

impl Client {
    /// The session, and its number there.
    pub(crate) fn place(&self) -> (SessionRef, u64) {
        let session = SessionId(self.attachment.session());
        (session.into(), self.attachment.attachment())
    }
}

impl Life {
    /// A new process of a user connects.
    pub(crate) fn peer(&mut self, caller: Caller) -> Peer {
        let pid = self.world.begin_process();
        self.connect(caller, pid)
    }

    /// A process connects.
    pub(crate) fn connect(&mut self, mut caller: Caller, pid: u32) -> Peer {
        self.opened += 1;
        caller.who.pid = pid;
        Peer {
            caller,
            pid,
            connection: self.opened,
        }
    }

    /// A new process of root attaches to a session.
    pub(crate) fn attach(&mut self, name: &str) -> Result<Client, Problem> {
        self.attach_as(root(), name, None)
    }

    /// A new process attaches to a session, in a layout if one is given.
    pub(crate) fn attach_as(
        &mut self,
        caller: Caller,
        name: &str,
        layout: Option<&str>,
    ) -> Result<Client, Problem> {
        let peer = self.peer(caller);
        let session = self.reserve(&peer, name, layout)?;
        self.admit(&peer, session)
    }

    /// Reserves a place; the session that it is in.
    pub(crate) fn reserve(
        &mut self,
        peer: &Peer,
        name: &str,
        layout: Option<&str>,
    ) -> Result<u64, Problem> {
        let reserved = self.attach_action(|reply| AttachAction::Reserve {
            caller: peer.caller.clone(),
            session: name.parse().unwrap(),
            layout: layout.map(str::to_owned),
            reply,
        })?;
        match reserved {
            Ok(reserved) => Ok(reserved.session),
            Err(NoPlace { problem, .. }) => Err(*problem),
        }
    }

    /// A process with a reservation has proven its sites.
    pub(crate) fn admit(&mut self, peer: &Peer, session: u64) -> Result<Client, Problem> {
        let Peer {
            caller,
            pid,
            connection,
        } = peer.clone();
        let (socket, own) = UnixDatagram::pair().unwrap();
        own.set_nonblocking(true).unwrap();
        self.connections.push(Connection {
            id: connection,
            socket: own,
        });
        let pidfd = std::fs::File::open("/dev/null").unwrap();
        let client = Box::new(ClientProcess {
            who: who(caller.who.uid, pid),
            library: "test".into(),
            pidfd: Arc::new(OwnedFd::from(pidfd)),
            connection,
            after: None,
        });
        let watched = self.world.arm(pid);
        let (attached, files) = self.attach_action(|reply| AttachAction::Admit {
            session,
            client,
            watched: Some(Box::new(watched)),
            reply,
        })?;
        let passed_on = files.each_ref().map(|file| file.try_clone().unwrap());
        let barrier = membarrier::register();
        let attachment = Attachment::map(&attached, session, files, socket.into(), barrier);
        Ok(Client {
            pid,
            connection,
            attachment: attachment.unwrap(),
            files: passed_on,
        })
    }

    /// A new process creates a session of its own, and attaches to it.
    pub(crate) fn create_own(&mut self, caller: Caller, session: NewSession) -> (Peer, Client) {
        let peer = self.peer(caller);
        let view = self.attach_action(|reply| AttachAction::Create {
            caller: peer.caller.clone(),
            connection: peer.connection,
            session: Box::new(session),
            reply,
        });
        let name = view.unwrap().name;
        let id = self.reserve(&peer, name.as_str(), None).unwrap();
        let client = self.admit(&peer, id).unwrap();
        (peer, client)
    }

    /// A client gives its attachment back, and lives on.
    pub(crate) fn detach(&mut self, client: Client) -> Result<(), Problem> {
        let connection = client.connection;
        self.attach_action(|reply| AttachAction::Detach { connection, reply })
    }

    /// The connection of a client is closed, and its process lives on.
    pub(crate) fn hang_up(&mut self, connection: u64) {
        let attached = Box::new(());
        self.take(Input::Attach(AttachAction::HungUp {
            connection,
            attached,
        }));
    }

    /// The process of a client dies, with all that it has.
    pub(crate) fn kill(&mut self, client: Client) {
        let connection = client.connection;
        self.world.end_process(client.pid);
        drop(client);
        self.hang_up(connection);
        self.take(Input::Attach(AttachAction::ProcessEnded { connection }));
    }
}
