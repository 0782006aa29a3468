//! Deeds of clients.

use onair_api::{SessionRef, Via};
use onair_engine::inputs::{AttachAction, Input};
use onair_ipc::caller::{Deadline, Refusal};
use onair_sim_machine::life::client::Peer;

use super::{pick, role_of, wait_of};
use crate::cast::{CONVERTED, LAYOUT, LOCAL, caller, is_filled, name, specification};
use crate::plan::{EngineDeed, EngineDeedKind as Kind};
use crate::stage::{Guest, PassedOn, Stage};

impl Stage {
    pub(super) fn be_a_client(&mut self, deed: EngineDeed) {
        let (role, which) = (role_of(deed), deed.which);
        match deed.kind {
            Kind::Attach => self.attach(role, which, None),
            Kind::AttachInLayout => self.attach(0, which, Some(LAYOUT)),
            Kind::Reserve => {
                let peer = self.life().peer(caller(which));
                if let Ok(id) = self.life().reserve(&peer, name(role).as_str(), None) {
                    self.life().release(id);
                }
            }
            Kind::Own if role != CONVERTED => self.create_own(role, which),
            Kind::DropPassedOn => {
                if !self.passed_on.is_empty() {
                    self.passed_on.remove(0);
                }
            }
            _ => {
                let all: Vec<u64> = self.guests.iter().map(Guest::number).collect();
                let found = pick(&all, which);
                let at = found.and_then(|number| all.iter().position(|it| *it == number));
                if let Some(at) = at {
                    self.be_guest(at, deed);
                }
            }
        }
    }

    fn be_guest(&mut self, at: usize, deed: EngineDeed) {
        let which = deed.which;
        let guest = &self.guests[at];
        let (session, connection) = (guest.session(), guest.client.connection);
        let mut purpose = self.purpose(deed.kind, guest.role);
        purpose.session = Some(session);
        purpose.submitted = self.submitted(Some(session));
        match deed.kind {
            Kind::Detach if !guest.is_hung_up => {
                purpose.number = Some(guest.number());
                self.unblock(at);
                self.ask_attached(purpose, |reply| AttachAction::Detach { connection, reply });
            }
            Kind::HangUp if !guest.is_hung_up => {
                self.guests[at].is_hung_up = true;
                self.life().hang_up(connection);
            }
            Kind::Kill => self.kill(at),
            Kind::PassOn => {
                let files = guest.client.pass_on();
                let _files = files;
                let writes = guest.client.attachment.sends();
                self.passed_on.push(PassedOn {
                    session,
                    writes,
                    _files,
                });
            }
            Kind::Take => self.take_frame(at),
            Kind::Put => self.put_frame(at, which.is_multiple_of(2)),
            Kind::Block => {
                let blocked = u64::from(self.guests[at].blocked == 0);
                self.set_blocked(at, blocked);
            }
            Kind::FlushOwn if !guest.is_hung_up => {
                let wait = wait_of(which);
                purpose.wait = wait;
                self.ask_attached(purpose, |reply| AttachAction::Flush {
                    connection,
                    wait,
                    reply,
                });
            }
            Kind::DestroyOwn if !guest.is_hung_up => {
                if !which.is_multiple_of(4) {
                    guest.client.attachment.stop();
                }
                let who = guest.peer.caller.who.clone();
                let wait = (which.is_multiple_of(2)).then(|| wait_of(which));
                purpose.wait = wait.unwrap_or_default();
                self.ask_attached(purpose, |reply| AttachAction::Destroy {
                    connection,
                    who,
                    wait,
                    reply,
                });
            }
            Kind::AbortOwn if !guest.is_hung_up => {
                let who = guest.peer.caller.who.clone();
                self.ask_attached(purpose, |reply| AttachAction::Abort {
                    connection,
                    who,
                    reply,
                });
            }
            _ => {}
        }
    }

    fn attach(&mut self, role: usize, which: u64, layout: Option<&str>) {
        let mut peer = match (which & 0x1c00, self.guests.first()) {
            // The process of another client.
            (0, Some(guest)) => {
                let pid = guest.client.pid;
                self.life().connect(caller(which), pid)
            }
            _ => self.life().peer(caller(which)),
        };
        peer.fills = is_filled(role) && which & 2 == 0;
        peer.samples = which & 4 == 0;
        if role == CONVERTED && peer.fills {
            // In place of the daemon's converter.
            peer.caller.who.via = Via::Daemon;
        }
        let reserved = self.life().reserve(&peer, name(role).as_str(), layout);
        if let Ok(session) = reserved {
            self.admit(peer, role, session, which);
        }
    }

    fn admit(&mut self, peer: Peer, role: usize, session: u64, which: u64) {
        let admitted = self.life().admit(&peer, session);
        let fills = is_filled(role) && admitted.as_ref().is_ok_and(|it| it.attachment.sends());
        if fills && self.can_be_written(session) {
            self.violate("a client fills frames that another process can write to".into());
        }
        match admitted {
            Ok(client) => self.guests.push(Guest {
                client,
                peer,
                role,
                leases: Vec::new(),
                taken: None,
                works: which & 3 == 0,
                blocked: 0,
                is_hung_up: false,
            }),
            Err(problem) => self.note(|| format!("not admitted: {problem}")),
        }
    }

    /// Whether a process has frames of a local or converted session that it can write to.
    fn can_be_written(&self, session: u64) -> bool {
        let mut guests = self.guests.iter().filter(|it| it.session() == session);
        let mut passed_on = self.passed_on.iter().filter(|it| it.session == session);
        guests.any(|it| it.client.attachment.sends()) || passed_on.any(|it| it.writes)
    }

    fn create_own(&mut self, role: usize, which: u64) {
        let mut peer = self.life().peer(caller(which));
        peer.fills = role == LOCAL;
        let spec = specification(role, which >> 5, false);
        if let Ok(view) = self.life().create_for(&peer, spec)
            && let Ok(id) = {
                let target = SessionRef::Id(view.id).to_string();
                self.life().reserve(&peer, &target, None)
            }
        {
            self.admit(peer, role, id, which);
        }
    }

    fn set_blocked(&mut self, at: usize, blocked: u64) {
        let guest = &mut self.guests[at];
        guest.blocked = blocked;
        let (session, number) = (guest.session(), guest.number());
        self.life().world.set_blocked(session, number, blocked);
    }

    fn unblock(&mut self, at: usize) {
        if self.guests[at].blocked > 0 {
            self.set_blocked(at, 0);
        }
    }

    /// The process of a client dies.
    pub(crate) fn kill(&mut self, at: usize) {
        self.unblock(at);
        let guest = self.guests.remove(at);
        let connection = guest.client.connection;
        if !guest.is_hung_up {
            return self.life().kill(guest.client);
        }
        let pid = guest.client.pid;
        drop(guest.client);
        self.life().world.end_process(pid);
        self.life()
            .take(Input::Attach(AttachAction::ProcessEnded { connection }));
    }

    /// Clients that work take what has come, and hand it in.
    pub(crate) fn let_clients_work(&mut self) {
        for at in 0..self.guests.len() {
            let guest = &self.guests[at];
            if guest.works && guest.blocked == 0 && !guest.is_hung_up {
                self.take_frame(at);
                self.put_frame(at, true);
            }
        }
    }

    fn take_frame(&mut self, at: usize) {
        let taken = self.guests[at].client.attachment.get(Deadline::Now);
        let told = match taken {
            Ok(lease) => {
                self.check_frame(at, &lease);
                self.guests[at].leases.push(lease);
                Ok(())
            }
            Err(refusal) => Err(refusal),
        };
        self.check_call(at, told);
    }

    fn put_frame(&mut self, at: usize, hands_in: bool) {
        let guest = &mut self.guests[at];
        let Some(lease) = guest.leases.pop() else {
            return;
        };
        let session = guest.session();
        let attachment = &guest.client.attachment;
        let submits = hands_in && attachment.sends();
        let put = match submits {
            true => attachment.submit(lease),
            false => attachment.put(lease),
        };
        if put.is_ok() {
            let traffic = self.facts.traffic.entry(session).or_default();
            traffic.submitted += u64::from(submits);
            traffic.put += u64::from(!submits);
        }
        // Whatever it was told, it has the frame no more.
        let told = put.as_ref().err().copied();
        self.note(|| format!("put: {told:?}"));
        if told == Some(Refusal::Invalid) || told == Some(Refusal::Already) {
            self.violate("a client that held a frame was told that it did not".into());
        }
        self.life().settle();
    }
}
