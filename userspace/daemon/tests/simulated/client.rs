//! A client process, with the product's own calls.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

use onair_api::Problem;
use onair_engine::session::attachment::ClientProcess;
use onair_ipc::caller::Attachment;
use onair_ipc::membarrier;
use onair_session::NoPlace;
use onaird::control::attach::AttachAction;
use onaird::control::inputs::Input;

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

/// A client that is attached.
pub(crate) struct Client {
    pub(crate) pid: u32,
    pub(crate) connection: u64,
    pub(crate) attachment: Arc<Attachment>,
    /// Its memory, as it may pass it on.
    pub(crate) files: [OwnedFd; 3],
}

impl Life {
    /// A new process attaches to a session.
    pub(crate) fn attach(&mut self, name: &str) -> Result<Client, Problem> {
        let reserved = self.attach_action(|reply| AttachAction::Reserve {
            caller: root(),
            session: name.parse().unwrap(),
            layout: None,
            reply,
        })?;
        let session = match reserved {
            Ok(reserved) => reserved.session,
            Err(NoPlace { problem, .. }) => return Err(*problem),
        };
        let pid = self.world.begin_process();
        let connection = u64::from(pid);
        let (socket, own) = UnixDatagram::pair().unwrap();
        own.set_nonblocking(true).unwrap();
        self.connections.push(Connection {
            id: connection,
            socket: own,
        });
        let pidfd = std::fs::File::open("/dev/null").unwrap();
        let client = Box::new(ClientProcess {
            who: who(0, pid),
            library: "test".into(),
            pidfd: Arc::new(OwnedFd::from(pidfd)),
            connection,
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

    /// The process of a client dies, with all that it has.
    pub(crate) fn kill(&mut self, client: Client) {
        let connection = client.connection;
        self.world.end_process(client.pid);
        drop(client);
        let attached = Box::new(());
        self.take(Input::Attach(AttachAction::HungUp {
            connection,
            attached,
        }));
        self.take(Input::Attach(AttachAction::ProcessEnded { connection }));
    }
}
