//! Sessions that one poller runs.

mod delivery;
mod legs;
mod retarget;

use onair_essence::legs::Leg;
use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Lender;
use onair_ipc::slot::SlotReading;

use crate::config::PortInfo;
use crate::flow::demux::Demux;
use crate::messages::events::{Outbox, PollerEvent};
use crate::port::{PollerPort, RECEIVED_A_TURN};
use crate::runtime::Runtime;
use crate::runtime::refusal::StartRefusal;
use crate::runtime::send::PACKETS_A_TURN;
use crate::runtime::tap::Tap;
use crate::transmit::RETRY_NS;
use legs::{hops, turn};
use onair_session::{AttachRefusal, Runtime as _};
use retarget::{part_target, switch};

/// After this many packets, the other sessions send in the poller's next turn. In a delayed poller
/// every session is behind; together they must not send faster than the poller receives, or packets
/// that it sends to itself over a loop are lost.
const SENT_A_TURN: u64 = RECEIVED_A_TURN as u64 - PACKETS_A_TURN as u64;

#[derive(Debug)]
struct SessionEntry {
    runtime: Box<Runtime>,
    /// `None`: it is local.
    port: Option<usize>,
    /// The port of the second leg.
    second: Option<usize>,
    due_ns: u64,
    /// A packet arrived for it in this turn.
    touched: bool,
    quiescing: bool,
}

/// The sessions, and the flows that they receive.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    entries: Vec<Option<SessionEntry>>,
    demux: Demux,
    touched: Vec<usize>,
    /// The entry that sends first.
    first: usize,
    /// No session is due before this time: most turns look only at those with packets.
    idle_until_ns: u64,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.entries.iter().flatten().count()
    }

    /// Whether one of them receives packets.
    pub(crate) fn any_receives(&self) -> bool {
        let mut all = self.entries.iter().flatten();
        all.any(|it| it.runtime.listens_to().iter().any(Option::is_some))
    }

    /// Starts a session.
    pub(crate) fn start(
        &mut self,
        mut runtime: Box<Runtime>,
        ports: &mut [PollerPort],
        now_ns: u64,
    ) -> Result<(), (StartRefusal, Box<Runtime>)> {
        let ([index, second], entry) = match self.admit(&runtime, ports) {
            Ok(places) => places,
            Err(refusal) => return Err((refusal, runtime)),
        };
        for (port, hop) in hops(&runtime, [index, second], ports) {
            ports[port].neighbours.join(hop, now_ns);
        }
        runtime.resume(index.map(|index| &ports[index].info), now_ns);
        if let Some(second) = second {
            runtime.renew(Leg::Second, &ports[second].info);
        }
        let due_ns = runtime.due_ns(now_ns);
        self.idle_until_ns = 0;
        if entry == self.entries.len() {
            self.entries.push(None);
            // Here, so that no turn allocates: a turn notes each entry once at most.
            self.touched.reserve(self.entries.len());
        }
        self.entries[entry] = Some(SessionEntry {
            runtime,
            port: index,
            second,
            due_ns,
            touched: false,
            quiescing: false,
        });
        Ok(())
    }

    /// The port at `index` has another device.
    pub(crate) fn renew(&mut self, index: usize, port: &PortInfo) {
        for entry in self.entries.iter_mut().flatten() {
            if entry.port == Some(index) {
                entry.runtime.renew(Leg::First, port);
            }
            if entry.second == Some(index) {
                entry.runtime.renew(Leg::Second, port);
            }
        }
    }

    fn find(&self, session: u64) -> Option<usize> {
        let is_it = |entry: &Option<SessionEntry>| {
            entry
                .as_ref()
                .is_some_and(|it| it.runtime.session() == session)
        };
        self.entries.iter().position(is_it)
    }

    /// To do something with it: it may be due then.
    fn find_mut(&mut self, session: u64) -> Option<&mut SessionEntry> {
        self.idle_until_ns = 0;
        self.entries
            .iter_mut()
            .flatten()
            .find(|it| it.runtime.session() == session)
    }

    /// Adds an attachment.
    pub(crate) fn attach(
        &mut self,
        session: u64,
        lender: Box<Lender>,
        frames: Option<FrameMemory>,
        now_ns: u64,
        outbox: &mut Outbox,
    ) {
        let result = match self.find_mut(session) {
            Some(entry) => {
                // A send session loans its first frames.
                entry.due_ns = now_ns;
                entry.runtime.attach(lender, frames)
            }
            None => Err((AttachRefusal::NoSession, lender, frames)),
        };
        if let Err((reason, lender, frames)) = result {
            outbox.push(PollerEvent::AttachRefused {
                session,
                lender,
                frames,
                reason,
            });
        }
    }

    /// Removes an attachment, as soon as possible.
    pub(crate) fn detach(&mut self, session: u64, attachment: u64, now_ns: u64) {
        if let Some(entry) = self.find_mut(session) {
            entry.runtime.dismiss(attachment, now_ns);
            entry.due_ns = now_ns;
        }
    }

    /// Evicts an attachment.
    pub(crate) fn evict(
        &mut self,
        session: u64,
        attachment: u64,
        now_ns: u64,
        outbox: &mut Outbox,
    ) {
        let Some(entry) = self.find_mut(session) else {
            return;
        };
        // A stopping session may have nothing left to wait for.
        entry.due_ns = now_ns;
        if let Some(evicted) = entry.runtime.evict(attachment) {
            outbox.push(PollerEvent::Evicted { session, evicted });
        }
    }

    /// Starts a flush of what is submitted to a session so far.
    pub(crate) fn flush(&mut self, session: u64, ticket: u64, now_ns: u64) {
        if let Some(entry) = self.find_mut(session) {
            entry.runtime.flush(ticket, now_ns);
            // There may be nothing to wait for.
            entry.due_ns = now_ns;
        }
    }

    /// Puts frames back into use that were set aside for an evicted attachment.
    pub(crate) fn release(&mut self, session: u64, attachment: u64) {
        if let Some(entry) = self.find_mut(session) {
            entry.runtime.release(|aside| aside == attachment);
        }
    }

    /// Credits what a dead thread took inside its call. Returns the number of frames; `None` if the
    /// lender is not here.
    pub(crate) fn credit_thread(
        &mut self,
        session: u64,
        attachment: u64,
        slot: &SlotReading,
        now_ns: u64,
    ) -> Option<u64> {
        let entry = self.find_mut(session)?;
        let lender = entry.runtime.lender_mut(attachment)?;
        let credited = lender.credit_dead_thread(slot);
        // A send session loans the frame again.
        entry.due_ns = now_ns;
        Some(u64::from(credited.is_some()))
    }

    /// Stops a session, as soon as possible.
    pub(crate) fn quiesce(&mut self, session: u64, now_ns: u64) {
        if let Some(entry) = self.find_mut(session) {
            entry.runtime.quiesce(now_ns);
            entry.quiescing = true;
            entry.due_ns = now_ns;
        }
    }

    /// Adds a tap.
    pub(crate) fn tap(&mut self, session: u64, tap: Box<Tap>, outbox: &mut Outbox) {
        match self.find_mut(session) {
            Some(entry) => entry.runtime.tap(tap),
            None => outbox.push(PollerEvent::TapRefused { session, tap }),
        }
    }

    /// Removes a tap.
    pub(crate) fn untap(&mut self, session: u64, recording: u64, outbox: &mut Outbox) {
        if let Some(entry) = self.find_mut(session)
            && let Some(tap) = entry.runtime.untap(recording)
        {
            outbox.push(PollerEvent::TapBack { session, tap });
        }
    }

    /// Does what is due in every session. Returns whether there was work.
    pub(crate) fn turn(
        &mut self,
        now_ns: u64,
        ports: &mut [PollerPort],
        outbox: &mut Outbox,
    ) -> bool {
        let mut worked = false;
        for index in self.touched.drain(..) {
            if let Some(entry) = &mut self.entries[index] {
                entry.touched = false;
                entry.runtime.show();
                // What is due now stays due: a command of this turn may have set it.
                if entry.due_ns > now_ns {
                    entry.due_ns = entry.runtime.due_ns(now_ns);
                }
                self.idle_until_ns = self.idle_until_ns.min(entry.due_ns);
                report(&mut entry.runtime, outbox);
                switch((entry, index), &mut self.demux, ports, outbox, now_ns);
            }
        }
        if self.idle_until_ns > now_ns {
            return worked;
        }
        let (mut sent, mut idle_until_ns) = (0, u64::MAX);
        // Begins with the session at which the last turn had sent enough: else those behind it would never send
        // while the poller is late.
        let first = self.first.min(self.entries.len());
        for index in (first..self.entries.len()).chain(0..first) {
            let Some(entry) = &mut self.entries[index] else {
                continue;
            };
            if entry.due_ns > now_ns {
                idle_until_ns = idle_until_ns.min(entry.due_ns);
                continue;
            }
            worked |= entry.port.is_some();
            if sent > SENT_A_TURN {
                // It stays due.
                (self.first, idle_until_ns) = (index, 0);
                break;
            }
            if let Some(port) = entry.port {
                sent += turn(entry, port, ports, now_ns);
                switch((entry, index), &mut self.demux, ports, outbox, now_ns);
            } else {
                worked |= entry.runtime.look(now_ns);
            }
            entry.runtime.show();
            entry.due_ns = entry.runtime.due_ns(now_ns);
            report(&mut entry.runtime, outbox);
            if entry.runtime.has_flushed() {
                // Its last packets may still be in these buffers. One leg is enough.
                let legs = entry.port.into_iter().chain(entry.second);
                let stuck = legs.filter(|leg| {
                    ports[*leg].transmit.flush();
                    ports[*leg].transmit.is_stuck()
                });
                // Without a port nothing is stuck.
                if stuck.count() > usize::from(entry.second.is_some()) {
                    entry.due_ns = entry.due_ns.min(now_ns + RETRY_NS);
                } else {
                    report_flushed(&mut entry.runtime, outbox);
                }
            }
            idle_until_ns = idle_until_ns.min(entry.due_ns);
            // After its reports: events of a session arrive in order, and none comes behind its runtime.
            if entry.quiescing && entry.runtime.is_quiet() {
                self.hand_back(index, ports, outbox);
            }
        }
        self.idle_until_ns = idle_until_ns;
        worked
    }

    /// When [`Self::turn`] next has work for which the poller does not sleep.
    pub(crate) fn due_ns(&self) -> u64 {
        self.entries
            .iter()
            .flatten()
            .map(|entry| entry.runtime.rests_until(entry.due_ns))
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Hands every session back unchanged: the poller ends.
    pub(crate) fn evacuate(&mut self, ports: &mut [PollerPort], outbox: &mut Outbox) {
        for index in 0..self.entries.len() {
            self.hand_back(index, ports, outbox);
        }
    }

    fn hand_back(&mut self, index: usize, ports: &mut [PollerPort], outbox: &mut Outbox) {
        let Some(mut entry) = self.entries[index].take() else {
            return;
        };
        if let Some(at) = entry.port {
            let legs = [Some(at), entry.second];
            for (at, flow) in legs.into_iter().zip(entry.runtime.listens_to()) {
                if let Some((at, flow)) = at.zip(flow) {
                    self.demux.remove(at, flow.destination, index);
                }
            }
            part_target(&mut entry, ports);
            for (port, hop) in hops(&entry.runtime, legs, ports) {
                ports[port].neighbours.part(hop);
            }
        }
        outbox.push(PollerEvent::HandedBack(entry.runtime));
    }
}

fn report_flushed(runtime: &mut Runtime, outbox: &mut Outbox) {
    let session = runtime.session();
    while let Some(flushed) = runtime.flushed() {
        outbox.push(PollerEvent::Flushed { session, flushed });
    }
}

/// Passes on the session's violations and results.
fn report(runtime: &mut Runtime, outbox: &mut Outbox) {
    let session = runtime.session();
    if std::mem::take(&mut runtime.attachments_mut().are_to_renew) {
        outbox.push(PollerEvent::Renewal { session });
    }
    for (attachment, what) in runtime.attachments_mut().violations() {
        outbox.push(PollerEvent::Violation {
            session,
            attachment,
            what,
        });
    }
    while let Some((lender, frames)) = runtime.detached() {
        let attachment = lender.attachment();
        outbox.push(PollerEvent::LenderBack {
            session,
            attachment,
            lender,
            frames,
        });
    }
}
