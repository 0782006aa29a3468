//! A polling thread: pinned, at a raised priority, and the only owner of its ports' queues and
//! sessions.

pub(crate) mod handle;
pub(crate) mod idle;
pub(crate) mod manual;
pub(crate) mod priority;
pub(crate) mod pulse;
pub(crate) mod sessions;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use onair_dpdk::RxQueue;
use onair_mutant::mutant;
use onair_net::ethernet::Mac;
use onair_workers::WorkerGuard;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_error;
use rustix::time::{ClockId, clock_gettime};

use self::handle::Prepared;
use crate::config::{Idle, PollerNotStarted, Rest};
use crate::messages::command::Command;
use crate::messages::events::{Outbox, PollerEvent};
use crate::messages::inbox::Inbox;
use crate::poller::idle::{Idler, Sleep, Wakes};
use crate::poller::sessions::Sessions;
use crate::port::PollerPort;
use crate::port::hand_over::Share;
use crate::stats::PollerCounters;
use crate::transmit::RETRY_NS;

pub(crate) use self::handle::PollerHandle;

/// Most commands handled in one turn: packets must not wait for a long queue.
const COMMANDS_A_TURN: usize = 16;
/// Attempts of an ending poller to put its last events into a full queue, one millisecond apart.
const LAST_TRIES: u32 = 1000;

/// Name of the thread of poller `name`.
pub fn thread_name(name: &str) -> String {
    format!("onair-{name}")
}

pub(crate) struct Poller {
    index: usize,
    ports: Vec<PollerPort>,
    sessions: Sessions,
    inbox: Arc<Inbox>,
    outbox: Outbox,
    idler: Idler,
    /// When it looked last, if it has napped since.
    napped_ns: Option<u64>,
    counters: Arc<PollerCounters>,
    worker: WorkerGuard,
}

impl Poller {
    /// A poller without a thread; it never rests. See [`crate::ManualPoller`].
    pub(crate) fn without_thread(
        index: usize,
        ports: Vec<PollerPort>,
        (inbox, outbox): (Arc<Inbox>, Outbox),
        worker: WorkerGuard,
    ) -> Self {
        Self {
            index,
            ports,
            sessions: Sessions::default(),
            inbox,
            outbox,
            idler: Idler::new(Idle::Busy, Rest::default(), Wakes::Never),
            napped_ns: None,
            counters: Arc::default(),
            worker,
        }
    }

    fn live(
        mut self,
        prepare: impl FnOnce() -> Result<Prepared, PollerNotStarted>,
        ready: &mpsc::Sender<Result<(), PollerNotStarted>>,
    ) {
        let registered = match prepare() {
            Ok(registered) => registered,
            Err(reason) => {
                // The starting thread waits for this message.
                let _ = ready.send(Err(reason));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        let result = catch_unwind(AssertUnwindSafe(|| self.run()));
        if let Err(panic) = result {
            self.died(onair_workers::panic_text::of(&*panic));
        }
        self.end(monotonic_ns());
        // Free the queues and their packets before DPDK unregisters the thread and frees its cache.
        drop(self);
        drop(registered);
    }

    /// Reports that it panicked.
    pub(crate) fn died(&mut self, message: String) {
        self.worker.note_panic(&message);
        let poller = self.index;
        self.outbox.push(PollerEvent::Died { poller, message });
    }

    fn run(&mut self) {
        while !self.inbox.is_stopping() {
            let now_ns = monotonic_ns();
            if !self.step(now_ns) {
                self.rest(now_ns);
            }
        }
    }

    /// One turn, counted. Returns whether it had work.
    fn step(&mut self, now_ns: u64) -> bool {
        let worked = self.turn(now_ns);
        if worked {
            let packets = self.packets();
            self.worker.set_processed(packets);
            self.counters.turns_busy.add(1);
            self.idler.worked(now_ns, packets);
        }
        worked
    }

    /// Runs one turn at `now_ns`. Returns whether it had work.
    pub(crate) fn turn(&mut self, now_ns: u64) -> bool {
        // Before the packets: a session that starts now gets those of this turn.
        let mut worked = self.handle_commands(now_ns);
        // In a shutdown sessions receive until they are stopped: senders finish what was submitted.
        let accepting = self.worker.is_accepting() || self.sessions.any_receives();
        let mut dropped = 0;
        let napped_ns = self.napped_ns.take();
        for (index, port) in self.ports.iter_mut().enumerate() {
            let sessions = &mut self.sessions;
            worked |= port.poll(now_ns, napped_ns, |packets, arrival, unclaimed| {
                if accepting {
                    sessions.deliver(index, packets, arrival, unclaimed);
                } else {
                    // The shutdown has stopped all that receive: what still arrives is counted.
                    dropped += packets.len() as u64;
                }
            });
        }
        if dropped > 0 {
            self.worker.count_dropped(dropped);
        }
        worked |= self
            .sessions
            .turn(now_ns, &mut self.ports, &mut self.outbox);
        for port in &mut self.ports {
            if port.neighbours.due_ns() <= now_ns {
                let asked = port.neighbours.turn(now_ns, &mut port.transmit);
                port.counters.arp_sent.add(asked);
            }
            // Last: packets that this turn put into the buffers leave with it.
            port.transmit.flush();
        }
        self.counters.turns.add(1);
        if self.worker.is_flush_wanted() {
            let remaining = self.backlog();
            self.worker.flush_progress(remaining);
        }
        worked
    }

    /// Handles commands. Returns whether there were any.
    fn handle_commands(&mut self, now_ns: u64) -> bool {
        let mut handled = false;
        for _ in 0..COMMANDS_A_TURN {
            let Some(command) = self.inbox.take() else {
                break;
            };
            handled = true;
            let Self {
                sessions,
                ports,
                outbox,
                idler,
                index,
                ..
            } = self;
            match command {
                Command::Start(runtime) => {
                    // A refused runtime goes back as it came, or the control thread would wait for it for ever.
                    if let Err((reason, runtime)) = sessions.start(runtime, ports, now_ns) {
                        outbox.push(PollerEvent::Refused { runtime, reason });
                    }
                }
                Command::Run(task) => task.run(),
                Command::Unplug { port } => {
                    if let Some(own) = ports.iter_mut().find(|it| it.info.name == port) {
                        own.unplug();
                    }
                    // How the poller may sleep depends on the queues that are left.
                    idler.set_wakes(wakes_of(ports));
                    let poller = *index;
                    outbox.push(PollerEvent::Unplugged { poller, port });
                }
                Command::Plug(queues) => {
                    let port = ports.iter().position(|it| it.info.name == queues.info.name);
                    if let Some(port) = port {
                        ports[port].plug(*queues, now_ns);
                        // Senders write the device's address into each packet, and it may be another one now.
                        sessions.renew(port, &ports[port].info);
                    }
                    idler.set_wakes(wakes_of(ports));
                }
                Command::Adopt(queues) => {
                    let port = ports.iter_mut().find(|it| it.info.name == queues.info.name);
                    if let Some(port) = port {
                        port.adopt(*queues);
                    }
                    idler.set_wakes(wakes_of(ports));
                }
                Command::Resolved { port, address, mac } => {
                    if let Some(own) = ports.iter_mut().find(|it| it.info.name == port) {
                        own.neighbours.heard(address, Mac(mac), now_ns);
                    }
                }
                Command::Emit { port, frames } => {
                    if let Some(own) = ports.iter_mut().find(|it| it.info.name == port) {
                        own.emit(&frames, now_ns);
                    }
                }
                Command::Quiesce(session) => sessions.quiesce(session, now_ns),
                Command::Retarget {
                    session,
                    target,
                    at,
                } => {
                    sessions.retarget(session, (target, at), ports, now_ns);
                }
                Command::Attach {
                    session,
                    lender,
                    frames,
                } => {
                    sessions.attach(session, lender, frames, now_ns, outbox);
                }
                Command::Detach {
                    session,
                    attachment,
                } => {
                    sessions.detach(session, attachment, now_ns);
                }
                Command::Evict {
                    session,
                    attachment,
                } => {
                    sessions.evict(session, attachment, now_ns, outbox);
                }
                Command::Release {
                    session,
                    attachment,
                } => {
                    sessions.release(session, attachment);
                }
                Command::Tap { session, tap } => sessions.tap(session, tap, outbox),
                Command::Untap { session, recording } => {
                    sessions.untap(session, recording, outbox);
                }
                Command::Flush { session, ticket } => sessions.flush(session, ticket, now_ns),
                Command::CreditThread {
                    session,
                    attachment,
                    ticket,
                    slot,
                } => {
                    let frames = sessions.credit_thread(session, attachment, &slot, now_ns);
                    outbox.push(PollerEvent::ThreadCredited {
                        session,
                        attachment,
                        ticket,
                        frames,
                    });
                }
            }
            self.counters.sessions.set(self.sessions.len() as u64);
        }
        handled
    }

    /// Packets received from and given to its ports.
    pub(crate) fn packets(&self) -> u64 {
        let counted = self.ports.iter().map(|port| {
            let counters = &port.counters;
            counters.rx_packets.get() + counters.tx_packets.get()
        });
        counted.sum()
    }

    /// Items in its buffers: commands, packets that the ports have not taken, events.
    fn backlog(&mut self) -> u64 {
        let stuck = self.ports.iter().filter(|port| port.transmit.is_stuck());
        let packets = stuck.count() as u64;
        self.inbox.waiting() as u64 + packets + u64::from(!self.outbox.flush())
    }

    /// Hands back its sessions and queued commands.
    pub(crate) fn end(&mut self, now_ns: u64) {
        // Closed first, or a command could come behind the last look: its runtime or lender would be lost.
        self.inbox.poller.close();
        while self.handle_commands(now_ns) {}
        self.sessions.evacuate(&mut self.ports, &mut self.outbox);
        self.ports
            .iter()
            .filter_map(|port| port.share.as_ref())
            .for_each(Share::clear);
        self.counters.sessions.set(0);
        self.worker.set_processed(self.packets());
        for _ in 0..LAST_TRIES {
            if self.outbox.flush() {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
        tracing::error!(
            "poller {} lost its last events: the event queue stayed full",
            self.index
        );
    }

    /// After an idle turn at `now_ns`.
    fn rest(&mut self, now_ns: u64) {
        let due_ns = self.due_ns(now_ns);
        match self.idler.sleep(now_ns, due_ns) {
            None => std::hint::spin_loop(),
            Some(sleep) => {
                let must_look = self.arm();
                // What came before the queues were armed wakes nothing: one more turn looks for it.
                if !(must_look && self.step(monotonic_ns())) {
                    self.counters.sleeps.add(1);
                    self.counters.sessions.set(self.sessions.len() as u64);
                    self.sleep(sleep);
                    self.napped_ns = Some(now_ns).filter(|_| !sleep.until_packet);
                }
                self.disarm();
            }
        }
    }

    fn due_ns(&mut self, now_ns: u64) -> u64 {
        let unsaid = !self.outbox.flush();
        let stuck = self.ports.iter().any(|port| port.transmit.is_stuck());
        let retry = if unsaid || stuck {
            now_ns + RETRY_NS
        } else {
            u64::MAX
        };
        let ports = self.ports.iter();
        let each = ports.map(|port| port.neighbours.due_ns().min(port.transmit.due_ns()));
        each.fold(self.sessions.due_ns().min(retry), u64::min)
    }

    /// Sleeps until a packet that ends this sleep or a command arrives, or the time is up.
    fn sleep(&self, sleep: Sleep) {
        let queues = self.ports.iter().flat_map(|port| &port.receive);
        let ends = |queue: &&RxQueue| sleep.until_packet || !queue.has_packet_socket();
        let waits = queues.filter(ends).filter_map(RxQueue::wait_fd);
        let mut fds: Vec<_> = waits
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        fds.push(PollFd::new(&self.inbox.poller.waker, PollFlags::IN));
        let timeout = Duration::from_nanos(sleep.ns);
        let timeout = Timespec::try_from(timeout).expect("at most a second");
        // An error is a signal: the next turn checks everything anyway.
        let _ = poll(&mut fds, Some(&timeout));
        if fds.last().is_some_and(|waker| !waker.revents().is_empty()) {
            self.inbox.poller.waker.clear();
        }
        let failed = |fd: &&PollFd<'_>| {
            fd.revents().contains(PollFlags::ERR)
                && !mutant!("poller: a socket's error is not read")
        };
        for fd in fds.iter().filter(failed) {
            // The interface went down: a socket ends each sleep at once until its error is read.
            let _ = socket_error(fd);
        }
    }

    /// Lets packets wake the poller, also those that other pollers hand over. Returns whether another turn must come before the sleep.
    fn arm(&mut self) -> bool {
        // Before the look at the lanes: another poller that hands packets over from now on wakes this one.
        self.inbox.poller.doze();
        self.ports.iter_mut().fold(false, |must_look, port| {
            let queues = port.receive.iter_mut();
            let queue = queues.fold(false, |must_look, queue| queue.arm() | must_look);
            let handed = port.share.as_ref().is_some_and(Share::has_some);
            queue | handed | must_look
        })
    }

    fn disarm(&mut self) {
        self.inbox.poller.rouse();
        let ports = self.ports.iter_mut();
        let queues = ports.flat_map(|port| &mut port.receive);
        queues.for_each(RxQueue::disarm);
    }
}

/// Which packets at `ports` wake the poller. A port without a device has none.
fn wakes_of(ports: &[PollerPort]) -> Wakes {
    Wakes::of(ports.iter().flat_map(|port| &port.receive))
}

pub(crate) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec)
}
